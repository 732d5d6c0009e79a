"""The picture of a circuit as plain values, for pages: the same layout as the static picture, drawn in SVG.

``circuit_layout`` places everything in inches with y upward; here it becomes pixels with y downward. Colours
are left to the page, which knows whether it is light or dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from circuitscope.pages.pictures import figure_text
from circuitscope.pages.pictures.chosen_nodes import STRONG
from circuitscope.pages.pictures.circuit_layout import LEGEND_HEIGHT, TITLE_HEIGHT, Layout, layout
from circuitscope.pages.pictures.circuit_legend import caption
from circuitscope.pages.pictures.shapes import edge_width
from circuitscope.pages.report_content import Band, Drawing, DrawnEdge, DrawnNode
from circuitscope.pages.words.visible import visible
from circuitscope.results import Circuit
from circuitscope.terms import OUTPUT, SUMMED, NodeId

MOST_NODES = 40
_EDGES_PER_NODE = 2
_ASPECT = 0.75
"""A page is scrolled downward more easily than to the side."""
_WORDS_POINTS = 10.5 * 72 / 96
"""The size of a box's words in the page's style sheet."""
_PIXELS = 96
_ROW_PAD = 6.0
_ABOVE = TITLE_HEIGHT
"""The static picture's title, which the page has as a heading."""


def draw(
    circuit: Circuit,
    labels: Mapping[NodeId, tuple[str, ...]],
    headings: Mapping[int, str],
    *,
    errors: str = STRONG,
) -> Drawing:
    """The picture of a circuit's strongest nodes.

    Args:
        labels: a few lines of text per node; nodes without any have none.
        headings: position → its token.
        errors: which errors are drawn besides the strongest nodes (``chosen_nodes``).
    """
    shown = min(MOST_NODES, len(circuit))
    placed = layout(
        circuit,
        labelled=True,
        max_nodes=shown,
        max_edges=max(_EDGES_PER_NODE * shown, 20),
        errors=errors,
        aspect=_ASPECT,
    )
    return Drawing(
        width=pixels(placed.width),
        height=pixels(placed.height - LEGEND_HEIGHT - _ABOVE),
        rows=rows_of(placed),
        columns=columns_of(placed, headings),
        boxes=tuple(_boxes(placed, labels)),
        lines=tuple(lines_of(placed, [str(node) for node in placed.circuit.ids])),
        output=box_at(placed, OUTPUT, placed.output, "output"),
        caption=caption(placed),
    )


def _round(value: float) -> float:
    return round(float(value), 1)


def pixels(inches: float) -> float:
    return _round(inches * _PIXELS)


def y_of(placed: Layout, inches: float) -> float:
    """A height of the layout, from its bottom, as pixels from the picture's top."""
    return pixels(placed.height - _ABOVE - inches)


def rows_of(placed: Layout) -> tuple[Band, ...]:
    """Rows from the bottom upward; those of every other layer are shaded."""
    return tuple(
        Band(
            str(row.site),
            y_of(placed, row.top) - _ROW_PAD,
            y_of(placed, row.bottom) + _ROW_PAD,
            row.site.layer % 2 == 0,
        )
        for row in placed.rows
    )


def columns_of(placed: Layout, headings: Mapping[int, str]) -> tuple[Band, ...]:
    if not placed.positions:
        return ()
    bands = []
    for column in placed.columns:
        room = column.right - column.left - 0.45
        text = f"{column.position} {fit(headings.get(column.position, '').strip(), room, 8.5)}".strip()
        bands.append(Band(text, _round(column.left * _PIXELS), _round(column.right * _PIXELS), shaded=False))
    return tuple(bands)


def fit(text: str, room: float, points: float) -> str:
    """A text's beginning that fits into ``room`` inches, by the picture's font, which may lack some letters."""
    text = visible(text)
    short = figure_text.shorten(figure_text.clean(text), room, points)
    return text if len(short) == len(text) and not short.endswith("…") else text[: len(short) - 1] + "…"


def box_at(
    placed: Layout, node: str, centre: tuple[float, float], name: str, lines: tuple[str, ...] = (),
    effect: float = 0.0, largest: float = 0.0, error: bool = False,
) -> DrawnNode:  # fmt: skip
    width, height = placed.box
    return DrawnNode(
        node,
        x=_round((centre[0] - width / 2) * _PIXELS),
        y=y_of(placed, centre[1] + height / 2),
        width=_round(width * _PIXELS),
        height=_round(height * _PIXELS),
        error=error,
        effect=effect,
        # Effects have heavy tails: without the root, all but a few nodes would look white.
        strength=round((abs(effect) / largest) ** 0.5, 3) if largest else 0.0,
        name=name,
        lines=lines,
    )


def _boxes(placed: Layout, labels: Mapping[NodeId, tuple[str, ...]]) -> list[DrawnNode]:
    nodes = placed.circuit.nodes
    largest = float(np.abs(nodes.effect).max(initial=0))
    room = placed.box[0] - 0.1
    found = []
    rows = zip(placed.circuit.ids, nodes.effect.tolist(), placed.x, placed.y, strict=True)
    for node, effect, x, y in rows:
        lines = tuple(short for line in labels.get(node, ())[:2] if (short := fit(line, room, _WORDS_POINTS)))
        name = "ε" if node.is_error else str(node.feature)
        found.append(box_at(placed, str(node), (x, y), name, lines, effect, largest, node.is_error))
    return found


def lines_of(placed: Layout, names: Sequence[str], largest: float | None = None) -> list[DrawnEdge]:
    """The edges that the layout has led around boxes.

    Args:
        names: the nodes', in row order.
        largest: |effect| of the widest edge; that of these edges if not given.
    """
    edges = placed.circuit.edges
    position = np.append(placed.circuit.nodes.position, SUMMED)
    if largest is None:
        largest = float(np.abs(edges.effect[placed.edges]).max(initial=0))
    found = []
    for row, points in zip(placed.edges.tolist(), placed.paths, strict=True):
        source, target, effect = int(edges.source[row]), int(edges.target[row]), float(edges.effect[row])
        end_x, end_y = points[-1]
        found.append(
            DrawnEdge(
                names[source],
                OUTPUT if target < 0 else names[target],
                path_of(placed, points),
                _round(end_x * _PIXELS),
                y_of(placed, end_y),
                line_width(effect, largest),
                effect,
                across=target >= 0 and bool(position[source] != position[target]),
            )
        )
    return found


def line_width(effect: float, largest: float) -> float:
    """An edge's width in pixels."""
    return round(1.2 * edge_width(effect, largest), 2)


def path_of(placed: Layout, points: NDArray[np.float64]) -> str:
    """Upright at every point: curves where the edge runs free, straight beside boxes (as ``shapes.smooth``)."""
    spots = [(_round(x * _PIXELS), y_of(placed, y)) for x, y in points]
    parts = [f"M{spots[0][0]:g} {spots[0][1]:g}"]
    for index in range(1, len(spots)):
        (x0, y0), (x1, y1) = spots[index - 1], spots[index]
        if index % 2 == 0:
            parts.append(f"L{x1:g} {y1:g}")
        else:
            middle = _round((y0 + y1) / 2)
            parts.append(f"C{x0:g} {middle:g} {x1:g} {middle:g} {x1:g} {y1:g}")
    return "".join(parts)
