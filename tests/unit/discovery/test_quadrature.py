"""Quadrature rules integrate what they promise to."""

from __future__ import annotations

import numpy as np
import pytest

from circuitscope.effects.quadrature import DEFAULT_POINTS, LEVELS, RULES, nested, quadrature, schedule
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


PATTERSON_31 = (
    (0.0, 0.11275525672076869161),
    (0.11248894313318662575, 0.11195687302095345688),
    (0.22338668642896688163, 0.10957842105592463824),
    (0.33113539325797683309, 0.10566989358023480974),
    (0.43424374934680255800, 0.10031427861179557877),
    (0.53131974364437562397, 0.093627109981264473617),
    (0.62110294673722640294, 0.085755920049990351154),
    (0.70249620649152707861, 0.076879620499003531043),
    (0.77459666924148337704, 0.067207754295990703540),
    (0.83672593816886873550, 0.056979509494123357412),
    (0.88845923287225699889, 0.046462893261757986541),
    (0.92965485742974005667, 0.035957103307129322097),
    (0.96049126870802028342, 0.025807598096176653565),
    (0.98153114955374010687, 0.016446049854387810934),
    (0.99383196321275502221, 0.0084345657393211062463),
    (0.99909812496766759766, 0.0025447807915618744154),
)
"""Points from 0 on and weights on [−1, 1] of the rule with 31 points (Patterson 1968), to 20 digits."""


def test_the_nested_points_are_those_of_the_published_tables():
    levels = nested(LEVELS)
    alphas = np.concatenate([level.alphas for level in levels])
    weights = np.concatenate([level.weights[3 - old] for old, level in enumerate(levels)])
    order = np.argsort(alphas)
    mirrored = [(-point, weight) for point, weight in PATTERSON_31[:0:-1]]
    points, published = np.array([*mirrored, *PATTERSON_31]).T
    np.testing.assert_allclose(alphas[order], (1 + points) / 2, rtol=0, atol=1e-14)
    np.testing.assert_allclose(weights[order], published / 2, rtol=0, atol=1e-14)


def test_points_are_real_where_numpys_eigenvalues_are_complex(monkeypatch):
    """As from numpy 2.5 on, where taking the real part gives a warning; warnings are errors here."""
    usual, eigvals = nested(LEVELS), np.linalg.eigvals
    monkeypatch.setattr(np.linalg, "eigvals", lambda matrix: eigvals(matrix).astype(complex))
    nested.cache_clear()
    assert nested(LEVELS) == usual


@pytest.mark.parametrize(("rule", "points"), [("simpson", 3), ("gauss", 0)])
def test_what_is_no_rule_is_refused(rule, points):
    with pytest.raises(BadInput):
        quadrature(rule, points)
