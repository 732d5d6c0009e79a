"""The picture of errors against seconds.

    python -m benchmarks.approximation.plot FILE OUT

``FILE`` is what ``python -m benchmarks.approximation --json`` wrote; the ending of ``OUT`` says the format.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.approximation.tables import average, names

PANELS = (
    ("quadrature", "Quadrature error of ig's integral", "median relative error against 64 points"),
    ("method_error", "Method error of single nodes", "median relative error against exact"),
)
NAMED = {
    "quadrature": ("gauss-2", "gauss-3", "gauss-4", "gauss-6", "gauss-12"),
    "method_error": ("gauss-2", "gauss-64"),
}
"""The Gauss rules that are named beside their dots; the others stand between them."""
EXACT = "exact: no error"
PLACES = [(5, 4), (5, 13), (5, 22), (5, -10), (5, -19)]
"""Where a label can stand, in points from its dot; the first that is free is taken."""
BELOW = ("left-10", "relp, attention differentiated")
"""Labels that look for a place below their dots first."""
COLOURS = {"ig gauss": "#1f6fb4", "ig": "#7a9cc0", "atp": "#d9480f", "relp": "#2b8a3e"}


def main() -> None:
    source, target = (Path(argument) for argument in sys.argv[1:3])
    draw(json.loads(source.read_text(encoding="utf-8"))["nodes"], target)


def draw(entries: list[dict[str, Any]], target: Path) -> None:
    """One row of panels per model."""
    models = names(entries, "model")
    figure, axes = plt.subplots(len(models), 2, figsize=(11, 4.2 * len(models)), squeeze=False)
    for row, model in zip(axes, models, strict=True):
        here = [entry for entry in entries if entry["model"] == model]
        for axis, (part, title, unit) in zip(row, PANELS, strict=True):
            panel(axis, here, part)
            axis.set_title(f"{title}, {model}", fontsize=10)
            axis.set_ylabel(unit, fontsize=9)
            axis.set_xlabel("processor seconds, mean of behaviours", fontsize=9)
    figure.tight_layout()
    for axis in axes.flat:
        spread_labels(axis)
    figure.savefig(target, dpi=130, metadata={"Software": None} if target.suffix == ".png" else None)


def panel(axis: Any, entries: list[dict[str, Any]], part: str) -> None:
    """One dot per method; the Gauss rules are a line."""
    line: list[tuple[float, float]] = []
    for method in names(entries, "method"):
        some = [entry for entry in entries if entry["method"] == method]
        seconds = average(some, lambda entry: entry["seconds"])
        error = average([entry.get(part) for entry in some], lambda scores: scores["all"]["effect_50"])
        if method == "exact" and part == "method_error" and seconds is not None:
            axis.axvline(seconds, color="#888888", linewidth=0.8, linestyle=":")
            axis.annotate(EXACT, (seconds, 0.03), xycoords=("data", "axes fraction"), fontsize=7,
                          rotation=90, ha="right", color="#555555")  # fmt: skip
        if seconds is None or error is None:
            continue
        is_gauss = method.startswith("ig gauss")
        colour = COLOURS["ig gauss" if is_gauss else method.split(" ")[0].split("-")[0].rstrip(",")]
        axis.plot(seconds, error, "o", color=colour, markersize=4 if is_gauss else 6)
        if is_gauss:
            line.append((seconds, error))
        shown = method.removeprefix("ig ").strip("()")
        if not is_gauss or shown in NAMED[part]:
            axis.annotate(shown, (seconds, error), xytext=PLACES[0], textcoords="offset points", fontsize=7)
    axis.plot([x for x, _ in line], [y for _, y in line], color=COLOURS["ig gauss"], linewidth=0.8)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.margins(x=0.15, y=0.12)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        low, high = side.get_view_interval()
        side.set_minor_formatter(NullFormatter() if high > 10 * low else FuncFormatter(_some))
        side.set_tick_params(which="both", labelsize=8)
    axis.grid(alpha=0.2)


def spread_labels(axis: Any) -> None:
    """Move labels that would lie over an earlier one to the next free place around their dots."""
    renderer = axis.figure.canvas.get_renderer()
    taken: list[Any] = []
    for label in [text for text in axis.texts if text.get_text() != EXACT]:
        for place in PLACES[3:] + PLACES[:3] if label.get_text() in BELOW else PLACES:
            label.set_position(place)
            box = label.get_window_extent(renderer)
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _some(value: float, _: Any) -> str:
    """Labels of minor ticks where there are few major ones: 0.2, 0.3, 0.5 and the like."""
    text = f"{value:.1g}"
    return f"{value:g}" if text[-1] in "235" else ""


if __name__ == "__main__":
    main()
