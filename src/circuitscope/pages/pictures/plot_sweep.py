"""A sweep as a static picture: faithfulness and completeness against the number of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import BadInput
from circuitscope.pages.pictures.colours import CURVES
from circuitscope.pages.pictures.figure_file import check_suffix, save_figure
from circuitscope.pages.pictures.figure_text import FONT, clean, shorten
from circuitscope.results import Curve, Sweep

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_STYLED = ("features", "neurons of the sites", "MLP-hidden neurons", "random features")
"""Curves that look the same in every sweep; others take the styles after these."""
_PANELS = (
    ("faithfulness", "faithfulness of the circuit (ideal 1)"),
    ("completeness", "completeness: what is left without it (ideal 0)"),
)
_COLUMNS = ("faithfulness", "faithfulness_low", "faithfulness_high", "completeness")
_AREAS = ("cpr", "cmd")
_WIDTH, _PANEL_HEIGHT, _LINE = 10.5, 4.6, 0.24


def plot_sweep(sweep: Sweep, path: str | Path | None = None) -> matplotlib.figure.Figure:
    """Draw a sweep's curves, and save them if ``path`` (.png, .svg or .pdf) is given.

    Points with no nodes have no place on a logarithmic axis and are left out.

    Raises:
        BadInput: an unknown suffix, no curves, columns of unequal length.
    """
    from matplotlib.figure import Figure

    if path is not None:
        path = Path(path)
        check_suffix(path)
    curves, levels = sweep.curves, sweep.levels
    _check(curves)
    legend = _LINE * (len(curves) + 2) + 0.2
    height = _PANEL_HEIGHT + legend
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    for column, (quantity, label) in enumerate(_PANELS):
        box = (0.07 + 0.49 * column, (legend + 0.55) / height, 0.42, (_PANEL_HEIGHT - 1.1) / height)
        _draw_panel(figure.add_axes(box, gid=quantity), curves, quantity, label, levels)
    _draw_legend(figure, curves, levels, legend / height)
    parts = [part for part in (sweep.task, sweep.model) if part]
    title = shorten(clean(" · ".join(parts)), _WIDTH - 1, 11.0, bold=True)
    figure.suptitle(
        title, x=0.07, y=1 - 0.16 / height, ha="left", va="top", fontsize=11, fontweight="bold",
        family=FONT, parse_math=False,
    )  # fmt: skip
    if path is not None:
        save_figure(figure, path)
    return figure


def _check(curves: Sequence[Curve]) -> None:
    if not curves:
        raise BadInput("the sweep has no curves", expected="at least one", mend="run the sweep again")
    for curve in curves:
        count = len(curve.nodes)
        for name in _COLUMNS:
            if len(getattr(curve, name)) != count:
                raise BadInput(
                    f"curve {curve.name!r} has {count} node counts but {len(getattr(curve, name))} of {name}",
                    expected="one value per node count, None where it is undefined",
                )


def _style(curves: Sequence[Curve], index: int) -> tuple[str, str]:
    """Colour and marker: a known curve's own, otherwise the next that no known curve has."""
    name = curves[index].name
    if name in _STYLED:
        return CURVES[_STYLED.index(name)]
    others = [curve.name for curve in curves if curve.name not in _STYLED]
    spare = CURVES[len(_STYLED) :]
    return spare[others.index(name) % len(spare)]


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    """A column with NaN for None."""
    return np.array([np.nan if value is None else value for value in values], float)


def _draw_panel(
    axes: matplotlib.axes.Axes,
    curves: Sequence[Curve],
    quantity: str,
    label: str,
    levels: Sequence[float],
) -> None:
    axes.set_xscale("log")
    axes.set_title(label, fontsize=9.5, loc="left", family=FONT)
    axes.set_xlabel("number of nodes", fontsize=9, family=FONT)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.axhline(1, color="0.6", linewidth=0.8, zorder=0)
    shown = [np.array([0.0, 1.0])]
    for index, curve in enumerate(curves):
        values = _draw_curve(axes, curve, quantity, *_style(curves, index))
        shown.append(values[np.isfinite(values)])
    # Intervals of a ratio can be huge: the curves alone decide what is in view.
    low, high = np.min(np.concatenate(shown)), np.max(np.concatenate(shown))
    axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    if quantity == "faithfulness":
        _draw_levels(axes, curves, levels)


