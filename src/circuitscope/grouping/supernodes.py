"""group: from a circuit to its supernodes.

1. Run the task's examples, those that the circuit was discovered on, and note where its features are active.
2. Compute how alike any two features are (``similarity``): by activity, by write vectors, by edges.
3. Join what is alike (``cluster``), but only what may be together (``may_join``). An error node, or a feature that is
   like no other, is a group of its own, so every node is in exactly one group.
4. Sum effects and edges (``group_edges``), and name the groups (``naming``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from circuitscope.config import GroupConfig, settings_from
from circuitscope.dashboards import NodeActivations, node_activations, promoted_tokens, stream_vector
from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput
from circuitscope.grouping.cluster import clusters
from circuitscope.grouping.group_edges import RowNumbers, group_edges, ordered
from circuitscope.grouping.may_join import default_span, may_join
from circuitscope.grouping.naming import (
    Member,
    aim_of,
    layers_of,
    told_apart,
    traits_of,
    unique,
    where_of,
    words,
)
from circuitscope.grouping.similarity import VIEWS, combined, correlations, cosines, profiles
from circuitscope.model import LanguageModel
from circuitscope.results import GROUPS_SCHEMA, Circuit, Group, Groups, NodeActivity
from circuitscope.sources import Loaded, discovery_examples, expect_sources, reopen
from circuitscope.tasks import Examples, Task
from circuitscope.terms import ERROR, SUMMED, NodeId, Site
from circuitscope.work import Progress, shown, silent

SIMILARITY = 0.3
_PROMOTED = 8


def group(
    circuit: Circuit,
    model: LanguageModel | None = None,
    dictionaries: Dictionaries | None = None,
    task: Task | str | Path | Examples | None = None,
    *,
    groups: int | None = None,
    similarity: float | None = None,
    layers: int | None = None,
    activity: float = 1.0,
    vectors: float = 1.0,
    edges: float = 1.0,
    batch_size: int = 32,
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress | bool | None = None,
) -> Groups:
    """Group a circuit's features by what they do; see this module's text.

    Args:
        model, dictionaries, task: loaded by the circuit's recipe where they are left out.
        other arguments: as in ``circuitscope.config.GroupConfig``.

    Raises:
        BadInput: both ``groups`` and ``similarity`` are given, a number is out of range, all weights are 0, or the
            circuit has a node that the dictionaries lack.
    """
    expect_sources("group", circuit, model, dictionaries, task)
    config = settings_from(GroupConfig, locals())
    with shown(progress) as tell:
        loaded = reopen(circuit, model, dictionaries, task, device=device, dtype=dtype, progress=tell)
        return group_circuit(circuit, loaded, config, progress=tell)


def group_circuit(
    circuit: Circuit, loaded: Loaded, config: GroupConfig, *, progress: Progress = silent
) -> Groups:
    """``group`` with the settings as one value and everything loaded."""
    model, dictionaries = loaded.model, loaded.dictionaries
    weights = {name: getattr(config, name) for name in VIEWS}
    _check_nodes(circuit, dictionaries)
    progress(0, 3, "reading the task's texts")
    seen = node_activations(
        model,
        dictionaries,
        circuit.ids,
        discovery_examples(circuit, loaded),
        bos=circuit.made_by.settings.has_bos,
        batch_size=config.batch_size,
    )
    progress(1, 3, "comparing features")
    alike = _similarity(model, dictionaries, circuit, seen, weights)
    default = SIMILARITY if config.groups is None else None
    least = default if config.similarity is None else config.similarity
    span = default_span(model.n_layers) if config.layers is None else config.layers
    rows = ordered(circuit, clusters(alike, may_join(circuit, span), least=least, count=config.groups))
    progress(2, 3, "naming groups")
    activities = seen.activities()
    links, inside = group_edges(circuit, rows)
    found = _named(circuit, rows, inside, _members(model, dictionaries, circuit, activities), model.n_layers)
    progress(3, 3, "naming groups")
    return Groups(GROUPS_SCHEMA, found, links, least, weights, activities)


def _check_nodes(circuit: Circuit, dictionaries: Dictionaries) -> None:
    for node in circuit.ids:
        known = node.site in dictionaries
        if not known or node.feature >= dictionaries[node.site].n_features:
            raise BadInput(
                f"the circuit's node {node} is in none of the dictionaries",
                expected="the dictionaries that the circuit was discovered with",
                mend="load those",
            )


def _similarity(
    model: LanguageModel,
    dictionaries: Dictionaries,
    circuit: Circuit,
    seen: NodeActivations,
    weights: dict[str, float],
) -> NDArray[np.float64]:
    """(node, node) over all nodes; what it says about errors is never used, since they join nothing."""
    features = np.flatnonzero(circuit.nodes.feature != ERROR)
    views = {view: np.full((len(circuit), len(circuit)), np.nan) for view in VIEWS}
    both = np.ix_(features, features)
    views["activity"][both] = correlations(seen.values)
    views["vectors"][both] = cosines(_write_vectors(model, dictionaries, seen.nodes))
    views["edges"] = profiles(circuit.edges, len(circuit))
    return combined(views, weights)


def _write_vectors(
    model: LanguageModel, dictionaries: Dictionaries, nodes: Sequence[NodeId]
) -> NDArray[np.float64]:
    """(node, width) as the residual stream receives them, so that sites with other tensors compare too."""
    known: dict[tuple[Site, int], NDArray[np.float64]] = {}
    with torch.no_grad():
        for node in nodes:
            if (node.site, node.feature) not in known:
                vector, _ = stream_vector(model, dictionaries, node.site, node.feature)
                known[node.site, node.feature] = vector.double().cpu().numpy()
    found = [known[node.site, node.feature] for node in nodes]
    return np.stack(found) if found else np.zeros((0, model.width))


def _members(
    model: LanguageModel,
    dictionaries: Dictionaries,
    circuit: Circuit,
    activities: Sequence[NodeActivity],
) -> list[Member]:
    """Per node what names are made from."""
    features = [(node.site, node.feature) for node in circuit.ids if not node.is_error]
    promoted = iter(promoted_tokens(model, dictionaries, features, count=_PROMOTED))
    active = iter(activities)
    return [
        Member(node, effect, None, None)
        if node.is_error
        else Member(node, effect, next(active), next(promoted))
        for node, effect in zip(circuit.ids, circuit.nodes.effect.tolist(), strict=True)
    ]


def _is_late(members: Sequence[Member], n_layers: int) -> bool:
    """Whether all members are in the upper half of the model, whose write vectors the output reads."""
    return all(member.node.site.layer >= n_layers / 2 for member in members)


def _named(
    circuit: Circuit,
    rows: Sequence[RowNumbers],
    inside: Sequence[float],
    members: Sequence[Member],
    n_layers: int,
) -> tuple[Group, ...]:
    together = [[members[row] for row in group_rows] for group_rows in rows]
    traits = told_apart([traits_of(part) for part in together], [part[0].node.position for part in together])
    sites = [tuple(site.name for site in sorted({member.node.site for member in part})) for part in together]
    last = len(circuit.findings.tokens or ()) - 1
    where = [where_of(part, trait) for part, trait in zip(together, traits, strict=True)]
    aim = [
        aim_of(part, trait, at_end=part[0].node.position in (SUMMED, last) and _is_late(part, n_layers))
        for part, trait in zip(together, traits, strict=True)
    ]
    names = unique(
        [
            left if part[0].node.is_error else f"{left} {right}".strip() + f" ({layers_of(place)})"
            for left, right, place, part in zip(where, aim, sites, together, strict=True)
        ],
        lambda row: f"makes likelier {words(traits[row].promoted)}",
    )
    return tuple(
        Group(
            name=names[row],
            where=where[row],
            aim=aim[row],
            members=tuple(str(member.node) for member in part),
            effect=float(circuit.nodes.effect[rows[row]].sum()),
            stderr=float(circuit.nodes.stderr[rows[row]].sum()),
            inside=inside[row],
            sites=sites[row],
            position=None if part[0].node.position == SUMMED else part[0].node.position,
            tokens=traits[row].tokens,
            for_answers=traits[row].for_answers,
            promoted=traits[row].promoted,
        )
        for row, part in enumerate(together)
    )
