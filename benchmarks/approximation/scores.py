"""How far approximate effects are from the truth: relative errors, rank correlation, and recall of the strongest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

WORTH_COUNTING = 0.01
"""Share of a group's largest effect from which the relative error of an effect is counted."""

TOPS = (10, 30, 100)


def relative_errors(guess: Array, truth: Array, group: Whole) -> Array:
    """|guess − truth| / |truth| of the effects of at least 1 % of the largest of their group."""
    found = []
    for number in np.unique(group):
        here = group == number
        size = np.abs(truth[here])
        counts = (size > 0) & (size >= WORTH_COUNTING * size.max(initial=0.0))
        found.append(np.abs(guess[here] - truth[here])[counts] / size[counts])
    return np.concatenate(found) if found else np.zeros(0)


def largest_errors(guess: Array, truth: Array, group: Whole) -> Array:
    """The largest error of each group, relative to its largest effect."""
    found = []
    for number in np.unique(group):
        here = group == number
        largest = np.abs(truth[here]).max(initial=0.0)
        if largest > 0:
            found.append(np.abs(guess[here] - truth[here]).max() / largest)
    return np.array(found)


def amount_off(guess: Array, truth: Array) -> float:
    """Σ|guess − truth| / Σ|truth|: one number in which large effects weigh more."""
    return float(np.abs(guess - truth).sum() / np.abs(truth).sum())


def rank_correlation(guess: Array, truth: Array) -> float | None:
    """Spearman's, of sizes; None where one side is constant. Effects that tie share their mean rank."""
    first, second = _ranks(np.abs(guess)), _ranks(np.abs(truth))
    if len(truth) < 3 or first.std() == 0 or second.std() == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Array) -> Array:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


def recall(guess: Array, truth: Array, top: int) -> float | None:
    """Which share of the ``top`` truly strongest is among the ``top`` strongest by guess; None if there are fewer."""
    if len(truth) < top:
        return None
    by_truth, by_guess = (np.argsort(-np.abs(values), kind="stable")[:top] for values in (truth, guess))
    by_guess = by_guess[
        guess[by_guess] != 0
    ]  # what has no effect is in no circuit, whatever its place in the order
    return float(np.isin(by_truth, by_guess).mean())


def over_groups(
    score: Callable[[Array, Array], float | None], guess: Array, truth: Array, group: Whole
) -> float | None:
    """Mean of a score over groups, such as examples; groups without one are left out."""
    found = [score(guess[group == number], truth[group == number]) for number in np.unique(group)]
    return mean(found)


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that there are."""
    some = [value for value in values if value is not None]
    return float(np.mean(some)) if some else None


def quantile(values: Array, level: float) -> float | None:
    return float(np.quantile(values, level)) if len(values) else None


def summed_by_key(values: Array, key: Whole) -> Array:
    """Σ of the values of each key, in the order of keys."""
    _, place = np.unique(key, return_inverse=True)
    return np.bincount(place, weights=values)