def _draw_curve(
    axes: matplotlib.axes.Axes, curve: Curve, quantity: str, colour: str, marker: str
) -> NDArray[np.float64]:
    """One curve with its interval; returns the values in view."""
    values = _floats(curve.faithfulness if quantity == "faithfulness" else curve.completeness)
    nodes = np.array(curve.nodes, float)
    order = np.argsort(nodes, kind="stable")
    order = order[nodes[order] > 0]
    if quantity == "faithfulness":
        low, high = _floats(curve.faithfulness_low), _floats(curve.faithfulness_high)
        axes.fill_between(nodes[order], low[order], high[order], color=colour, alpha=0.16, linewidth=0)
    dashed = curve.name == "random features"
    axes.plot(
        nodes[order], values[order], color=colour, marker=marker, markersize=4.5, linewidth=1.6,
        linestyle="--" if dashed else "-", label=curve.name, gid=f"{quantity}: {curve.name}",
    )  # fmt: skip
    return values[order]


def _draw_levels(axes: matplotlib.axes.Axes, curves: Sequence[Curve], levels: Sequence[float]) -> None:
    """A dotted line at each level, and a ring where a curve reaches it."""
    for level in levels:
        axes.axhline(level, color="0.45", linewidth=0.9, linestyle=":", zorder=0.5)
        axes.annotate(
            f"{level:.0%}", (1.005, level), xycoords=("axes fraction", "data"), fontsize=7.5, va="center",
            color="0.35", family=FONT,
        )  # fmt: skip
        for index, curve in enumerate(curves):
            needed = curve.needed_for(level)
            if needed:
                colour, marker = _style(curves, index)
                axes.plot(
                    [needed], [level], marker=marker, markersize=10, markerfacecolor="none",
                    markeredgecolor=colour, markeredgewidth=1.5, linestyle="none", gid="reached",
                )  # fmt: skip


def _draw_legend(
    figure: matplotlib.figure.Figure,
    curves: Sequence[Curve],
    levels: Sequence[float],
    height: float,
) -> None:
    """A table: one line per curve, with the number of nodes at which it reaches each level, and its areas."""
    axes = figure.add_axes((0.07, 0, 0.91, height), xlim=(0, 1), gid="legend")
    axes.set_ylim(len(curves) + 1.9, -0.6)
    axes.set_axis_off()
    if levels:
        axes.text(
            0.29, 0, "nodes at which faithfulness reaches", fontsize=8, ha="right", va="center", color="0.35",
            family=FONT,
        )  # fmt: skip
    steps = [0.33 + 0.09 * column for column in range(len(levels))]
    for x, level in zip(steps, levels, strict=True):
        axes.text(x, 0, f"{level:.0%}", fontsize=8, ha="center", va="center", color="0.35", family=FONT)
    note = (
        "shaded: interval · no point: undefined · ring: a level is reached · "
        "CPR, CMD: areas of f and |1 − f| over the kept share of each curve's own candidates"
    )
    axes.text(0, len(curves) + 1.1, note, fontsize=7.5, va="center", color="0.35", family=FONT)
    places = [0.35 + 0.09 * len(levels) + 0.08 * column for column in range(len(_AREAS))]
    for x, name in zip(places, _AREAS, strict=True):
        axes.text(x, 0, name.upper(), fontsize=8, ha="center", va="center", color="0.35", family=FONT)
    for row, curve in enumerate(curves, start=1):
        colour, marker = _style(curves, row - 1)
        dashed = "--" if curve.name == "random features" else "-"
        axes.plot([0, 0.035], [row, row], color=colour, linewidth=1.6, linestyle=dashed)
        axes.plot([0.0175], [row], color=colour, marker=marker, markersize=5, linestyle="none")
        name = shorten(clean(curve.name), 2.2, 8.5)
        axes.text(0.045, row, name, fontsize=8.5, va="center", family=FONT, parse_math=False)
        for x, level in zip(steps, levels, strict=True):
            needed = curve.needed_for(level)
            text = "–" if needed is None else f"{needed:,.0f}"
            axes.text(x, row, text, fontsize=8.5, ha="center", va="center", family=FONT)
        for x, name in zip(places, _AREAS, strict=True):
            area = curve.areas.cpr if name == "cpr" else curve.areas.cmd
            text = "–" if area is None else f"{area:.3f}"
            axes.text(x, row, text, fontsize=8.5, ha="center", va="center", family=FONT)
