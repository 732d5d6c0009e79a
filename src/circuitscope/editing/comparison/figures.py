"""compare: every row and curve over several seeds, as plain figures.

Seeds draw the probe's first weights, the order of its texts and the random features; the texts stay the same. Every
row's predictions are kept as soon as they are there, so that a comparison that was stopped goes on with the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from circuitscope.editing.comparison.choosers import CHOOSERS
from circuitscope.editing.comparison.rows import CURVE, OneSeed
from circuitscope.editing.comparison.setup import Bench
from circuitscope.editing.scores import score

FIGURES = ("intended", "unintended", "worst_group")


def compare(bench: Bench, seeds: Sequence[int]) -> dict[str, Any]:
    """All figures, as plain values.

    Returns:
        ``rows``: per row its section, name, units taken out (mean over seeds), and ``scores``, one dictionary per
        seed; ``summary`` of a row has mean, low and high of each figure: over the seeds, or with one seed the
        bootstrap interval over texts. ``curves``: per way to choose its points, and ``mean`` of them
        (``mean_curve``).
    """
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    points: dict[str, list[dict[str, Any]]] = {}
    unjudged = 0
    for number, seed in enumerate(seeds):
        one = OneSeed(bench, seed)
        bench.progress(number, len(seeds), f"seed {seed}: the circuit")
        unjudged += sum(feature not in bench.person for feature in one.chosen("circuit"))
        for row in one.rows():
            bench.progress(number, len(seeds), f"seed {seed}: {row.name}")
            scores = _scores(bench, f"{seed}-{row.section}-{row.name}", row.make, seed)
            rows.setdefault((row.section, row.name), []).append(scores)
        for chooser in ("circuit", *CHOOSERS) if bench.cue_words else ():
            for count, make in one.curve(chooser):
                bench.progress(number, len(seeds), f"seed {seed}: {count} features by {chooser}")
                scores = _scores(bench, f"{seed}-{count} by {chooser}", make, seed)
                points.setdefault(chooser, []).append({**scores, "seed": seed})
    return {
        "seeds": list(seeds),
        "groups": list(bench.sets.groups),
        "sizes": bench.sets.sizes,
        "unjudged": unjudged / len(seeds),
        "rows": [
            {"section": section, "name": name, "summary": summary(scores), "scores": scores}
            for (section, name), scores in rows.items()
        ],
        "curves": [
            {"chooser": chooser, "points": found, "mean": mean_curve(found)}
            for chooser, found in points.items()
        ],
    }


def _scores(bench: Bench, name: str, make: Any, seed: int) -> dict[str, Any]:
    def arrays() -> dict[str, Any]:
        predictions, removed = make()
        return {"predictions": predictions.cpu().numpy().astype(np.int8), "removed": np.int64(removed)}

    found = bench.remember(name.replace("/", " "), arrays)
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
