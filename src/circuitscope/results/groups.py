"""The groups of a circuit as plain values: strings and numbers, to and from JSON. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from circuitscope.errors import BadFile
from circuitscope.results.circuit import Circuit
from circuitscope.results.features import NodeActivity
from circuitscope.results.plain import read_plain
from circuitscope.runs import GROUP, read_manifest

GROUPS_SCHEMA = 1


@dataclass(frozen=True)
class Group:
    """A supernode: nodes that do the same, or a node that is like no other."""

    name: str
    """A few words; no two groups of a circuit have the same."""
    where: str
    """The name's first part: the text where the members are active."""
    aim: str
    """Its second part: the answers that the members are for, or the tokens that they promote; may be empty."""
    members: tuple[str, ...]
    """Names of the nodes, the strongest first."""
    effect: float
    """Sum of the members' mean effects, in units of the metric."""
    stderr: float
    """Sum of the members' standard errors: the standard error of ``effect`` is at most this, however the members
    are correlated."""
    inside: float
    """Sum of the edges from member to member."""
    sites: tuple[str, ...]
    """The members' sites, in the order of computation."""
    position: int | None
    """The members' position; None where effects are summed over positions."""
    tokens: tuple[str, ...]
    """Tokens on which the members are most active in the task's texts; empty for errors."""
    for_answers: tuple[str, ...]
    """Answers of the texts on which the members are active, if these differ from the others' answers."""
    promoted: tuple[str, ...]
    """Tokens whose logits the members raise most on the direct path to the output."""

    @property
    def is_error(self) -> bool:
        """Whether it is a site's error, which is never grouped with features."""
        return self.members[0].split("@")[0].endswith("/error")


@dataclass(frozen=True)
class GroupEdge:
    """All edges from the members of one group to those of another, in sum."""

    source: int
    """Index of the group upstream."""
    target: int
    """Index of the group downstream, or -1 for the output."""
    effect: float
    stderr: float
    """Sum of the edges' standard errors, which bounds that of ``effect``."""
    edges: int
    """How many edges it stands for."""


@dataclass(frozen=True)
class Groups:
    """The groups of a circuit; every node is in exactly one."""

    schema_version: int
    groups: tuple[Group, ...]
    """In the order of computation, then of positions, the strongest first."""
    edges: tuple[GroupEdge, ...]
    """By decreasing |effect|."""
    similarity: float | None
    """Groups were joined as long as their members were at least this similar on average; None if their number was
    asked for."""
    weights: Mapping[str, float]
    """How much each kind of similarity counted."""
    activities: tuple[NodeActivity, ...]
    """On which of the task's texts each feature node is active."""

    def of_nodes(self) -> dict[str, int]:
        """Node's name → index of its group."""
        return {node: index for index, group in enumerate(self.groups) for node in group.members}


def groups_of(run: Path, circuit: Circuit) -> Groups | None:
    """The groups of a run folder's circuit; None if it has not been grouped yet.

    Raises:
        BadFile: they are damaged, or have other nodes than the circuit's.
    """
    folder = GROUP.in_(run)
    if not folder.is_dir():
        return None
    read_manifest(folder, GROUP.kind)
    found = read_groups(folder)
    if sorted(found.of_nodes()) != sorted(map(str, circuit.ids)):
        raise BadFile(
            f"the groups in {folder} are not made of the circuit's nodes",
            expected=f"groups of its {len(circuit)} nodes",
            mend="group again: circuitscope group RUN --overwrite",
        )
    return found


def read_groups(folder: str | Path) -> Groups:
    """The groups in a folder (``RUN/group``) or in a file; needs neither torch nor the model.

    Raises:
        BadFile: they are missing, damaged, or follow a newer schema.
    """
    return read_plain(
        Groups, folder, file=GROUP.file, newest=GROUPS_SCHEMA, what="groups", again="group again"
    )
