"""compare: every row and curve over several seeds, as plain figures.

Seeds draw the probe's first weights, the order of its texts and the random features; the texts stay the same. Every
row's predictions are kept as soon as they are there, so that a comparison that was stopped goes on with the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from circuitscope.editing.comparison.choosers import CHOOSERS
from circuitscope.editing.comparison.rows import CURVE, OneSeed, Predictions
from circuitscope.editing.comparison.setup import Bench
from circuitscope.editing.scores import score
from circuitscope.work import Arrays, Progress, Unit, finished, labelled, silent, step

FIGURES = ("intended", "unintended", "worst_group")


@dataclass(frozen=True)
class SeedFigures:
    """The figures of one seed."""

    seed: int
    unjudged: int
    """Features of its circuit on which nobody has a verdict."""
    rows: dict[tuple[str, str], dict[str, Any]]
    """By section and name."""
    points: dict[str, list[dict[str, Any]]]
    """By way to choose, along its curve."""


def compare(bench: Bench, seeds: Sequence[int], progress: Progress = silent) -> dict[str, Any]:
    """All figures, as plain values; see ``joined``."""
    return joined(bench, [figures_of(bench, seed, labelled(progress, f"seed {seed}")) for seed in seeds])


def figures_of(bench: Bench, seed: int, progress: Progress = silent) -> SeedFigures:
    """Every row and curve of one seed."""
    one = OneSeed(bench, seed)
    choosers = ("circuit", *CHOOSERS) if bench.cue_words else ()
    with step(progress, "choosing features"):
        rows = list(one.rows())
        points = [(chooser, count, make) for chooser in choosers for count, make in one.curve(chooser)]
    units = [_unit(f"{seed}-{row.section}-{row.name}", row.make) for row in rows]
    units += [_unit(f"{seed}-{count} by {chooser}", make) for chooser, count, make in points]
    arrays = (found for _, found in finished(units, None, bench.kept, progress, "rows"))
    scores = [_scores(bench, found, seed) for found in arrays]
    curves: dict[str, list[dict[str, Any]]] = {}
    for (chooser, _, _), found in zip(points, scores[len(rows) :], strict=True):
        curves.setdefault(chooser, []).append({**found, "seed": seed})
    return SeedFigures(
        seed,
        sum(feature not in bench.person for feature in one.chosen("circuit")),
        {(row.section, row.name): found for row, found in zip(rows, scores, strict=False)},
        curves,
    )


def joined(bench: Bench, found: Sequence[SeedFigures]) -> dict[str, Any]:
    """The figures of all seeds, as plain values.

    Returns:
        ``rows``: per row its section, name, units taken out (mean over seeds), and ``scores``, one dictionary per
        seed; ``summary`` of a row has mean, low and high of each figure: over the seeds, or with one seed the
        bootstrap interval over texts. ``curves``: per way to choose its points, and ``mean`` of them
        (``mean_curve``).
    """
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    points: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        for key, scores in one.rows.items():
            rows.setdefault(key, []).append(scores)
        for chooser, some in one.points.items():
            points.setdefault(chooser, []).extend(some)
    return {
        "seeds": [one.seed for one in found],
        "groups": list(bench.sets.groups),
        "sizes": bench.sets.sizes,
        "unjudged": sum(one.unjudged for one in found) / len(found),
        "rows": [
            {"section": section, "name": name, "summary": summary(scores), "scores": scores}
            for (section, name), scores in rows.items()
        ],
        "curves": [
            {"chooser": chooser, "points": some, "mean": mean_curve(some)} for chooser, some in points.items()
        ],
    }


def _unit(name: str, make: Callable[[], tuple[Predictions, int]]) -> Unit[None, Arrays]:
    def do(_: None) -> Arrays:
        predictions, removed = make()
        return {"predictions": predictions.cpu().numpy().astype(np.int8), "removed": np.array(removed)}

    return Unit(name.replace("/", " "), do)


def _scores(bench: Bench, found: Arrays, seed: int) -> dict[str, Any]:
    drawn = [asdict(score(row, bench.sets.test_balanced, seed=seed)) for row in found["predictions"]]
    return {**_mean_scores(drawn), "removed": int(found["removed"])}


def _mean_scores(drawn: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row's scores, averaged over its draws; intervals are those of the first draw if there is only one."""
    first = drawn[0]
    mean = {name: float(np.mean([one[name] for one in drawn])) for name in FIGURES}
    groups = np.mean([one["groups"] for one in drawn], axis=0).tolist()
    intervals = {
        f"{name}_interval": list(first[f"{name}_interval"])
        if len(drawn) == 1
        else [min(one[name] for one in drawn), max(one[name] for one in drawn)]
        for name in FIGURES
    }
    return {**mean, "groups": groups, **intervals}


def summary(scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean, low and high of each figure, the groups' means, and how many units were taken out."""
    found: dict[str, Any] = {}
    for name in FIGURES:
        values = [one[name] for one in scores]
        low, high = (min(values), max(values)) if len(scores) > 1 else scores[0][f"{name}_interval"]
        found[name] = {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}
    found["groups"] = np.mean([one["groups"] for one in scores], axis=0).tolist()
    found["removed"] = float(np.mean([one["removed"] for one in scores]))
    return found


def mean_curve(points: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean figures by how many are taken out: by the numbers of ``CURVE``, and ``all`` that the judge removes."""
    last: dict[int, dict[str, Any]] = {}
    for point in points:
        if point["removed"] >= last.get(point["seed"], point)["removed"]:
            last[point["seed"]] = point
    groups = {str(count): [point for point in points if point["removed"] == count] for count in CURVE}
    groups["all"] = list(last.values())
    return {
        name: {figure: float(np.mean([point[figure] for point in some])) for figure in (*FIGURES, "removed")}
        for name, some in groups.items()
        if some
    }
