"""Faithfulness and completeness as ratios of means, with bootstrap intervals over examples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from circuitscope.results import FEW_EXAMPLES, Score

RESAMPLES = 2000
COVERAGE = 0.95


Values = NDArray[np.float64]
"""A value per example."""


def coverage_of(examples: int) -> float | None:
    """What an interval from so many examples covers; None if they are too few to say."""
    return COVERAGE if examples >= FEW_EXAMPLES else None


def ratio(value: Values, empty: Values, full: Values, *, seed: int = 0) -> Score:
    """(mean value − mean empty) / (mean full − mean empty), with its bootstrap interval.

    A denominator whose own interval contains 0 makes the ratio undefined: ``value`` is None.
    """
    drawn = _drawn_ratios(value, empty, full, np.random.default_rng(seed))
    if isinstance(drawn, str):
        return _undefined(drawn)
    low, high = interval(drawn)
    return Score(_ratio(value, empty, full), low, high)


def difference(
    first: tuple[Values, Values, Values], second: tuple[Values, Values, Values], *, seed: int = 0
) -> Score:
    """The first ratio minus the second, of other examples, with its bootstrap interval.

    Each is (value, empty, full); their examples are drawn independently.
    """
    draw = np.random.default_rng(seed)
    ours, theirs = (_drawn_ratios(*one, draw) for one in (first, second))
    if isinstance(ours, str):
        return _undefined(ours)
    if isinstance(theirs, str):
        return _undefined(theirs)
    low, high = interval(ours - theirs)
    return Score(_ratio(*first) - _ratio(*second), low, high)


def _ratio(value: Values, empty: Values, full: Values) -> float:
    return float((value - empty).mean() / (full - empty).mean())


def _drawn_ratios(value: Values, empty: Values, full: Values, draw: np.random.Generator) -> Values | str:
    """The ratio of every resampling of the examples, or why it is undefined."""
    rows = draw.integers(len(full), size=(RESAMPLES, len(full)))
    below = (full - empty)[rows].mean(axis=1)
    low, high = interval(below)
    if low <= 0 <= high:
        return f"undefined: m(M) − m(∅) lies between {low:.3g} and {high:.3g}, which contains 0"
    ratios: Values = (value - empty)[rows].mean(axis=1) / below
    return ratios


def _undefined(why: str) -> Score:
    return Score(None, None, None, why)


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of what was drawn."""
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
