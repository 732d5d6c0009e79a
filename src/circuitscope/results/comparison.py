"""compare: how two circuits agree."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from circuitscope.results.circuit import Circuit
from circuitscope.terms import OUTPUT, SUMMED, NodeId


@dataclass(frozen=True, repr=False)
class Comparison:
    """How two circuits agree."""

    shared: tuple[NodeId, ...]
    only_first: tuple[NodeId, ...]
    only_second: tuple[NodeId, ...]
    overlap: float
    """Shared nodes over all nodes (Jaccard)."""
    edge_overlap: float
    """The same for edges."""
    correlation: float | None
    """Pearson correlation of the shared nodes' effects; None if fewer than two are shared."""

    def __repr__(self) -> str:
        both = len(self.shared)
        text = f"Comparison({both} shared nodes, {len(self.only_first)} only in the first, "
        text += f"{len(self.only_second)} only in the second; overlap {self.overlap:.2f} of nodes, "
        text += f"{self.edge_overlap:.2f} of edges"
        return (
            text + ("" if self.correlation is None else f"; effects correlate {self.correlation:.3f}") + ")"
        )


def compare(first: Circuit, second: Circuit) -> Comparison:
    """Compare two circuits by node names.

    Where one keeps positions and the other sums over them, a feature's effects are summed over its positions.
    """
    kinds = [set((circuit.nodes.position == SUMMED).tolist()) for circuit in (first, second)]
    positions = sorted(map(tuple, kinds)) != [(False,), (True,)]
    ours, theirs = _effects(first, positions), _effects(second, positions)
    shared = tuple(sorted(set(ours) & set(theirs)))
    edges, other_edges = _edge_names(first, positions), _edge_names(second, positions)
    effects = np.array([[ours[node], theirs[node]] for node in shared], float)
    correlation = None
    if len(shared) >= 2 and (effects.std(axis=0) > 0).all():
        correlation = float(np.corrcoef(effects.T)[0, 1])
    return Comparison(
        shared,
        tuple(sorted(set(ours) - set(theirs))),
        tuple(sorted(set(theirs) - set(ours))),
        len(shared) / max(1, len(set(ours) | set(theirs))),
        len(edges & other_edges) / max(1, len(edges | other_edges)),
        correlation,
    )


def _named(circuit: Circuit, positions: bool) -> list[NodeId]:
    return [node if positions else replace(node, position=SUMMED) for node in circuit.ids]


def _effects(circuit: Circuit, positions: bool) -> dict[NodeId, float]:
    total: dict[NodeId, float] = {}
    for node, effect in zip(_named(circuit, positions), circuit.nodes.effect.tolist(), strict=True):
        total[node] = total.get(node, 0.0) + effect
    return total


def _edge_names(circuit: Circuit, positions: bool) -> set[tuple[str, str]]:
    names = [*map(str, _named(circuit, positions)), OUTPUT]
    return {(names[s], names[t]) for s, t in zip(circuit.edges.source, circuit.edges.target, strict=True)}
