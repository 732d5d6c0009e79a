"""Where everything goes in the picture of a circuit. Pure numbers: nothing is drawn here.

1. Keep the strongest nodes and edges, if there are too many to read (``chosen_nodes``).
2. Every site that has nodes is a row, in the order of computation upward; every position a column.
3. A cell with many nodes wraps them into lines; how many stand side by side decides the picture's shape.
4. Within a cell, nodes go towards their neighbours, which reduces crossings.
5. Edges take the free ways between the boxes (``edge_routes``); gaps with many edges are higher.

All lengths are inches, with the origin at the lower left, so that text of a known size in points fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import BadInput
from circuitscope.pages.pictures.chosen_nodes import STRONG, Chosen, choose
from circuitscope.pages.pictures.edge_routes import Boxes, Ends, Floats, Ints, route
from circuitscope.results import Circuit
from circuitscope.terms import ERROR, SUMMED, Site

NUMBER_POINTS = 7.5
LABEL_POINTS = 6.0
MIN_WIDTH = 8.4
"""The legend needs it."""
LEGEND_HEIGHT = 1.38
TITLE_HEIGHT = 0.5
HEADER_HEIGHT = 0.42
MARGIN = 0.15
SITE_WIDTH = 0.75
"""Room for the sites' names at the left."""

_DIGIT = 0.64 * NUMBER_POINTS / 72
_GAPS_X = (0.18, 0.3, 0.42)
"""Between boxes side by side; wider where the picture would be too high: edges pass there."""
_GAP_LINE = 0.16
_GAP_ROW = 0.26
_GAP_ASIDE = 0.01
"""What an edge that moves sideways by an inch or more adds to the height of a gap, up to ``_GAP_MAX``."""
_GAP_MAX = 0.6
_COLUMN_PAD = 0.14
_ASPECT = 1.35
"""Width over height that the wrapping aims at."""
_SWEEPS = 8
_MOST_NODES = 400


@dataclass(frozen=True)
class SiteRow:
    """All nodes of one site."""

    site: Site
    bottom: float
    top: float


@dataclass(frozen=True)
class Column:
    """All nodes at one position, or all nodes of a summed circuit."""

    position: int
    """The token position, or ``SUMMED``."""
    left: float
    right: float

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


@dataclass(frozen=True)
class Layout:
    """The places of all parts of a circuit's picture, in inches."""

    circuit: Circuit
    """What is drawn: its nodes are ``x`` and ``y``'s entries."""
    width: float
    height: float
    box: tuple[float, float]
    """Width and height of every node's box; a triangle stays inside it."""
    x: Floats
    """Centres of the nodes' boxes."""
    y: Floats
    output: tuple[float, float]
    """Centre of the output's box, which has the size of the others."""
    rows: tuple[SiteRow, ...]
    """From the bottom upward; only sites that have nodes."""
    columns: tuple[Column, ...]
    edges: Ints
    """The drawn rows of ``circuit.edges``, weakest first, so that the strongest lie on top."""
    paths: tuple[Floats, ...]
    """Per drawn edge, points from its source's top to its target's bottom: between the first and second points
    it runs free, then beside a line of boxes, then free again, and so on."""
    all_nodes: int
    """How many nodes the circuit has, drawn or not."""
    all_edges: int
    positions: bool
    """Whether the columns are token positions."""
    errors: str
    """Which errors are drawn besides those among the strongest nodes."""
    added_errors: int
    """How many these are."""

    @property
    def bottom(self) -> float:
        """The lower end of the part with the boxes."""
        return LEGEND_HEIGHT + HEADER_HEIGHT * self.positions

    @property
    def top(self) -> float:
        """The upper end of the part with the boxes."""
        return self.height - TITLE_HEIGHT - HEADER_HEIGHT * self.positions


@dataclass(frozen=True)
class BoxRoom:
    """The room that boxes take."""

    size: tuple[float, float]
    """Width and height of a box."""
    spread: float = 1.0
    """How many times the usual distance lines of boxes are apart."""


