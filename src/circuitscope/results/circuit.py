"""Circuit: the nodes and edges that carry a behaviour, with the recipe that they were made by, as one value.

A circuit needs numpy at most, so it opens in a second on a machine without torch or the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import BadInput
from circuitscope.results.circuit_html import circuit_html
from circuitscope.results.evaluation import Evaluation
from circuitscope.results.recipe import Findings, Recipe
from circuitscope.terms import NodeId, Site


@dataclass(frozen=True)
class Nodes:
    """Nodes as columns; all have one length."""

    site: NDArray[np.int64]
    """Index into the circuit's ``sites``."""
    feature: NDArray[np.int64]
    """Dictionary element, or ``ERROR``."""
    position: NDArray[np.int64]
    """Token position, or ``SUMMED``."""
    effect: NDArray[np.float64]
    """Mean indirect effect over the examples, in units of the metric; above 0 promotes the clean behaviour."""
    stderr: NDArray[np.float64]
    """Standard error of that mean over the examples."""

    def __len__(self) -> int:
        return int(self.site.size)

    @classmethod
    def none(cls) -> Nodes:
        """No nodes."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing, np.zeros(0), np.zeros(0))

    def take(self, rows: NDArray[Any]) -> Nodes:
        return Nodes(
            self.site[rows], self.feature[rows], self.position[rows], self.effect[rows], self.stderr[rows]
        )

    def strongest(self) -> NDArray[np.int64]:
        """Row numbers by decreasing |effect|; ties in the order of sites, positions and features."""
        return np.lexsort((self.feature, self.position, self.site, -np.abs(self.effect)))


@dataclass(frozen=True)
class Edges:
    """Edges as columns; ``target`` -1 is the output."""

    source: NDArray[np.int64]
    """Row of the upstream node."""
    target: NDArray[np.int64]
    """Row of the downstream node, or -1 for the output (the metric)."""
    effect: NDArray[np.float64]
    """Mean edge effect over the examples, in units of the metric."""
    stderr: NDArray[np.float64]
    """Standard error of that mean."""

    def __len__(self) -> int:
        return int(self.source.size)

    @classmethod
    def none(cls) -> Edges:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class Circuit:
    """A sparse feature circuit (Marks et al. 2024, arXiv 2403.19647)."""

    sites: tuple[Site, ...]
    """The sites with a dictionary, in the order of computation."""
    nodes: Nodes
    edges: Edges
    recipe: Recipe | None = None
    """How it was made; None for a circuit that was put together by hand."""
    findings: Findings = field(default_factory=Findings)
    """What discovery learned besides nodes and edges."""
    evaluation: Evaluation | None = None
    """Faithfulness and completeness, once measured."""
    candidates: Nodes | None = None
    """Every node that had an effect, kept or not; what a sweep ranks. Not part of the JSON view."""

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def made_by(self) -> Recipe:
        """The recipe.

        Raises:
            BadInput: the circuit was put together by hand, and has none.
        """
        if self.recipe is None:
            raise BadInput(
                "the circuit does not say how it was made",
                expected="a circuit from discover, or from a run folder",
                mend="discover it, or load a saved run",
            )
        return self.recipe

    @property
    def task(self) -> str:
        """The behaviour's name; ? where it is not known."""
        return self.recipe.task.name if self.recipe else "?"

    @property
    def model(self) -> str:
        """The model's name; ? where it is not known."""
        return self.recipe.model.name if self.recipe else "?"

    @property
    def info(self) -> dict[str, Any]:
        """Recipe and findings as the flat values of the JSON view; empty for a circuit put together by hand."""
        from circuitscope.results.circuit_json import info_of  # which needs this class

        return info_of(self)

    @cached_property
    def ids(self) -> tuple[NodeId, ...]:
        """Every node's name, in row order."""
        columns = zip(self.nodes.site, self.nodes.feature, self.nodes.position, strict=True)
        return tuple(NodeId(self.sites[site], int(feature), int(pos)) for site, feature, pos in columns)

    @property
    def keeps_positions(self) -> bool:
        """Whether its nodes are features at positions (templates) rather than summed over them."""
        return self.recipe is not None and self.recipe.settings.keeps_positions

    def effect_of(self, node: NodeId) -> float | None:
        """A node's mean effect; None if it is not in the circuit."""
        row = self._rows.get(node)
        return None if row is None else float(self.nodes.effect[row])

    def strongest(self, count: int) -> Circuit:
        """The ``count`` nodes with the largest |effect| and the edges between them."""
        return self.keep(self.nodes.strongest()[:count])

    def keep(self, rows: NDArray[Any]) -> Circuit:
        """The nodes in ``rows``, in row order, and the edges between them."""
        rows = np.unique(rows)
        renumber = np.full(len(self.nodes) + 1, -2)
        renumber[rows], renumber[-1] = np.arange(rows.size), -1
        source, target = renumber[self.edges.source], renumber[self.edges.target]
        inside = (source >= 0) & (target >= -1)
        edges = Edges(source[inside], target[inside], self.edges.effect[inside], self.edges.stderr[inside])
        return replace(self, nodes=self.nodes.take(rows), edges=edges)

    @cached_property
    def _rows(self) -> dict[NodeId, int]:
        return {node: row for row, node in enumerate(self.ids)}

    def to_json(self) -> dict[str, Any]:
        """The circuit as plain values; the layout that ``circuitscope show --json`` prints."""
        from circuitscope.results.circuit_json import to_json

        return to_json(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Circuit:
        """The inverse of ``to_json``; what the JSON view leaves out (``candidates``, sources) is not there."""
        from circuitscope.results.circuit_json import from_json

        return from_json(value)

    def __repr__(self) -> str:
        return f"Circuit({len(self.nodes)} nodes, {len(self.edges)} edges, task {self.task!r}, model {self.model!r})"

    def _repr_html_(self) -> str:
        return circuit_html(self)
