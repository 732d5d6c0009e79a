"""Recipe: how a circuit was made, as one value.

The command line or the arguments of ``discover`` fill it, discovery works from it, and the circuit owns it: whatever
comes later (evaluation, strict tests, sweeps, pruning, groups, reports) needs nothing else to continue from the
discovery. ``Findings`` is what discovery learned besides nodes and edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from circuitscope.config import DiscoverySettings
from circuitscope.runs import versions

TEMPLATE, FILES, LABELLED, PROMPT, OBJECTS = "template", "files", "labelled", "prompt", "objects"
"""Where a task comes from: a built-in template, JSON lines, labelled texts, a prompt, or examples made in Python."""


@dataclass(frozen=True)
class ClassifierHead:
    """A probe that takes the place of the unembedding: the model is then a classifier (SHIFT)."""

    site: str
    """The residual site that it reads."""
    pooling: str
    """``mean`` or ``last``."""
    weight: tuple[float, ...]
    bias: float


@dataclass(frozen=True)
class ModelSource:
    """Which model, and how to load it again."""

    name: str
    """As it is shown: a folder by its own name."""
    source: str | None = None
    """What ``load_model`` takes; None for a model that was made in Python."""
    hash: str = ""
    """``fingerprint`` of its weights."""
    n_layers: int = 0
    dtype: str = "float32"
    device: str = "auto"
    """Where it was asked to run."""
    head: ClassifierHead | None = None


@dataclass(frozen=True)
class DictionariesSource:
    """Which dictionaries, and how to load them again."""

    name: str
    source: str | None = None
    """What ``load_dictionaries`` takes; None for dictionaries that were made in Python."""
    hash: str = ""
    """Content hash of all of them together."""
    by_site: Mapping[str, str] = field(default_factory=dict)
    """Content hash of each site's own, which labels and verdicts belong to."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """How many sites have a dictionary of each kind."""


@dataclass(frozen=True)
class TaskSource:
    """Which behaviour, and how to open it again."""

    name: str
    kind: str = OBJECTS
    """``template``, ``files``, ``labelled``, ``prompt`` or ``objects``."""
    place: str | None = None
    """The template's name, the path of the files, or the source of the labelled texts."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of labelled texts: the other arguments of ``load_labelled_sets``."""
    classes: tuple[str, ...] = ()
    """Of labelled texts: the names of the two classes."""
    train: tuple[Mapping[str, Any], ...] = ()
    """A prompt or examples made in Python, in the form of JSON lines; empty where they can be read again."""
    test: tuple[Mapping[str, Any], ...] = ()
    is_template: bool = False
    hash: str = ""
    """Of all examples, so that a file that changed is noticed."""


@dataclass(frozen=True)
class Recipe:
    """How a circuit was made."""

    model: ModelSource
    dictionaries: DictionariesSource
    task: TaskSource
    settings: DiscoverySettings = field(default_factory=DiscoverySettings)
    metric_shown_as: str = ""
    """The higher-is-better side of the metric, as tables name it."""
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=versions)
    """Of the programs that made it."""

    def settled(self, **changes: Any) -> Recipe:
        """The same with some settings replaced by what they resolved to."""
        return replace(self, settings=replace(self.settings, **changes))


@dataclass(frozen=True)
class QuadratureGap:
    """How well the effects of a site add up."""

    gap: float
    """The largest quadrature gap of a batch."""
    points: float
    """The points that it took."""


@dataclass(frozen=True)
class EdgeGap:
    """How well the in-edges of a site's kept nodes add up to their effects."""

    gap: float
    """mean |Σ in-edges from all nodes − node effect|, relative to mean |node effect|, over nodes at tokens."""
    points: float
    """The most quadrature points that a node's paths took."""
    remainder: float = 0.0
    """The share of the effects that nodes owe to no direction of their own; it goes by the site's whole change."""
    elsewhere: float = 0.0
    """The share of the effects that comes from the model's input where no dictionary covers it."""


@dataclass(frozen=True)
class PruneChoice:
    """How the nodes of a pruned circuit were chosen."""

    faithfulness: float
    """What was to be kept."""
    method: str
    split: str
    examples: int
    nodes: int
    """How many nodes of layers that are not free were kept."""
    free_layers: int


@dataclass(frozen=True)
class Findings:
    """What discovery learned besides nodes and edges."""

    examples: int = 0
    """How many examples were used."""
    node_threshold: float | None = None
    """|mean effect| above which nodes were kept; of the N strongest, that of the weakest."""
    edge_threshold: float | None = None
    clean_metric: float | None = None
    """Mean of the higher-is-better metric on clean inputs."""
    patch_metric: float | None = None
    """The same on patch inputs; None for single inputs."""
    quadrature: Mapping[str, QuadratureGap] = field(default_factory=dict)
    """By site; empty for methods without an integral."""
    edge_gaps: Mapping[str, EdgeGap] = field(default_factory=dict)
    """By site; empty where no edges go into kept nodes, and in circuits made before edges were checked."""
    tokens: tuple[str, ...] | None = None
    """A heading per position, where positions are kept."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """How many examples were left out, by reason."""
    silent: tuple[str, ...] = ()
    """Nodes that are silent where edges are taken, so that no edge can go into them."""
    pruned: PruneChoice | None = None
    right: float | None = None
    """The share of clean inputs on which the model prefers the clean answer, to the patch answer or else to every
    token; None where that was not looked at, as with metrics of one's own."""
