"""How well a ranking recovers a known set: precision, recall, and the area under the curve over all thresholds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")

NOTHING = 1e-9
"""Strengths below this share of the largest are rounding: such items are not found at any threshold."""


@dataclass(frozen=True)
class Recovery:
    """What a ranking by strength finds of the right items."""

    right: int
    """How many items are right."""
    average_precision: float
    """Area under precision over recall; a right item of no strength counts as never found."""
    precision: float
    """Among as many of the strongest items as are right."""
    recall: float
    """The same items' share of the right ones; lower than ``precision`` where fewer items have any strength."""
    best_precision: float
    """At the threshold with the largest harmonic mean of precision and recall."""
    best_recall: float


def recovery(strength: Mapping[Item, float], right: Collection[Item]) -> Recovery:
    """Score a ranking. Items of one strength share a threshold, so their order does not matter."""
    wanted = set(right)
    if not wanted:
        raise ValueError("nothing to recover")
    floor = NOTHING * max(strength.values(), default=0.0)
    ranked = sorted(((abs(value), item) for item, value in strength.items() if abs(value) > floor),
                    key=lambda pair: -pair[0])  # fmt: skip
    hit = np.array([item in wanted for _, item in ranked], dtype=float)
    value = np.array([size for size, _ in ranked])
    ends = np.flatnonzero(np.append(value[1:] != value[:-1], True)) if len(value) else np.zeros(0, int)
    hits = np.cumsum(hit)[ends]
    precision, recall = hits / (ends + 1), hits / len(wanted)
    both = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(np.argmax(both)) if len(both) else 0
    top = hit[: len(wanted)]
    return Recovery(
        len(wanted),
        float((np.diff(recall, prepend=0.0) * precision).sum()),
        float(top.mean()) if len(top) else 0.0,
        float(top.sum() / len(wanted)),
        float(precision[best]) if len(both) else 0.0,
        float(recall[best]) if len(both) else 0.0,
    )


def bootstrap(values: NDArray[np.float64], *, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a mean, over resampled values."""
    rows = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    low, high = np.quantile(values[rows].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)
