"""A circuit as a static picture: layers upward, positions to the right.

Boxes are features, triangles are errors; blue promotes the clean behaviour, red suppresses it; the shade is the
size of the effect, an edge's width the size of the edge effect (the paper's style, arXiv 2403.19647).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from circuitscope.pages.pictures import figure_text
from circuitscope.pages.pictures.chosen_nodes import STRONG
from circuitscope.pages.pictures.circuit_layout import (
    HEADER_HEIGHT,
    LABEL_POINTS,
    LEGEND_HEIGHT,
    MARGIN,
    NUMBER_POINTS,
    SITE_WIDTH,
    TITLE_HEIGHT,
    Layout,
    layout,
)
from circuitscope.pages.pictures.circuit_legend import draw_legend
from circuitscope.pages.pictures.colours import INK, WHITE, ink_on, shade, sign_colour
from circuitscope.pages.pictures.figure_file import check_suffix, save_figure
from circuitscope.pages.pictures.shapes import edge_width, feature_box, smooth, triangle, write
from circuitscope.results import Circuit
from circuitscope.terms import OUTPUT, SUMMED, NodeId

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_BAND = (0.955, 0.955, 0.955)
_RULE = (0.82, 0.82, 0.82)
_GREY = (0.4, 0.4, 0.4)


def plot_circuit(
    circuit: Circuit,
    path: str | Path | None = None,
    *,
    tokens: Sequence[str] | None = None,
    labels: Mapping[NodeId, str] | None = None,
    max_nodes: int | None = None,
    max_edges: int | None = None,
    errors_in_picture: str = STRONG,
    title: str | None = None,
) -> matplotlib.figure.Figure:
    """Draw a circuit, and save it if ``path`` is given.

    Args:
        path: a name that ends in .png, .svg or .pdf.
        tokens: an example's tokens, one per position, BOS included, to head the columns; if not given,
            ``circuit.findings.tokens``. A circuit summed over positions has no columns.
        labels: a few words per node; the label of a node without a position serves for it at all positions.
        max_nodes: draw at most this many nodes, the strongest; 400 if not given.
        max_edges: draw at most this many edges; if not given, three for each node, 150 to 600.
        errors_in_picture: ``strong`` adds the errors at the other end of a drawn node's strongest edge to the
            strongest nodes, ``always`` adds all errors, ``never`` leaves errors out.
        title: if not given, the task and the model.

    Raises:
        BadInput: an unknown suffix, fewer tokens than positions, another word for the errors.
    """
    from matplotlib.figure import Figure

    if path is not None:
        path = Path(path)
        check_suffix(path)
    if tokens is None:
        tokens = circuit.findings.tokens
    headings = None if tokens is None else [figure_text.clean_token(token) for token in tokens]
    names = {node: _label(node, labels or {}) for node in circuit.ids}
    labelled = any(names.values())
    placed = layout(
        circuit,
        tokens=headings,
        labelled=labelled,
        max_nodes=max_nodes,
        max_edges=max_edges,
        errors=errors_in_picture,
    )
    figure = Figure(figsize=(placed.width, placed.height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, placed.width), ylim=(0, placed.height))
    axes.set_axis_off()
    draw_rows(axes, placed)
    draw_columns(axes, placed, headings)
    draw_edges(axes, placed)
    _draw_nodes(axes, placed, names)
    draw_title(axes, placed, title_of(circuit) if title is None else title)
    draw_legend(axes, placed)
    if path is not None:
        save_figure(figure, path)
    return figure


def _label(node: NodeId, labels: Mapping[NodeId, str]) -> str:
    return labels.get(node) or labels.get(NodeId(node.site, node.feature)) or ""


def title_of(circuit: Circuit) -> str:
    """The task and the model."""
    return "" if circuit.recipe is None else f"{circuit.task} · {circuit.model}"


def draw_title(axes: matplotlib.axes.Axes, placed: Layout, title: str) -> None:
    """The line at the top."""
    room = placed.width - 2 * MARGIN
    text = figure_text.shorten(figure_text.clean(title), room, 11.0, bold=True)
    write(axes, MARGIN, placed.height - TITLE_HEIGHT / 2, text, 11.0, bold=True, align="left")


def draw_rows(axes: matplotlib.axes.Axes, placed: Layout) -> None:
    """Name every row, and shade the rows of every other layer."""
    from matplotlib.patches import Rectangle

    for layer in sorted({row.site.layer for row in placed.rows}):
        rows = [row for row in placed.rows if row.site.layer == layer]
        bottom, top = rows[0].bottom - 0.06, rows[-1].top + 0.06
        if layer % 2 == 0:
            axes.add_patch(
                Rectangle((0, bottom), placed.width, top - bottom, color=_BAND, linewidth=0, zorder=0)
            )
    for row in placed.rows:
        middle = (row.bottom + row.top) / 2
        write(axes, SITE_WIDTH - 0.08, middle, str(row.site), 7.5, colour=INK, align="right")
    write(axes, SITE_WIDTH - 0.08, placed.output[1], OUTPUT, 7.5, colour=INK, align="right")


def draw_columns(axes: matplotlib.axes.Axes, placed: Layout, headings: Sequence[str] | None) -> None:
    """Put tokens above and below the columns: in a tall picture one of the two is near."""
    if not placed.positions:
        return
    for column in placed.columns:
        if column is not placed.columns[0]:
            axes.plot([column.left] * 2, [placed.bottom, placed.top], color=_RULE, linewidth=0.6, zorder=0.5)
        for bottom in (LEGEND_HEIGHT, placed.top):
            if headings is not None and column.position != SUMMED:
                text = figure_text.shorten(
                    headings[column.position], column.right - column.left - 0.06, 8.5, bold=True
                )
                write(axes, column.middle, bottom + HEADER_HEIGHT * 0.62, text, 8.5, bold=True)
            write(axes, column.middle, bottom + HEADER_HEIGHT * 0.22, str(column.position), 6.5, colour=_GREY)


def draw_edges(axes: matplotlib.axes.Axes, placed: Layout, largest: float | None = None) -> None:
    """The edges that the layout has led around boxes; ``largest`` is |effect| of the widest edge."""
    from matplotlib.collections import PathCollection

    edges = placed.circuit.edges
    effects = edges.effect[placed.edges]
    if not effects.size:
        return
    position = np.append(placed.circuit.nodes.position, SUMMED)
    source, target = edges.source[placed.edges], edges.target[placed.edges]
    across = (position[source] != position[target]) & (target >= 0)
    largest = float(np.abs(effects).max()) if largest is None else largest
    colours = [sign_colour(effect) for effect in effects]
    widths = [edge_width(effect, largest) for effect in effects]
    lines = PathCollection(
        [smooth(points) for points in placed.paths],
        facecolors="none",
        edgecolors=[(*colour, 0.55) for colour in colours],
        linewidths=widths,
        linestyles=[(0, (4, 1.5)) if away else "solid" for away in across],
        zorder=1,
        gid="edges",
    )
    axes.add_collection(lines, autolim=False)
    ends = np.array([points[-1] for points in placed.paths])
    # The point of each edge tells the box where it ends apart from those that it passes.
    axes.scatter(
        ends[:, 0],
        ends[:, 1] - 0.022,
        s=[4 + 4 * size for size in widths],
        c=colours,
        marker="^",
        linewidths=0,
        zorder=1.5,
        gid="edge-ends",
    )


def _draw_nodes(axes: matplotlib.axes.Axes, placed: Layout, labels: Mapping[NodeId, str]) -> None:
    nodes, (width, height) = placed.circuit.nodes, placed.box
    largest = float(np.abs(nodes.effect).max(initial=0))
    columns = zip(placed.circuit.ids, nodes.effect.tolist(), placed.x, placed.y, strict=True)
    for node, effect, x, y in columns:
        colour = shade(effect, largest)
        outline = sign_colour(effect)
        if node.is_error:
            axes.add_patch(triangle(x, y, width, height, colour, outline, str(node)))
            write(axes, x, y - height * 0.17, "ε", NUMBER_POINTS, colour=ink_on(colour))
            continue
        axes.add_patch(feature_box(x, y, width, height, colour, outline, str(node)))
        _write_in_box(axes, (x, y), placed.box, str(node.feature), labels[node], ink_on(colour))
    x, y = placed.output
    axes.add_patch(feature_box(x, y, width, height, WHITE, INK, OUTPUT))
    write(axes, x, y, "output", NUMBER_POINTS)


def _write_in_box(
    axes: matplotlib.axes.Axes,
    centre: tuple[float, float],
    box: tuple[float, float],
    number: str,
    label: str,
    ink: tuple[float, float, float],
) -> None:
    """A feature's number and, under it, its label in at most two lines."""
    x, y = centre
    room = box[0] - 0.08
    lines = figure_text.wrap(figure_text.clean(label), room, LABEL_POINTS, 2)
    step = 0.125
    top = y + step * len(lines) / 2
    write(axes, x, top, number, NUMBER_POINTS, colour=ink, bold=bool(lines))
    for index, line in enumerate(lines, start=1):
        write(axes, x, top - step * index, line, LABEL_POINTS, colour=ink)
