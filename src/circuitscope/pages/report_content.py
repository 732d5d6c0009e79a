"""The content of a report as plain values: what the page is made from, and what is kept as JSON beside it.

The only function here reads it back. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from circuitscope.results import Evaluation, FeatureDashboard, Groups, NodeActivity, Sweep, read_plain
from circuitscope.runs import REPORT

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ExampleText:
    """One example of the task, as text."""

    clean_prefix: str
    clean_answer: str
    """Several answers that count together are joined by " / "."""
    patch_prefix: str | None
    """None for a single input."""
    patch_answer: str


@dataclass(frozen=True)
class Question:
    """What was asked."""

    task: str
    model: str
    dictionaries: str
    dictionary_kinds: Mapping[str, int]
    """How many sites have a dictionary of each kind."""
    pairs: bool
    examples: tuple[ExampleText, ...]
    """A few, to show."""
    n_examples: int
    split: str
    metric: str
    metric_shown_as: str
    clean: float | None
    """Mean of the higher-is-better metric on the clean inputs."""
    patch: float | None
    """The same on the patch inputs; None for single inputs."""


@dataclass(frozen=True)
class EdgeLine:
    """One edge, seen from one of its ends."""

    node: str
    """The node at the other end, or ``output``."""
    effect: float
    stderr: float


@dataclass(frozen=True)
class NodeLine:
    """A node with its strongest edges."""

    id: str
    site: str
    feature: int | None
    """None for an error."""
    position: int | None
    """None where effects are summed over positions."""
    heading: str
    """The token at the position; empty where it is not known."""
    effect: float
    stderr: float
    into: tuple[EdgeLine, ...]
    out: tuple[EdgeLine, ...]
    silent: bool
    """Whether no edge can go into it, since it is silent where edges are taken."""


@dataclass(frozen=True)
class SiteAtPosition:
    """The nodes of one site at one position."""

    site: str
    layer: int
    position: int | None
    heading: str
    nodes: int
    errors: int
    total: float
    """Sum of |effect|."""
    error_total: float


@dataclass(frozen=True)
class PathStep:
    """A node on a path, or a site on a route."""

    node: str
    """``output`` at the end."""
    heading: str = ""
    """The token at its position; empty where it is not known, or the same as a step before."""
    label: str = ""
    """A few words for its feature."""


@dataclass(frozen=True)
class PathLine:
    """A path with its share of the whole effect."""

    share: float
    steps: tuple[PathStep, ...]


@dataclass(frozen=True)
class WaysThrough:
    """How the effect travels through the circuit."""

    sentence: str
    """What all paths together carry."""
    routes: tuple[PathLine, ...]
    """Paths through the same sites and positions, taken together."""
    paths: tuple[PathLine, ...]
    explained: float | None
    """How much of the nodes' effects the edges explain."""


@dataclass(frozen=True)
class DrawnNode:
    """A node in the picture; lengths in pixels, y downward."""

    node: str
    x: float
    y: float
    width: float
    height: float
    error: bool
    effect: float
    strength: float
    """0 to 1: how strongly it is coloured."""
    name: str
    lines: tuple[str, ...]
    """A few words under the name."""


@dataclass(frozen=True)
class DrawnEdge:
    """An edge in the picture."""

    source: str
    target: str
    path: str
    """SVG path data."""
    end_x: float
    end_y: float
    width: float
    effect: float
    across: bool
    """Whether it goes from one position to another."""
    downward: bool = False
    """Whether it enters its target from above."""


@dataclass(frozen=True)
class Band:
    """A row (a site) or a column (a position) of the picture, with its heading."""

    text: str
    start: float
    end: float
    shaded: bool


@dataclass(frozen=True)
class Drawing:
    """The picture of a circuit."""

    width: float
    height: float
    rows: tuple[Band, ...]
    columns: tuple[Band, ...]
    boxes: tuple[DrawnNode, ...]
    lines: tuple[DrawnEdge, ...]
    output: DrawnNode
    caption: str


@dataclass(frozen=True)
class Setting:
    """One line of how it was made."""

    name: str
    value: str


@dataclass(frozen=True)
class RunOrigin:
    """Where a circuit is and when it was made; for one that is not saved, nothing is known."""

    name: str = "RUN"
    """The run folder's own name."""
    created: str = ""
    """When it was discovered, in ISO 8601."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the programs that made it."""


@dataclass(frozen=True)
class Report:
    """Everything that a report says."""

    schema_version: int
    created: str
    """When the circuit was discovered."""
    question: Question
    n_nodes: int
    n_edges: int
    n_candidates: int | None
    node_threshold: float | None
    nodes_asked: int | None
    baseline: str
    keeps_positions: bool
    nodes: tuple[NodeLine, ...]
    """By decreasing |effect|; of a large circuit, only the strongest."""
    places: tuple[SiteAtPosition, ...]
    """All of the circuit's nodes, summed by site and position."""
    features: tuple[FeatureDashboard, ...]
    """Of the strongest nodes; nodes of one feature at several positions share one."""
    text_read: str
    """Where the contexts come from, as a phrase."""
    drawing: Drawing
    evaluation: Evaluation | None
    sweep: Sweep | None
    settings: tuple[Setting, ...]
    warnings: tuple[str, ...]
    gaps: Mapping[str, float]
    """Quadrature gap by site."""
    skipped: Mapping[str, int]
    run: str
    """The run folder's own name, for the commands that the page shows."""
    activities: tuple[NodeActivity, ...] = ()
    """On which of the task's texts the nodes are active."""
    groups: Groups | None = None
    """What ``group`` found."""
    grouped: Drawing | None = None
    """The picture of the groups."""
    ways: WaysThrough | None = None
    """The strongest paths; None where no edge goes into the output."""
    edge_gaps: Mapping[str, float] = field(default_factory=dict)
    """Edge gap by site, where edges claim to add up."""


@dataclass(frozen=True)
class IndexRow:
    """One run of a collection."""

    name: str
    link: str
    """Relative to the index."""
    question: Question
    n_nodes: int
    n_edges: int
    evaluation: Evaluation | None
    outdated: str = ""
    """What has changed since the report was made; empty where it is up to date."""


def read_report(folder: str | Path) -> Report:
    """The report in a folder (``RUN/report``) or in a file; needs neither torch nor the model.

    Raises:
        BadFile: it is missing, damaged, or follows a newer schema.
    """
    return read_plain(
        Report,
        folder,
        file=REPORT.file,
        newest=SCHEMA_VERSION,
        what="a report",
        again="make the report again",
    )
