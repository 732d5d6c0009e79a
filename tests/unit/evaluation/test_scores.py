"""Scores: ratios of means with intervals, and the nodes that a level of faithfulness needs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from circuitscope.evaluation.scores import difference, needed, ratio

quick = settings(deadline=None, max_examples=30)
draw = np.random.default_rng(0)
FULL, EMPTY = draw.normal(3, 0.5, 40), draw.normal(0, 0.5, 40)


def test_the_whole_model_scores_1_and_the_empty_circuit_0():
    whole, nothing = ratio(FULL, EMPTY, FULL), ratio(EMPTY, EMPTY, FULL)
    assert (whole.value, whole.low, whole.high) == (1, 1, 1)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


@quick
@given(st.floats(-2, 3))
def test_a_mixture_scores_its_share(share):
    found = ratio(share * FULL + (1 - share) * EMPTY, EMPTY, FULL)
    assert found.value == pytest.approx(share)
    assert found.low <= found.high


def test_it_is_a_ratio_of_means_and_not_a_mean_of_ratios():
    full, empty, value = np.array([10.0, 1.0]), np.zeros(2), np.array([10.0, 0.0])
    assert ratio(value, empty, full).value == pytest.approx(10 / 11)


def test_the_interval_holds_the_value_and_shrinks_with_examples():
    value = FULL * 0.5 + draw.normal(0, 0.5, 40)
    few, many = (ratio(*(np.tile(x, times) for x in (value, EMPTY, FULL))) for times in (1, 16))
    for score in (few, many):
        assert score.low < score.value < score.high
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_a_denominator_around_0_is_undefined_and_says_between_what():
    noise = draw.normal(0, 1, 40)
    found = ratio(FULL, noise - noise.mean(), np.zeros(40))
    assert found.value is found.low is found.high is None
    assert "contains 0" in found.why


def test_equal_inputs_give_equal_intervals():
    value = draw.normal(1, 1, 40)
    assert ratio(value, EMPTY, FULL, seed=3) == ratio(value, EMPTY, FULL, seed=3)
    assert ratio(value, EMPTY, FULL, seed=3) != ratio(value, EMPTY, FULL, seed=4)


def test_a_difference_of_two_ratios_has_an_interval_of_its_own():
    noise = draw.normal(0, 0.3, (2, 60))
    full, empty = np.full(60, 2.0), np.zeros(60)
    ours, theirs = (1.6 + noise[0], empty, full), (1.0 + noise[1], empty, full)
    found = difference(ours, theirs)
    assert found.value == pytest.approx(ratio(*ours).value - ratio(*theirs).value)
    assert found.low < found.value < found.high
    spread = np.sqrt((noise**2).sum() / 60**2) / 2  # both means vary, independently
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.2)
    same = difference((FULL, EMPTY, FULL), (FULL, EMPTY, FULL))
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_a_difference_is_undefined_if_one_of_the_two_is():
    noise = draw.normal(0, 1, 40)
    known, unknown = (FULL, EMPTY, FULL), (FULL, noise - noise.mean(), np.zeros(40))
    for pair in ((known, unknown), (unknown, known)):
        assert difference(*pair).value is None
        assert "contains 0" in difference(*pair).why


def test_nodes_needed_are_interpolated():
    assert needed([1, 11, 21], [0.0, 0.4, 0.8], 0.5) == pytest.approx(13.5)


@pytest.mark.parametrize(
    ("nodes", "scores", "wanted"),
    [
        ([1, 10], [0.6, 0.9], 1.0),
        ([1, 10], [0.1, 0.4], None),
        ([1, 10, 20], [0.1, None, 0.9], 1 + 0.5 * 19),
        ([1, 10], [None, None], None),
        ([7], [0.5], 7.0),
        ([7], [0.4], None),
        ([1, 10, 20], [0.0, 0.8, 0.2], 1 + 9 * 0.5 / 0.8),
        ([], [], None),
    ],
)
def test_nodes_needed_for_half(nodes, scores, wanted):
    assert needed(nodes, scores, 0.5) == (None if wanted is None else pytest.approx(wanted))


@quick
@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.floats(0.01, 0.99))
def test_the_curve_reaches_the_level_where_needed_says(scores, level):
    nodes = list(range(1, 10 * len(scores), 10))
    found = needed(nodes, scores, level)
    assert (found is None) == (max(scores) < level)
    assume(found is not None and found > nodes[0])
    assert np.interp(found, nodes, scores) == pytest.approx(level)
    before = np.linspace(nodes[0], found, 50)[:-1]
    assert (np.interp(before, nodes, scores) < level + 1e-6).all()
