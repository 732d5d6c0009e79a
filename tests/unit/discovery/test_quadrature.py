"""Quadrature rules integrate what they promise to."""

from __future__ import annotations

import numpy as np
import pytest

from circuitscope.effects.quadrature import DEFAULT_POINTS, LEVELS, RULES, quadrature, schedule
from circuitscope.errors import BadInput


def integral(rule: str, points: int, power: int) -> float:
    alphas, weights = quadrature(rule, points)
    return float(np.dot(np.power(alphas, power), weights))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("points", [1, 2, 7, 24])
def test_weights_sum_to_1_and_points_lie_between_clean_and_patch(rule, points):
    alphas, weights = quadrature(rule, points)
    assert len(alphas) == len(weights) == points
    assert sum(weights) == pytest.approx(1)
    assert all(0 <= alpha < 1 for alpha in alphas)
    assert sorted(alphas) == alphas


@pytest.mark.parametrize("points", [1, 2, 3, 6])
def test_gauss_is_exact_up_to_degree_2n_minus_1_and_no_further(points):
    for power in range(2 * points):
        assert integral("gauss", points, power) == pytest.approx(1 / (power + 1))
    assert integral("gauss", points, 2 * points) != pytest.approx(1 / (2 * points + 1), rel=1e-7)


def test_left_takes_the_clean_end_and_leaves_the_patch_end_out():
    assert quadrature("left", 4) == ([0, 0.25, 0.5, 0.75], [0.25] * 4)


def test_midpoint_is_exact_for_straight_lines():
    assert integral("midpoint", 5, 1) == pytest.approx(1 / 2)


@pytest.mark.parametrize("rule", ["left", "midpoint"])
def test_more_points_come_nearer(rule):
    errors = [abs(integral(rule, points, 3) - 1 / 4) for points in (5, 10, 20)]
    assert errors[0] > errors[1] > errors[2]


def test_gauss_tries_more_points_and_the_others_take_ten():
    assert [level.points for level in schedule("gauss", None)] == list(LEVELS)
    assert [level.points for level in schedule("left", None)] == [DEFAULT_POINTS]
    assert [level.points for level in schedule("gauss", 5)] == [5]


@pytest.mark.parametrize(("number", "degree"), [(0, 5), (1, 11), (2, 23), (3, 47)])
def test_nested_rules_take_over_all_points_and_are_exact_to_their_degree(number, degree):
    levels = schedule("gauss", None)[: number + 1]
    alphas = np.concatenate([level.alphas for level in levels])
    weights = np.concatenate([level.weights[number - old] for old, level in enumerate(levels)])
    assert len(alphas) == levels[-1].points
    assert (weights > 0).all()
    assert ((alphas > 0) & (alphas < 1)).all()
    for power in range(degree + 1):
        assert np.dot(weights, alphas**power) == pytest.approx(1 / (power + 1), rel=1e-12)


@pytest.mark.parametrize(("rule", "points"), [("simpson", 3), ("gauss", 0)])
def test_what_is_no_rule_is_refused(rule, points):
    with pytest.raises(BadInput):
        quadrature(rule, points)
