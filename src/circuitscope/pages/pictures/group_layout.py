"""Where everything goes in the picture of a circuit's groups. Pure numbers: nothing is drawn here.

1. Keep the strongest groups: those that together have nearly all of Σ |effect|, but no more than fit on a page.
2. Every last layer of a group is a row, from the bottom upward; every position is a column (``circuit_layout``).
3. Edges that go upward are led around the boxes there. Groups of one layer can have edges both ways: these are
   arches, above the boxes if they lead to the right and below them if they lead to the left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from circuitscope.pages.pictures.circuit_layout import BoxRoom, Layout, layout
from circuitscope.results import Circuit, Edges, Groups, Nodes
from circuitscope.terms import SUMMED, NodeId, Site

BOX = (2.55, 0.74)
"""Room for two lines of a name and one of numbers, in inches."""
ASPECT = 1.5
MOST_GROUPS = 24
_ENOUGH = 0.98
"""Share of Σ |effect| that the groups drawn have, if there are no more than ``MOST_GROUPS`` of them."""
_EDGES_PER_GROUP = 2
_WEAKEST = 0.01
"""Edges below this part of the strongest are not drawn."""
_SPREAD = 2.2
_ARCH = 0.2
"""Inches that an arch rises above its boxes."""


@dataclass(frozen=True)
class Arch:
    """An edge between groups of one row."""

    edge: int
    """Row of ``GroupLayout.edges``' circuit."""
    points: NDArray[np.float64]
    """(4, 2) control points of a cubic curve, in inches; the last is where it enters."""
    downward: bool
    """Whether it enters from above."""


@dataclass(frozen=True)
class GroupLayout:
    """The places of groups and of the edges between them, in inches."""

    placed: Layout
    """The groups as nodes: a node's feature is the group's index; its edges go upward."""
    all: Circuit
    """The groups as nodes with all edges that are drawn."""
    arches: tuple[Arch, ...]
    """Weakest first."""
    groups: Groups

    @property
    def shown(self) -> tuple[int, ...]:
        """Indices of the groups that are drawn, in the layout's order."""
        return tuple(self.placed.circuit.nodes.feature.tolist())

    @property
    def edges_drawn(self) -> int:
        return int(self.placed.edges.size) + len(self.arches)


def group_layout(
    groups: Groups, *, max_groups: int | None = None, max_edges: int | None = None, aspect: float = ASPECT
) -> GroupLayout:
    """Place groups and edges.

    Args:
        max_groups: draw at most this many groups, the strongest; if not given, as many as have 98 % of the
            effects, and at most 24.
        max_edges: draw at most this many edges, the strongest; if not given, two for each group.
        aspect: width over height to aim at.
    """
    whole = as_circuit(groups)
    chosen = whole.strongest(_enough(whole) if max_groups is None else max_groups)
    limit = _EDGES_PER_GROUP * len(chosen) if max_edges is None else max_edges
    drawn = _with_edges(chosen, _strongest_edges(chosen, limit))
    upward = _upward(drawn)
    placed = layout(
        _with_edges(drawn, np.flatnonzero(upward)),
        max_edges=int(upward.sum()),
        aspect=aspect,
        boxes=BoxRoom(BOX, _SPREAD),
    )
    aside = np.flatnonzero(~upward)
    arches = [_arch(placed, drawn.edges, int(edge)) for edge in aside[::-1]]
    return GroupLayout(placed, drawn, tuple(arches), groups)


