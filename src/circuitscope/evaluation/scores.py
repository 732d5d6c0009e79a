"""Faithfulness and completeness as ratios of means, with bootstrap intervals over examples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
COVERAGE = 0.95


def ratio(
    value: NDArray[np.float64],
    empty: NDArray[np.float64],
    full: NDArray[np.float64],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """(mean value − mean empty) / (mean full − mean empty), with its bootstrap interval.

    A denominator whose own interval contains 0 makes the ratio undefined: ``value`` is None.
    """
    draw = np.random.default_rng(seed)
    rows = draw.integers(len(full), size=(RESAMPLES, len(full)))
    below = (full - empty)[rows].mean(axis=1)
    low, high = _interval(below)
    if low <= 0 <= high:
        return {
            "value": None,
            "low": None,
            "high": None,
            "why": f"undefined: m(M) − m(∅) lies between {low:.3g} and {high:.3g}, which contains 0",
        }
    above = (value - empty)[rows].mean(axis=1)
    low, high = _interval(above / below)
    center = float((value - empty).mean() / (full - empty).mean())
    return {"value": center, "low": low, "high": high, "why": ""}


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def needed(nodes: Sequence[int], scores: Sequence[float | None], level: float) -> float | None:
    """Nodes at which the linearly interpolated curve first reaches ``level``; None if it never does."""
    points = [(n, s) for n, s in zip(nodes, scores, strict=True) if s is not None]
    for (n0, s0), (n1, s1) in pairwise(points):
        if s0 >= level:
            return float(n0)
        if s1 >= level:
            return float(n0 + (level - s0) / (s1 - s0) * (n1 - n0))
    if points and points[-1][1] >= level:
        return float(points[-1][0])
    return None
