"""compare: every row and curve over several seeds, as figures.

Seeds draw the probe's initial weights, the order of its texts and the random features; the texts stay the same. Every
row's predictions are kept as soon as they are made, so that a stopped comparison continues with the next row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from circuitscope.editing.comparison.choosers import CHOOSERS
from circuitscope.editing.comparison.rows import CURVE, OneSeed, Predictions
from circuitscope.editing.comparison.setup import ComparisonSetup
from circuitscope.editing.scores import score
from circuitscope.results import (
    ClassifierScores,
    ComparisonRow,
    CurvePoint,
    Interval,
    MeanPoint,
    RemovalCurve,
    SeedScores,
    ShiftComparison,
    Spread,
    Summary,
)
from circuitscope.work import Arrays, Progress, Unit, finished, labelled, silent, step

FIGURES = ("intended", "unintended", "worst_group")


@dataclass(frozen=True)
class SeedFigures:
    """The figures of one seed."""

    seed: int
    unjudged: int
    """Features of its circuit on which nobody has a verdict."""
    rows: dict[tuple[str, str], SeedScores]
    """By section and name."""
    points: dict[str, list[CurvePoint]]
    """By way to choose, along its curve."""


def compare(
    setup: ComparisonSetup, seeds: Sequence[int], task: str, progress: Progress = silent
) -> ShiftComparison:
    """All figures."""
    found = [figures_of(setup, seed, labelled(progress, f"seed {seed}")) for seed in seeds]
    return joined(setup, found, task)


def figures_of(setup: ComparisonSetup, seed: int, progress: Progress = silent) -> SeedFigures:
    """Every row and curve of one seed."""
    one = OneSeed(setup, seed)
    choosers = ("circuit", *CHOOSERS) if setup.cue_words else ()
    with step(progress, "choosing features"):
        rows = list(one.rows())
        points = [(chooser, count, make) for chooser in choosers for count, make in one.curve(chooser)]
    units = [_unit(f"{seed}-{row.section}-{row.name}", row.make) for row in rows]
    units += [_unit(f"{seed}-{count} by {chooser}", make) for chooser, count, make in points]
    arrays = (found for _, found in finished(units, None, setup.kept, progress, "rows"))
    scores = [_scores(setup, found, seed) for found in arrays]
    curves: dict[str, list[CurvePoint]] = {}
    for (chooser, _, _), found in zip(points, scores[len(rows) :], strict=True):
        curves.setdefault(chooser, []).append(CurvePoint(found, seed))
    return SeedFigures(
        seed,
        sum(feature not in setup.person for feature in one.chosen("circuit")),
        {(row.section, row.name): found for row, found in zip(rows, scores, strict=False)},
        curves,
    )


def joined(setup: ComparisonSetup, found: Sequence[SeedFigures], task: str) -> ShiftComparison:
    """The figures of all seeds; a summary is over the seeds, or with one seed the bootstrap interval over texts."""
    rows: dict[tuple[str, str], list[SeedScores]] = {}
    points: dict[str, list[CurvePoint]] = {}
    for one in found:
        for key, scores in one.rows.items():
            rows.setdefault(key, []).append(scores)
        for chooser, some in one.points.items():
            points.setdefault(chooser, []).extend(some)
    return ShiftComparison(
        task=task,
        seeds=tuple(one.seed for one in found),
        groups=tuple(setup.sets.groups),
        sizes=setup.sets.sizes,
        unjudged=sum(one.unjudged for one in found) / len(found),
        rows=tuple(
            ComparisonRow(section, name, summary(scores), tuple(scores))
            for (section, name), scores in rows.items()
        ),
        curves=tuple(
            RemovalCurve(chooser, tuple(some), mean_curve(some)) for chooser, some in points.items()
        ),
    )


def _unit(name: str, make: Callable[[], tuple[Predictions, int]]) -> Unit[None, Arrays]:
    def do(_: None) -> Arrays:
        predictions, removed = make()
        return {"predictions": predictions.cpu().numpy().astype(np.int8), "removed": np.array(removed)}

    return Unit(name.replace("/", " "), do)


def _scores(setup: ComparisonSetup, found: Arrays, seed: int) -> SeedScores:
    drawn = [score(row, setup.sets.test_balanced, seed=seed) for row in found["predictions"]]
    return _mean_scores(drawn, int(found["removed"]))


def _mean_scores(drawn: Sequence[ClassifierScores], removed: int) -> SeedScores:
    """One row's scores, averaged over its draws; intervals are those of the first draw if there is only one."""
    intended, unintended, worst_group = (_values(drawn, figure) for figure in FIGURES)

    def ends(values: Sequence[float], of_one: Interval) -> Interval:
        return of_one if len(drawn) == 1 else (min(values), max(values))

    return SeedScores(
        intended=float(np.mean(intended)),
        unintended=float(np.mean(unintended)),
        worst_group=float(np.mean(worst_group)),
        groups=_mean_groups(drawn),
        intended_interval=ends(intended, drawn[0].intended_interval),
        unintended_interval=ends(unintended, drawn[0].unintended_interval),
        worst_group_interval=ends(worst_group, drawn[0].worst_group_interval),
        removed=removed,
    )


def summary(scores: Sequence[SeedScores]) -> Summary:
    """Mean, low and high of each figure, the groups' means, and how many units were taken out."""
    intended, unintended, worst_group = (_values(scores, figure) for figure in FIGURES)

    def spread(values: Sequence[float], of_one: Interval) -> Spread:
        low, high = (min(values), max(values)) if len(scores) > 1 else of_one
        return Spread(float(np.mean(values)), low, high)

    return Summary(
        intended=spread(intended, scores[0].intended_interval),
        unintended=spread(unintended, scores[0].unintended_interval),
        worst_group=spread(worst_group, scores[0].worst_group_interval),
        groups=_mean_groups(scores),
        removed=float(np.mean([one.removed for one in scores])),
    )


def mean_curve(points: Sequence[CurvePoint]) -> dict[str, MeanPoint]:
    """Mean figures by how many are taken out: the numbers of ``CURVE``, and ``all`` that the judge removes."""
    last: dict[int, CurvePoint] = {}
    for point in points:
        if point.scores.removed >= last.get(point.seed, point).scores.removed:
            last[point.seed] = point
    groups = {str(count): [point for point in points if point.scores.removed == count] for count in CURVE}
    groups["all"] = list(last.values())
    return {name: _mean_point([point.scores for point in some]) for name, some in groups.items() if some}


def _mean_point(scores: Sequence[SeedScores]) -> MeanPoint:
    intended, unintended, worst_group, removed = (
        float(np.mean(_values(scores, figure))) for figure in (*FIGURES, "removed")
    )
    return MeanPoint(intended, unintended, worst_group, removed)


def _values(scores: Sequence[ClassifierScores] | Sequence[SeedScores], figure: str) -> list[float]:
    return [float(getattr(one, figure)) for one in scores]


def _mean_groups(scores: Sequence[ClassifierScores] | Sequence[SeedScores]) -> tuple[float, ...]:
    return tuple(np.array([one.groups for one in scores], float).mean(axis=0).tolist())