def as_circuit(groups: Groups) -> Circuit:
    """The groups as a circuit of their own: a site per layer, the group's index as the feature."""
    layers = sorted({_layer(item.sites) for item in groups.groups})
    sites = tuple(Site("embed", -1) if layer < 0 else Site("resid", layer) for layer in layers)
    nodes = Nodes(
        np.array([layers.index(_layer(item.sites)) for item in groups.groups], np.int64),
        np.arange(len(groups.groups)),
        np.array([SUMMED if item.position is None else item.position for item in groups.groups], np.int64),
        np.array([item.effect for item in groups.groups], float),
        np.array([item.stderr for item in groups.groups], float),
    )
    edges = Edges(
        np.array([edge.source for edge in groups.edges], np.int64),
        np.array([edge.target for edge in groups.edges], np.int64),
        np.array([edge.effect for edge in groups.edges], float),
        np.array([edge.stderr for edge in groups.edges], float),
    )
    return Circuit(sites, nodes, edges)


def _layer(sites: tuple[str, ...]) -> int:
    return max(Site.parse(site).layer for site in sites)


def row_name(node: NodeId | Site) -> str:
    """``embed`` or ``layer 2``."""
    site = node.site if isinstance(node, NodeId) else node
    return "embed" if site.kind == "embed" else f"layer {site.layer}"


def _enough(circuit: Circuit) -> int:
    strength = np.sort(np.abs(circuit.nodes.effect))[::-1]
    total = np.cumsum(strength)
    needed = int(np.searchsorted(total, _ENOUGH * total[-1])) + 1 if len(total) else 0
    return min(MOST_GROUPS, needed)


def _strongest_edges(circuit: Circuit, limit: int) -> NDArray[np.int64]:
    strength = np.abs(circuit.edges.effect)
    order = np.argsort(-strength, kind="stable")[:limit]
    return np.asarray(order[strength[order] >= _WEAKEST * strength.max(initial=0)])


def _with_edges(circuit: Circuit, rows: NDArray[np.int64]) -> Circuit:
    edges = circuit.edges
    kept = Edges(edges.source[rows], edges.target[rows], edges.effect[rows], edges.stderr[rows])
    return replace(circuit, edges=kept, evaluation=None, candidates=None)


def _upward(circuit: Circuit) -> NDArray[np.bool_]:
    """Whether each edge leads to a higher row; the output is above all."""
    row = np.append(circuit.nodes.site, len(circuit.sites))
    return np.asarray(row[circuit.edges.target] > row[circuit.edges.source])


def _arch(placed: Layout, edges: Edges, edge: int) -> Arch:
    """Above the boxes to the right, below them to the left, so that two edges between the same boxes part.

    Where a row has several lines, upward left of the middle and downward right of it.
    """
    width, height = placed.box
    source, target = int(edges.source[edge]), int(edges.target[edge])
    (x0, y0), (x1, y1) = ((placed.x[row], placed.y[row]) for row in (source, target))
    if abs(y0 - y1) > 1e-6:  # in two lines of one row, or to a lower row
        up = y1 > y0
        start, end = y0 + (height / 2 if up else -height / 2), y1 + (-height / 2 if up else height / 2)
        middle, aside = (start + end) / 2, width * (-0.25 if up else 0.25)
        points = [(x0 + aside, start), (x0 + aside, middle), (x1 + aside, middle), (x1 + aside, end)]
        return Arch(edge, np.array(points), downward=not bool(up))
    to_right = x1 > x0
    side = 1 if to_right else -1
    y = y0 + side * height / 2
    start, end = x0 + side * width * 0.4, x1 - side * width * 0.4
    points = [(start, y), (start, y + side * _ARCH * 4 / 3), (end, y + side * _ARCH * 4 / 3), (end, y)]
    return Arch(edge, np.array(points), downward=bool(to_right))


def caption(shown: GroupLayout) -> str:
    """How much of the circuit is shown."""
    groups = shown.groups
    drawn, count = len(shown.shown), len(groups.groups)
    nodes = sum(len(groups.groups[index].members) for index in shown.shown)
    every = sum(len(item.members) for item in groups.groups)
    part = f"all {count}" if drawn == count else f"the {drawn} strongest of {count}"
    edges = f"{shown.edges_drawn} of {len(groups.edges)}"
    return f"{part} groups, with {nodes} of {every} nodes; {edges} edges between groups, those with the largest |sum|"
