"""The few shapes of a circuit's picture; lengths in inches, lines and text in points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from circuitscope.pages.pictures.circuit_layout import triangle_half
from circuitscope.pages.pictures.colours import INK, Colour
from circuitscope.pages.pictures.figure_text import FONT

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.patches
    import matplotlib.path
    import matplotlib.text

_WIDEST = 4.0
_THINNEST = 0.4


def edge_width(effect: float, largest: float) -> float:
    """An edge's width in points: proportional to |effect|, but never too thin to see."""
    return max(_THINNEST, _WIDEST * abs(effect) / largest) if largest > 0 else _THINNEST


def feature_box(
    x: float, y: float, width: float, height: float, colour: Colour, outline: Colour, name: str
) -> matplotlib.patches.Rectangle:
    from matplotlib.patches import Rectangle

    corner = (x - width / 2, y - height / 2)
    return Rectangle(
        corner, width, height, facecolor=colour, edgecolor=outline, linewidth=0.8, zorder=2, gid=name
    )


def rounded_box(
    x: float, y: float, width: float, height: float, colour: Colour, outline: Colour, name: str
) -> matplotlib.patches.FancyBboxPatch:
    """A box with round corners, as groups have."""
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle=f"round,pad=0,rounding_size={height / 5}",
        facecolor=colour,
        edgecolor=outline,
        linewidth=1.0,
        zorder=2,
        gid=name,
    )


def triangle(
    x: float, y: float, width: float, height: float, colour: Colour, outline: Colour, name: str
) -> matplotlib.patches.Polygon:
    """An upright triangle inside the box of that size."""
    from matplotlib.patches import Polygon

    half = triangle_half((width, height))
    corners = [(x - half, y - height / 2), (x + half, y - height / 2), (x, y + height / 2)]
    return Polygon(corners, facecolor=colour, edgecolor=outline, linewidth=0.8, zorder=2, gid=name)


def smooth(points: NDArray[np.float64]) -> matplotlib.path.Path:
    """A line through ``points`` that is upright at each: curves where it runs free, straight beside boxes."""
    from matplotlib.path import Path

    vertices, codes = [points[0]], [Path.MOVETO]
    for index in range(1, len(points)):
        start, end = points[index - 1], points[index]
        if index % 2 == 0:
            vertices.append(end)
            codes.append(Path.LINETO)
            continue
        middle = (start[1] + end[1]) / 2
        vertices += [np.array([start[0], middle]), np.array([end[0], middle]), end]
        codes += [Path.CURVE4] * 3
    return Path(np.array(vertices), codes)


def write(
    axes: matplotlib.axes.Axes,
    x: float,
    y: float,
    text: str,
    points: float,
    *,
    colour: Colour = INK,
    bold: bool = False,
    align: str = "center",
) -> matplotlib.text.Text:
    """One line of text, taken literally (a "$" is a dollar), its middle at ``y``."""
    return axes.text(
        x,
        y,
        text,
        color=colour,
        family=FONT,
        fontsize=points,
        fontweight="bold" if bold else "normal",
        ha=align,
        va="center_baseline",
        parse_math=False,
        zorder=3,
    )