def layout(
    circuit: Circuit,
    *,
    tokens: Sequence[str] | None = None,
    labelled: bool = False,
    max_nodes: int | None = None,
    max_edges: int | None = None,
    errors: str = STRONG,
    aspect: float = _ASPECT,
    boxes: BoxRoom | None = None,
) -> Layout:
    """Place a circuit's nodes and edges.

    Args:
        tokens: one per position; then every position gets a column, also one without nodes.
        labelled: boxes have room for two lines of text under the number.
        max_nodes: draw at most this many nodes, the strongest; 400 if not given.
        max_edges: draw at most this many edges; if not given, three for each node, 150 to 600.
        errors: which errors are drawn besides (``chosen_nodes``).
        aspect: width over height to aim at.
        boxes: how large they are and how far apart; if not given, what their text needs.
    """
    _check(circuit, tokens, max_nodes, max_edges)
    chosen = choose(circuit, _MOST_NODES if max_nodes is None else max_nodes, max_edges, errors)
    shown, strongest = chosen.circuit, chosen.edges
    strength = np.abs(shown.edges.effect)

    room = BoxRoom(_box_size(shown, labelled)) if boxes is None else boxes
    size = room.size
    cells = _Cells.of(shown, tokens)
    per_line, pitch = _best_wrapping(cells, size, aspect)
    columns, width = _columns(cells, per_line, pitch, tokens)
    placed = _Placed(chosen, cells, cells.lines(per_line), size, columns, width)
    slots = _slots(cells, columns, per_line, pitch)
    ends = placed.ends()
    x, line = _untangle(slots, (*ends, strength[strongest]), len(shown), columns[-1].middle)
    return _stacked(circuit, placed, ends, x, line, room.spread)


