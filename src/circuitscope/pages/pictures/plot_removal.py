"""plot_removal: how a classifier changes as features are taken out, by how the features were chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from circuitscope.errors import BadInput, argument
from circuitscope.pages.pictures.colours import CURVES
from circuitscope.pages.pictures.figure_file import check_suffix, save_figure
from circuitscope.pages.pictures.figure_text import FONT
from circuitscope.pages.words import attributes_of
from circuitscope.results import RemovalCurve, ShiftComparison

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_PANELS = ("worst_group", "unintended")
_LEVELS = {"original": ":", "oracle": "--"}
"""Rows that every curve is compared with, and their lines."""


def curves_to_draw(result: ShiftComparison) -> list[RemovalCurve]:
    """The curves along which anything is taken out: there are none without words for the attribute."""
    return [curve for curve in result.curves if any(point.scores.removed for point in curve.points)]


def plot_removal(result: ShiftComparison, path: str | Path | None = None) -> matplotlib.figure.Figure:
    """Draw the curves of a comparison, and save them if ``path`` (.png, .svg or .pdf) is given.

    A line is the mean over the seeds that have that many features; its dots are the seeds.

    Raises:
        BadInput: an unknown suffix, or a comparison in which no curve takes anything out.
    """
    from matplotlib.figure import Figure

    if path is not None:
        check_suffix(Path(path))
    curves = curves_to_draw(result)
    if not curves:
        raise BadInput(
            "the comparison has no curve along which features are taken out",
            expected="a comparison with words for the attribute, which the automatic judge needs",
            mend=f"compare again with {argument('cue_words')}",
        )
    figure = Figure(figsize=(9.0, 3.9), facecolor="white")
    levels = {row.name: row.summary for row in result.rows if row.name in _LEVELS}
    attributes = " or ".join(attributes_of(result))
    labels = "right in the worst group, %", f"predicted {attributes} (unintended), %"
    for number, (quantity, label) in enumerate(zip(_PANELS, labels, strict=True)):
        axes = figure.add_subplot(1, 2, number + 1, gid=quantity)
        for curve, style in zip(curves, CURVES, strict=False):
            _draw_curve(axes, curve, quantity, *style)
        for name, line in _LEVELS.items():
            if name in levels:
                mean = getattr(levels[name], quantity).mean
                axes.axhline(100 * mean, color="#333333", linestyle=line, lw=1, label=name)
        axes.set(xscale="log", ylim=(-3, 103))
        axes.set_xlabel("features taken out", family=FONT, fontsize=9)
        axes.set_ylabel(label, family=FONT, fontsize=9, parse_math=False)
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
