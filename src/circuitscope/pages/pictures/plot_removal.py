"""plot_removal: how a classifier changes as features are taken out, by how the features were chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from circuitscope.pages.pictures.colours import CURVES
from circuitscope.pages.pictures.figure_file import check_suffix, save_figure
from circuitscope.pages.pictures.figure_text import FONT
from circuitscope.results import RemovalCurve, ShiftComparison

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_PANELS = (("worst_group", "worst group, %"), ("unintended", "unintended, %"))
_LEVELS = {"original": ":", "oracle": "--"}
"""Rows that every curve is compared with, and their lines."""


def plot_removal(result: ShiftComparison, path: str | Path | None = None) -> matplotlib.figure.Figure:
    """Draw the curves of a comparison, and save them if ``path`` (.png, .svg or .pdf) is given.

    A line is the mean over the seeds that have that many features; its dots are the seeds.

    Raises:
        BadInput: an unknown suffix.
    """
    from matplotlib.figure import Figure

    if path is not None:
        check_suffix(Path(path))
    figure = Figure(figsize=(9.0, 3.9), facecolor="white")
    levels = {row.name: row.summary for row in result.rows if row.name in _LEVELS}
    for number, (quantity, label) in enumerate(_PANELS):
        axes = figure.add_subplot(1, 2, number + 1, gid=quantity)
        for curve, style in zip(result.curves, CURVES, strict=False):
            _draw_curve(axes, curve, quantity, *style)
        for name, line in _LEVELS.items():
            if name in levels:
                mean = getattr(levels[name], quantity).mean
                axes.axhline(100 * mean, color="#333333", linestyle=line, lw=1, label=name)
        axes.set(xscale="log", ylim=(-3, 103))
        axes.set_xlabel("features taken out", family=FONT, fontsize=9)
        axes.set_ylabel(label, family=FONT, fontsize=9)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.2)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="lower center", ncols=6, frameon=False, fontsize=8
    )
    figure.suptitle(result.task, fontsize=11, fontweight="bold", family=FONT, parse_math=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    if path is not None:
        save_figure(figure, Path(path))
    return figure


def _draw_curve(
    axes: matplotlib.axes.Axes, curve: RemovalCurve, quantity: str, colour: str, mark: str
) -> None:
    axes.plot(
        [point.scores.removed for point in curve.points],
        [100 * getattr(point.scores, quantity) for point in curve.points],
        mark,
        color=colour,
        markersize=3,
        alpha=0.4,
    )
    means = sorted((point.removed, 100 * getattr(point, quantity)) for point in curve.mean.values())
    axes.plot([x for x, _ in means], [y for _, y in means], color=colour, lw=1.6, label=curve.chooser)
