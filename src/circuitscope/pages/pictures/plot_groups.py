"""The groups of a circuit as a static picture: a rounded box per group, sums of edges between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from circuitscope.pages.pictures import figure_text
from circuitscope.pages.pictures.circuit_layout import LEGEND_HEIGHT, MARGIN
from circuitscope.pages.pictures.colours import INK, WHITE, ink_on, shade, sign_colour
from circuitscope.pages.pictures.figure_file import check_suffix, save_figure
from circuitscope.pages.pictures.group_layout import GroupLayout, caption, group_layout, not_drawn
from circuitscope.pages.pictures.plot_circuit import draw_columns, draw_edges, draw_rows, draw_title, title_of
from circuitscope.pages.pictures.shapes import edge_width, rounded_box, smooth, write
from circuitscope.results import Circuit, Group, Groups
from circuitscope.terms import OUTPUT

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_NAME_POINTS = 7.5
_NUMBERS_POINTS = 6.5
_STEP = 0.17


def plot_groups(
    circuit: Circuit,
    groups: Groups,
    path: str | Path | None = None,
    *,
    max_groups: int | None = None,
    max_edges: int | None = None,
    title: str | None = None,
) -> matplotlib.figure.Figure:
    """Draw the groups of a circuit, and save the picture if ``path`` is given.

    Args:
        circuit: the one that was grouped; its task, model and tokens are written above the picture.
        path: a name that ends in .png, .svg or .pdf.
        max_groups: draw at most this many groups, the strongest; if not given, as many as have 98 % of the
            effects, and at most 16.
        max_edges: draw at most this many edges, the strongest; if not given, two for each group.
        title: if not given, the task and the model.

    Raises:
        BadInput: an unknown suffix.
    """
    from matplotlib.figure import Figure

    if path is not None:
        path = Path(path)
        check_suffix(path)
    tokens = circuit.findings.tokens
    shown = group_layout(groups, max_groups=max_groups, max_edges=max_edges)
    placed = shown.placed
    figure = Figure(figsize=(placed.width, placed.height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, placed.width), ylim=(0, placed.height))
    axes.set_axis_off()
    largest = float(np.abs(shown.all.edges.effect).max(initial=0))
    draw_rows(axes, placed)
    draw_columns(
        axes, placed, None if tokens is None else [figure_text.clean_token(token) for token in tokens]
    )
    _draw_arches(axes, shown, largest)
    draw_edges(axes, placed, largest)
    _draw_groups(axes, shown)
    draw_title(axes, placed, title_of(circuit) if title is None else title)
    _draw_legend(axes, shown)
    if path is not None:
        save_figure(figure, path)
    return figure


def _draw_arches(axes: matplotlib.axes.Axes, shown: GroupLayout, largest: float) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    for arch in shown.arches:
        effect = float(shown.all.edges.effect[arch.edge])
        colour, width = sign_colour(effect), edge_width(effect, largest)
        curve = (
            smooth(arch.points) if arch.around else Curve(arch.points, [Curve.MOVETO] + [Curve.CURVE4] * 3)
        )
        axes.add_patch(
            PathPatch(
                curve, facecolor="none", edgecolor=(*colour, 0.55), linewidth=width, zorder=1, gid="arch"
            )
        )
        x, y = arch.points[-1]
        mark, shift = ("v", 0.022) if arch.downward else ("^", -0.022)
        axes.scatter([x], [y + shift], s=4 + 4 * width, color=[colour], marker=mark, linewidths=0, zorder=1.5)


def _draw_groups(axes: matplotlib.axes.Axes, shown: GroupLayout) -> None:
    placed = shown.placed
    effects = placed.circuit.nodes.effect
    largest = float(np.abs(effects).max(initial=0))
    rows = zip(shown.shown, effects.tolist(), placed.x, placed.y, strict=True)
    for index, effect, x, y in rows:
        colour = shade(effect, largest)
        axes.add_patch(rounded_box(x, y, *placed.box, colour, sign_colour(effect), f"group-{index}"))
        _write_in_box(axes, (x, y), placed.box[0] - 0.2, shown.groups.groups[index], ink_on(colour))
    x, y = placed.output
    axes.add_patch(rounded_box(x, y, *placed.box, WHITE, INK, OUTPUT))
    write(axes, x, y, OUTPUT, _NAME_POINTS)


def _write_in_box(
    axes: matplotlib.axes.Axes,
    centre: tuple[float, float],
    room: float,
    group: Group,
    ink: tuple[float, float, float],
) -> None:
    x, y = centre
    lines = [line for line in (group.where, group.aim) if line]
    top = y + _STEP * len(lines) / 2
    for index, line in enumerate(lines):
        text = figure_text.shorten(figure_text.clean(line), room, _NAME_POINTS, bold=index == 0)
        write(axes, x, top - _STEP * index, text, _NAME_POINTS, colour=ink, bold=index == 0)
    write(axes, x, top - _STEP * len(lines), numbers_of(group), _NUMBERS_POINTS, colour=ink)


def numbers_of(group: Group) -> str:
    """How many nodes a group has, and their summed effect."""
    count = len(group.members)
    return f"{count} node{'' if count == 1 else 's'}, {group.effect:+.3g}".replace("-", "−")


def _draw_legend(axes: matplotlib.axes.Axes, shown: GroupLayout) -> None:
    placed = shown.placed
    axes.plot([0, placed.width], [LEGEND_HEIGHT - 0.06] * 2, color=(0.8, 0.8, 0.8), linewidth=0.8)
    lines = [
        "A box is a group of features: what they are active on, the answers they push towards, how many they are, "
        "and the sum of their effects.",
        "Blue promotes the clean behaviour, red suppresses it. A line is the sum of all edges from one group to "
        "another. A row is the last site that its groups have a node in.",
        caption(shown) + ("" if placed.positions else "; effects are summed over positions"),
    ]
    rest = not_drawn(shown)
    if rest:
        lines.append("Not drawn: " + "; ".join(rest))
    for index, line in enumerate(lines):
        text = figure_text.shorten(figure_text.clean(line), placed.width - 2 * MARGIN, 7.5)
        write(axes, MARGIN, LEGEND_HEIGHT - 0.28 - 0.28 * index, text, 7.5, align="left")
