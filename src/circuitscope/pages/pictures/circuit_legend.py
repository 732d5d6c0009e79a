"""The legend of a circuit's picture: what shapes, shades and widths mean, and how much is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from circuitscope.pages.pictures import figure_text
from circuitscope.pages.pictures.chosen_nodes import NEVER, STRONG
from circuitscope.pages.pictures.circuit_layout import LEGEND_HEIGHT, MARGIN, Layout
from circuitscope.pages.pictures.colours import INK, PROMOTES, ink_on, shade
from circuitscope.pages.pictures.shapes import edge_width, feature_box, triangle, write

if TYPE_CHECKING:
    import matplotlib.axes

_BOX = (0.44, 0.2)
_POINTS = 7.0
_SHADES = (-1.0, -0.56, -0.25, -0.06, 0.06, 0.25, 0.56, 1.0)
"""Parts of the largest effect; their square roots, which the shades follow, are about a quarter apart."""
_WIDTHS = (0.1, 0.5, 1.0)


def draw_legend(axes: matplotlib.axes.Axes, placed: Layout) -> None:
    """Fill the strip under the circuit."""
    axes.plot([0, placed.width], [LEGEND_HEIGHT - 0.06] * 2, color=(0.8, 0.8, 0.8), linewidth=0.8)
    _draw_shapes(axes, placed, LEGEND_HEIGHT - 0.28)
    _draw_shades(axes, placed, LEGEND_HEIGHT - 0.68)
    _draw_widths(axes, placed, LEGEND_HEIGHT - 0.68)
    text = figure_text.shorten(caption(placed), placed.width - 2 * MARGIN, 8.0)
    write(axes, MARGIN, 0.2, text, 8.0, align="left")


def caption(placed: Layout) -> str:
    """How much of the circuit is shown."""
    nodes, edges = len(placed.circuit), placed.edges.size
    whole = nodes == placed.all_nodes and edges == placed.all_edges
    added = placed.added_errors
    if placed.errors == STRONG and added:
        carry = "an error that carries" if added == 1 else f"{added:,} errors that carry"
        besides = f", and {carry} a drawn node's strongest edge"
    else:
        besides = f", and all {added:,} other errors" if added else ""
    return (
        f"{_part(nodes, placed.all_nodes)} nodes and {_part(edges, placed.all_edges)} edges shown"
        + ("" if whole else f": those with the largest |effect|{besides}")
        + ("; errors are left out" if placed.errors == NEVER else "")
        + ("" if placed.positions else "; effects are summed over positions")
    )


def _part(shown: int, total: int) -> str:
    return f"all {total:,}" if shown == total else f"{shown:,} of {total:,}"


def _draw_shapes(axes: matplotlib.axes.Axes, placed: Layout, y: float) -> None:
    x, grey = MARGIN, (0.93, 0.93, 0.93)
    axes.add_patch(feature_box(x + _BOX[0] / 2, y, *_BOX, grey, INK, "legend-feature"))
    write(axes, x + _BOX[0] / 2, y, "123", _POINTS)
    x = _after(axes, x + _BOX[0] + 0.08, y, "a feature and its number")
    axes.add_patch(triangle(x + 0.15, y, *_BOX, grey, INK, "legend-error"))
    write(axes, x + 0.15, y - _BOX[1] * 0.17, "ε", _POINTS)
    x = _after(axes, x + 0.36, y, "a site's reconstruction error")
    if placed.positions:
        for style, text in (
            ("solid", "edge within a position"),
            ((0, (4, 1.5)), "edge between positions"),
        ):
            axes.plot([x, x + 0.36], [y, y], color=PROMOTES, linewidth=1.6, linestyle=style, alpha=0.7)
            x = _after(axes, x + 0.44, y, text)


def _after(axes: matplotlib.axes.Axes, x: float, y: float, text: str) -> float:
    """Write ``text`` starting at ``x``; returns where the next part may begin."""
    write(axes, x, y, text, _POINTS, align="left")
    return x + figure_text.width(text, _POINTS) + 0.22


def _draw_shades(axes: matplotlib.axes.Axes, placed: Layout, y: float) -> None:
    largest = float(np.abs(placed.circuit.nodes.effect).max(initial=0))
    x = MARGIN
    write(axes, x, y, "node: effect", _POINTS, align="left")
    x += 0.75
    if not largest:
        return
    for part in _SHADES:
        effect = part * largest
        colour = shade(effect, largest)
        outline = shade(part * 1e9, abs(part) * 1e9)
        axes.add_patch(feature_box(x + _BOX[0] / 2, y, *_BOX, colour, outline, "legend-shade"))
        write(axes, x + _BOX[0] / 2, y, number(effect), 6.0, colour=ink_on(colour))
        x += _BOX[0] + 0.03
    write(axes, MARGIN + 0.75, y - 0.2, "red suppresses the clean behaviour", 6.0, align="left")
    write(axes, x - 0.03, y - 0.2, "blue promotes it", 6.0, align="right")


def _draw_widths(axes: matplotlib.axes.Axes, placed: Layout, y: float) -> None:
    effects = np.abs(placed.circuit.edges.effect[placed.edges])
    largest = float(effects.max(initial=0))
    if not largest:
        return
    x = _after(axes, 4.95, y, "edge: |effect|") - 0.1
    for part in _WIDTHS:
        axes.plot(
            [x, x + 0.4], [y, y], color=PROMOTES, linewidth=edge_width(part, 1.0), solid_capstyle="butt"
        )
        write(axes, x + 0.2, y - 0.2, number(part * largest).lstrip("+"), 6.0)
        x += 0.55


def number(value: float) -> str:
    """Two digits and a sign."""
    return f"{value:+.2g}".replace("-", "−").replace("e−0", "e−").replace("e+0", "e")
