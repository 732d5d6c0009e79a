"""How well some units tell a hidden variable of two values: by the best single one, and by all together.

Units are columns of a matrix of activations, one row per place of a text; labels are true for the first value.
Everything is fitted on one set of texts and measured on another.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Array = NDArray[np.floating[Any]]
Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Places:
    """Activations at the places where a variable is needed."""

    activations: Array
    """(place, unit)"""
    labels: Labels


@dataclass(frozen=True)
class Cut:
    """A threshold on one unit."""

    unit: int
    threshold: float
    above: bool
    """Whether the first value is above it."""
    accuracy: float
    """Balanced accuracy on the texts that it was fitted on."""

    def predict(self, activations: Array) -> Labels:
        return (activations[:, self.unit] > self.threshold) == self.above


def best_cut(places: Places, units: Sequence[int]) -> Cut:
    """The unit and threshold with the highest balanced accuracy."""
    return max((_cut(places, unit) for unit in units), key=lambda cut: cut.accuracy)


def _cut(places: Places, unit: int) -> Cut:
    order = np.argsort(places.activations[:, unit], kind="stable")
    value, label = places.activations[order, unit], places.labels[order]
    # With the cut after row r, "above" calls rows after r true and "below" the others.
    true_below = np.concatenate([[0], np.cumsum(label)]) / max(1, label.sum())
    false_below = np.concatenate([[0], np.cumsum(~label)]) / max(1, (~label).sum())
    above = (1 - true_below + false_below) / 2
    possible = np.concatenate([[True], value[1:] > value[:-1], [True]])
    score = np.where(possible, np.abs(above - 0.5), -1.0)
    best = int(np.argmax(score))
    edges = np.concatenate([[-np.inf], (value[1:] + value[:-1]) / 2, [np.inf]])
    return Cut(unit, float(edges[best]), bool(above[best] >= 0.5), float(0.5 + score[best]))


def right_by_cut(fitted: Places, tested: Places, units: Sequence[int]) -> Labels:
    """At which places of the tested texts the best cut of the fitted ones is right."""
    return best_cut(fitted, units).predict(tested.activations) == tested.labels


def right_by_regression(fitted: Places, tested: Places, units: Sequence[int]) -> Labels:
    """At which places of the tested texts a logistic regression on all units is right."""
    columns = list(units)
    scale = fitted.activations[:, columns].std(axis=0) + 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one that has not quite converged is only a little worse
        model = LogisticRegression(class_weight="balanced", max_iter=300)
        model.fit(fitted.activations[:, columns] / scale, fitted.labels)
    found = model.predict(tested.activations[:, columns] / scale) == tested.labels
    return np.asarray(found, dtype=bool)


def balanced(right: Labels, labels: Labels) -> float:
    """Balanced accuracy: the mean of the two values' accuracies."""
    return float((right[labels].mean() + right[~labels].mean()) / 2)


def balanced_interval(
    right: Labels, labels: Labels, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Its 95 % bootstrap interval, resampling the places of each value."""
    draw = np.random.default_rng(seed)
    # Drawing n of n places with replacement: the number of right ones is binomial.
    sides = [
        draw.binomial(len(part), part.mean(), size=draws) / len(part)
        for part in (right[labels], right[~labels])
    ]
    low, high = np.quantile((sides[0] + sides[1]) / 2, (0.025, 0.975))
    return float(low), float(high)