@dataclass(frozen=True)
class _Placed:
    """What is known once every node has its column and its line."""

    chosen: Chosen
    cells: _Cells
    lines_of_row: NDArray[np.int64]
    box: tuple[float, float]
    columns: tuple[Column, ...]
    width: float

    def ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Source and target of every edge; the output comes after the last node."""
        shown, drawn = self.chosen.circuit, self.chosen.edges
        source, target = shown.edges.source[drawn], shown.edges.target[drawn]
        return source, np.where(target < 0, len(shown), target)


def _stacked(
    circuit: Circuit,
    placed: _Placed,
    ends: tuple[NDArray[np.int64], NDArray[np.int64]],
    x: NDArray[np.float64],
    line: NDArray[np.int64],
    spread: float,
) -> Layout:
    """Lines above each other, far enough apart for the edges that pass between them."""
    shown, cells, box, columns = placed.chosen.circuit, placed.cells, placed.box, placed.columns
    output_x = columns[-1].middle
    x, line = np.append(x, output_x), np.append(line, placed.lines_of_row.sum())
    is_error = np.append(shown.nodes.feature == ERROR, False)
    half = np.full(x.size, box[0] / 2)
    enter = np.where(is_error, triangle_half(box), half) * 0.8
    boxes = Boxes(x, line, np.where(is_error, 0.02, enter), enter, half)
    routes = route(boxes, Ends(*ends), SITE_WIDTH, placed.width - MARGIN)
    positions = cells.positions[0] != SUMMED
    start = LEGEND_HEIGHT + HEADER_HEIGHT * positions
    starts = line[ends[0]]
    bottoms = _line_bottoms(placed.lines_of_row, routes, starts, box[1], start, spread)
    height = bottoms[-1] + box[1] + spread * _GAP_ROW / 2 + TITLE_HEIGHT + HEADER_HEIGHT * positions
    paths = [_path(way, first, bottoms, box[1]) for way, first in zip(routes, starts.tolist(), strict=True)]
    return Layout(
        circuit=shown,
        width=placed.width,
        height=float(height),
        box=box,
        x=x[:-1],
        y=bottoms[line[:-1]] + box[1] / 2,
        output=(output_x, float(bottoms[-1] + box[1] / 2)),
        rows=_rows(shown, cells, placed.lines_of_row, bottoms, box[1]),
        columns=columns,
        edges=placed.chosen.edges[::-1],
        paths=tuple(paths[::-1]),
        all_nodes=len(circuit),
        all_edges=len(circuit.edges),
        positions=positions,
        errors=placed.chosen.errors,
        added_errors=placed.chosen.added,
    )


def _check(
    circuit: Circuit, tokens: Sequence[str] | None, max_nodes: int | None, max_edges: int | None
) -> None:
    if not (np.isfinite(circuit.nodes.effect).all() and np.isfinite(circuit.edges.effect).all()):
        raise BadInput("the circuit has effects that are not numbers", expected="finite effects")
    for name, value in (("max_nodes", max_nodes), ("max_edges", max_edges)):
        if value is not None and value < 0:
            raise BadInput(f"{name} is {value}", expected="0 or more")
    last = int(circuit.nodes.position.max(initial=SUMMED))
    if tokens is not None and last >= len(tokens):
        raise BadInput(
            f"{len(tokens)} tokens, but a node at position {last}",
            expected=f"at least {last + 1} tokens, one per position, BOS included",
            mend="pass the tokens of one whole example of the template",
        )


def triangle_half(box: tuple[float, float]) -> float:
    """Half the width of a triangle inside a box of this size."""
    return min(box[0], 1.5 * box[1]) / 2


def _box_size(circuit: Circuit, labelled: bool) -> tuple[float, float]:
    """Wide enough for the largest feature number; the same for all, so that shade alone draws the eye."""
    digits = len(str(int(circuit.nodes.feature.max(initial=0))))
    width = max(0.5, digits * _DIGIT + 0.14)
    return (max(1.3, width), 0.5) if labelled else (width, 0.24)


@dataclass(frozen=True)
class _Cells:
    """Rows × columns, and the nodes of each."""

    sites: tuple[int, ...]
    positions: tuple[int, ...]
    members: dict[tuple[int, int], Ints]
    """(row, column) → the nodes there, strongest first; only cells with nodes, from the bottom upward."""
    counts: Ints
    """(row, column)"""

    @classmethod
    def of(cls, circuit: Circuit, tokens: Sequence[str] | None) -> _Cells:
        nodes = circuit.nodes
        sites, row = np.unique(nodes.site, return_inverse=True)
        positions, column = np.unique(nodes.position, return_inverse=True)
        if tokens and (positions != SUMMED).all() and (len(nodes) or circuit.keeps_positions):
            positions, column = np.arange(len(tokens)), nodes.position
        if not positions.size:
            positions = np.array([SUMMED])
        counts = np.zeros((sites.size, positions.size), np.int64)
        np.add.at(counts, (row, column), 1)
        strongest = nodes.strongest()
        members = {
            (int(r), int(c)): strongest[(row[strongest] == r) & (column[strongest] == c)]
            for r, c in zip(*np.nonzero(counts), strict=True)
        }
        return cls(tuple(map(int, sites)), tuple(map(int, positions)), members, counts)

    def lines(self, per_line: int) -> Ints:
        """How many lines of boxes each row needs."""
        return np.asarray(-(-self.counts.max(axis=1) // per_line), np.int64)

    def widest(self, per_line: int) -> Ints:
        """How many boxes stand side by side in each column."""
        return np.asarray(np.minimum(per_line, self.counts.max(axis=0, initial=0)), np.int64)


def _best_wrapping(cells: _Cells, box: tuple[float, float], aspect: float) -> tuple[int, float]:
    """How many boxes of a cell stand side by side, and how far apart, so that the picture fits a screen."""

    def misfit(choice: tuple[int, float]) -> float:
        per_line, pitch = choice
        widths = np.maximum(1, cells.widest(per_line)) * pitch + 2 * _COLUMN_PAD
        lines = cells.lines(per_line)
        height = lines.sum() * (box[1] + _GAP_LINE) + lines.size * _GAP_MAX / 2 + LEGEND_HEIGHT
        return abs(float(np.log((SITE_WIDTH + widths.sum()) / height / aspect)))

    counts = range(1, int(cells.counts.max(initial=1)) + 1)
    return min(((count, box[0] + gap) for gap in _GAPS_X for count in counts), key=misfit)


def _columns(
    cells: _Cells, per_line: int, pitch: float, tokens: Sequence[str] | None
) -> tuple[tuple[Column, ...], float]:
    """The columns, and the picture's width."""
    widths = cells.widest(per_line) * pitch + 2 * _COLUMN_PAD
    for column, position in enumerate(cells.positions):
        header = len(tokens[position]) if tokens and position != SUMMED else 2
        widths[column] = max(widths[column], 0.3 + 0.08 * min(header, 12))
    widths[-1] = max(widths[-1], pitch)  # the output stands in the last column
    missing = MIN_WIDTH - SITE_WIDTH - MARGIN - widths.sum()
    widths = widths + max(0.0, missing) / widths.size
    edges = SITE_WIDTH + np.concatenate([[0], np.cumsum(widths)])
    spans = zip(cells.positions, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return tuple(Column(*span) for span in spans), float(edges[-1]) + MARGIN


@dataclass(frozen=True)
class _Slots:
    """The places of one cell and the nodes that share them out."""

    nodes: Ints
    x: Floats
    """Rising."""
    line: Ints


def _slots(cells: _Cells, columns: Sequence[Column], per_line: int, pitch: float) -> list[_Slots]:
    lines = cells.lines(per_line)
    first_line = np.cumsum(lines) - lines
    result = []
    for (row, column), nodes in cells.members.items():
        count = -(-nodes.size // per_line)
        sizes = [part.size for part in np.array_split(nodes, count)]
        lowest = first_line[row] + (lines[row] - count) // 2
        middle = columns[column].middle
        x = np.concatenate([middle + pitch * (np.arange(size) - (size - 1) / 2) for size in sizes])
        line = np.repeat(lowest + np.arange(count), sizes)
        order = np.lexsort((line, x))
        result.append(_Slots(nodes, x[order], line[order]))
    return result


def _untangle(
    slots: Sequence[_Slots], edges: tuple[Ints, Ints, Floats], nodes: int, output_x: float
) -> tuple[Floats, Ints]:
    """Share out every cell's places: each node goes where its neighbours pull it (barycentre sweeps)."""
    source, target, weight = edges
    x, line = np.full(nodes + 1, output_x), np.zeros(nodes, np.int64)
    for cell in slots:
        x[cell.nodes], line[cell.nodes] = cell.x, cell.line
    ends, others = np.concatenate([source, target]), np.concatenate([target, source])
    weights = np.concatenate([weight, weight])
    total = np.bincount(ends, weights, nodes + 1)
    for sweep in range(_SWEEPS):
        for cell in slots if sweep % 2 == 0 else reversed(slots):
            pull = np.bincount(ends, weights * x[others], nodes + 1)
            wanted = np.where(total > 0, pull / np.where(total > 0, total, 1), x)[cell.nodes]
            order = cell.nodes[np.argsort(wanted, kind="stable")]
            x[order], line[order] = cell.x, cell.line
    return x[:-1], line


def _line_bottoms(
    lines_of_row: Ints,
    routes: Sequence[Floats],
    first: Ints,
    box_height: float,
    start: float,
    spread: float,
) -> Floats:
    """The lower end of every line of boxes, the output's included, from ``start`` upward."""
    gaps = np.full(int(lines_of_row.sum()) + 1, _GAP_LINE)
    gaps[np.cumsum(lines_of_row)] = _GAP_ROW
    gaps[0] = _GAP_ROW / 2
    gaps *= spread
    # Edges that go straight up need no room; those that go sideways need height to be told apart.
    aside = np.zeros(gaps.size)
    for way, line in zip(routes, first, strict=True):
        aside[line + 1 : line + way.size] += np.minimum(1, np.abs(np.diff(way)))
    gaps = np.minimum(_GAP_MAX * spread, gaps + _GAP_ASIDE * aside)
    return start + np.cumsum(gaps) + box_height * np.arange(gaps.size)


def _rows(
    circuit: Circuit, cells: _Cells, lines_of_row: Ints, bottoms: Floats, box_height: float
) -> tuple[SiteRow, ...]:
    after = np.cumsum(lines_of_row)
    return tuple(
        SiteRow(circuit.sites[site], float(bottoms[end - lines]), float(bottoms[end - 1] + box_height))
        for site, lines, end in zip(cells.sites, lines_of_row, after, strict=True)
    )


def _path(way: Floats, first: int, bottoms: Floats, box_height: float) -> Floats:
    """An edge's points: its source's top, both ends of every line that it passes, its target's bottom."""
    lines = bottoms[first : first + way.size]
    y = np.stack([lines, lines + box_height], axis=1).ravel()[1:-1]
    return np.stack([np.repeat(way, 2)[1:-1], y], axis=1)
