"""Precision, recall and the area under their curve, on rankings whose answer is on paper."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.recovery.scores import bootstrap, recovery


def test_a_ranking_on_paper():
    # right, wrong, right, and one right item that is never found: (1/3)·1 + (1/3)·(2/3)
    found = recovery({"a": 3.0, "b": 2.0, "c": 1.0}, {"a", "c", "d"})
    assert found.average_precision == pytest.approx(1 / 3 + 2 / 9)
    assert (found.precision, found.recall) == pytest.approx((2 / 3, 2 / 3))
    assert (found.best_precision, found.best_recall) == pytest.approx((2 / 3, 2 / 3))


def test_items_of_one_strength_share_a_threshold():
    found = recovery({"wrong": 1.0, "right": 1.0}, {"right"})
    assert found.average_precision == pytest.approx(0.5)
    assert found == recovery({"right": 1.0, "wrong": 1.0}, {"right"}) or found.average_precision == 0.5


def test_rounding_is_no_strength():
    found = recovery({"a": 1.0, "b": 1e-15}, {"a", "b"})
    assert found.average_precision == pytest.approx(0.5)
    assert found.precision == 1.0
    assert found.recall == 0.5


def test_a_perfect_ranking():
    found = recovery({"a": 3.0, "b": 2.0, "c": 0.1}, {"a", "b"})
    assert (found.average_precision, found.precision, found.recall) == (1.0, 1.0, 1.0)


def test_nothing_to_recover_is_refused():
    with pytest.raises(ValueError, match="nothing"):
        recovery({"a": 1.0}, set())


def test_the_interval_holds_the_mean_and_shrinks():
    draw = np.random.default_rng(0)
    few, many = draw.random(20), draw.random(2000)
    low, high = bootstrap(few)
    assert low < few.mean() < high
    assert bootstrap(few) == (low, high)  # seeded
    narrow = bootstrap(many)
    assert narrow[1] - narrow[0] < (high - low) / 3
