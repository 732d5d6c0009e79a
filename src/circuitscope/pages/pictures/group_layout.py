"""Where everything goes in the picture of a circuit's groups. Pure numbers: nothing is drawn here.

1. Keep the strongest groups: those that together have nearly all of Σ |effect|, but no more than can be read.
2. Every last site of a group is a row, in the order of computation upward; every position is a column
   (``circuit_layout``).
3. Edges that go upward are led around the boxes there. A group can span several sites, so edges can also lead to a
   row that is not above: these are led around the boxes like the others. Between boxes of one line they are arches,
   above the boxes if they lead to the right and below them if they lead to the left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from circuitscope.pages.pictures.circuit_layout import MARGIN, SITE_WIDTH, BoxRoom, Layout, layout
from circuitscope.pages.pictures.edge_routes import Boxes, Ends, route
from circuitscope.results import Circuit, Edges, Groups, Nodes
from circuitscope.terms import SUMMED, Site

BOX = (2.55, 0.74)
"""Room for two lines of a name and one of numbers, in inches."""
ASPECT = 1.5
MOST_GROUPS = 16
_ENOUGH = 0.98
"""Share of Σ |effect| that the groups drawn have, if there are no more than ``MOST_GROUPS`` of them."""
_EDGES_PER_GROUP = 2
_WEAKEST = 0.01
"""Edges below this part of the strongest are not drawn."""
_SPREAD = 2.2
_LEVEL = 1e-6
_BESIDE = 0.25
"""Part of a box's width."""
_ARCH = 0.2
"""Inches that an arch rises above its boxes."""


@dataclass(frozen=True)
class Arch:
    """An edge that does not lead to a higher row."""

    edge: int
    """Row of ``GroupLayout.edges``' circuit."""
    points: NDArray[np.float64]
    """In inches: (4, 2) control points of a cubic curve within a line, or the points of a way around boxes like those
    of ``Layout.paths``; the last is where it enters."""
    downward: bool
    """Whether it enters from above."""
    around: bool
    """Whether it is a way around boxes."""


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
            effects, and at most 16.
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
    return GroupLayout(placed, drawn, tuple(_aside(placed, drawn.edges, aside[::-1])), groups)


def as_circuit(groups: Groups) -> Circuit:
    """The groups as a circuit of their own: each at its last site, with its index as the feature."""
    last = [max(Site.parse(site) for site in item.sites) for item in groups.groups]
    sites = tuple(sorted(set(last)))
    nodes = Nodes(
        np.array([sites.index(site) for site in last], np.int64),
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


def _aside(placed: Layout, edges: Edges, rows: NDArray[np.int64]) -> list[Arch]:
    """The edges that do not lead to a higher row: around boxes from line to line, as arches within a line."""
    y = np.append(placed.y, placed.output[1])
    level = np.array([bool(abs(y[edges.source[row]] - y[edges.target[row]]) < _LEVEL) for row in rows], bool)
    ways = dict(zip(rows[~level].tolist(), _ways(placed, edges, rows[~level]), strict=True))
    return [ways[row] if row in ways else _arch(placed, edges, row) for row in rows.tolist()]


def _ways(placed: Layout, edges: Edges, rows: NDArray[np.int64]) -> list[Arch]:
    """Edges between two lines, led around the boxes there; those that lead down are led up and then turned.

    They leave and enter left of a box's middle if they go up, right of it if they go down, so that two edges between
    the same boxes part.
    """
    x, y = np.append(placed.x, placed.output[0]), np.append(placed.y, placed.output[1])
    lines, line = np.unique(y.round(6), return_inverse=True)
    width, height = placed.box
    half = np.full(x.size, width / 2)
    source, target = edges.source[rows], edges.target[rows]
    down = line[target] < line[source]
    ends = Ends(np.where(down, target, source), np.where(down, source, target))
    boxes = Boxes(x, line, half * 0.8, half * 0.8, half)
    found = []
    ways = route(boxes, ends, SITE_WIDTH, placed.width - MARGIN)
    for row, way, lower, turned in zip(rows.tolist(), ways, ends.source.tolist(), down.tolist(), strict=True):
        bottoms = lines[line[lower] : line[lower] + way.size] - height / 2
        sides = np.stack([bottoms, bottoms + height], axis=1).ravel()[1:-1]
        points = np.stack([np.repeat(way, 2)[1:-1], sides], axis=1)
        points[[0, -1], 0] += width * (_BESIDE if turned else -_BESIDE)
        found.append(Arch(row, points[::-1] if turned else points, downward=turned, around=True))
    return found


def _arch(placed: Layout, edges: Edges, edge: int) -> Arch:
    """Above the boxes to the right, below them to the left, so that two edges between the same boxes part."""
    width, height = placed.box
    source, target = int(edges.source[edge]), int(edges.target[edge])
    (x0, y0), (x1, _) = ((placed.x[row], placed.y[row]) for row in (source, target))
    to_right = x1 > x0
    side = 1 if to_right else -1
    y = y0 + side * height / 2
    start, end = x0 + side * width * 0.4, x1 - side * width * 0.4
    points = [(start, y), (start, y + side * _ARCH * 4 / 3), (end, y + side * _ARCH * 4 / 3), (end, y)]
    return Arch(edge, np.array(points), downward=bool(to_right), around=False)


def not_drawn(shown: GroupLayout) -> list[str]:
    """The names of the other groups, the strongest first."""
    groups = shown.groups.groups
    rest = sorted(set(range(len(groups))) - set(shown.shown), key=lambda index: -abs(groups[index].effect))
    return [groups[index].name for index in rest]


def caption(shown: GroupLayout) -> str:
    """How much of the circuit is shown."""
    groups = shown.groups
    drawn, count = len(shown.shown), len(groups.groups)
    nodes = sum(len(groups.groups[index].members) for index in shown.shown)
    every = sum(len(item.members) for item in groups.groups)
    part = f"all {count}" if drawn == count else f"the {drawn} strongest of {count}"
    edges = f"{shown.edges_drawn} of {len(groups.edges)}"
    return f"{part} groups, with {nodes} of {every} nodes; {edges} edges between groups, those with the largest |sum|"
