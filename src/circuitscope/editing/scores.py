"""Scores of a classifier on texts whose label and attribute are both known.

* intended: how often the prediction is the label (profession);
* unintended: how often it is the attribute (gender); on balanced texts, 0.5 means that it knows nothing of it;
* the four groups (label, attribute), each with its share of right predictions, and the worst of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import BadInput
from circuitscope.evaluation import RESAMPLES, interval
from circuitscope.results import ClassifierScores
from circuitscope.tasks.labelled import GROUPS, LabelledText


def score(predictions: Any, texts: Sequence[LabelledText], *, seed: int = 0) -> ClassifierScores:
    """Compare predictions with labels and attributes.

    Args:
        predictions: 0 or 1 for every text, in order: a list, an array or a tensor.
        seed: for the bootstrap. Texts are resampled within each group, so the groups keep their sizes.

    Raises:
        BadInput: there are not as many predictions as texts, none at all, or some other than 0 and 1.
    """
    found = _checked(predictions, texts)
    group = np.array([text.group for text in texts])
    right = found == np.array([text.label for text in texts])
    sizes = np.bincount(group, minlength=len(GROUPS))
    accuracy = np.bincount(group, weights=right, minlength=len(GROUPS)) / np.maximum(sizes, 1)
    # Resampling n texts of a group, p of them right, amounts to drawing a binomial number.
    draw = np.random.default_rng(seed)
    drawn = draw.binomial(sizes, accuracy, (RESAMPLES, len(GROUPS))) / np.maximum(sizes, 1)
    there = sizes > 0
    intervals = [interval(drawn[:, number]) if there[number] else None for number in range(len(GROUPS))]
    return ClassifierScores(
        intended=float(_intended(accuracy, sizes)),
        unintended=float(_unintended(accuracy, sizes)),
        worst_group=float(accuracy[there].min()),
        groups=tuple(float(value) if here else None for value, here in zip(accuracy, there, strict=True)),
        n=len(texts),
        sizes=tuple(int(size) for size in sizes),
        intended_interval=interval(_intended(drawn, sizes)),
        unintended_interval=interval(_unintended(drawn, sizes)),
        worst_group_interval=interval(drawn[:, there].min(axis=1)),
        group_intervals=tuple(intervals),
    )


def _intended(accuracy: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray((accuracy * sizes).sum(axis=-1) / sizes.sum())


def _unintended(accuracy: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where label and attribute differ, a prediction that is the attribute is a wrong one."""
    agree = np.array([label == attribute for label, attribute in GROUPS])
    return _intended(np.where(agree, accuracy, 1 - accuracy), sizes)


def _checked(predictions: Any, texts: Sequence[LabelledText]) -> NDArray[np.int64]:
    found = np.asarray(predictions.cpu() if hasattr(predictions, "cpu") else predictions)
    if len(texts) == 0 or found.shape != (len(texts),):
        raise BadInput(
            f"predictions of shape {found.shape} for {len(texts)} texts",
            expected="one for every text, and at least one",
            mend="score the texts that were predicted",
        )
    if not np.isin(found, (0, 1)).all():
        raise BadInput(
            "predictions that are neither 0 nor 1",
            expected="classes, 0 or 1",
            mend="for logits, pass (logits > 0), or use classifier.predict",
        )
    return found.astype(np.int64)
