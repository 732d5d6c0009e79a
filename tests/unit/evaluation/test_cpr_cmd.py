"""CPR and CMD of curves whose areas are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitscope.evaluation.cpr_cmd import FRACTIONS, areas, nodes_at

N = len(FRACTIONS)
NODES = nodes_at(1000)


def test_the_ideal_curve():
    found = areas(NODES, [1.0] * N)
    assert found.cpr == pytest.approx(0.999)
    assert found.cmd == 0
    assert found.cpr_log == pytest.approx(math.log(1000))


def test_a_curve_that_never_leaves_0():
    found = areas(NODES, [0.0] * N)
    assert (found.cpr, found.cmd) == (0, pytest.approx(0.999))


def test_a_straight_line_has_the_area_of_its_triangle():
    found = areas(NODES, list(FRACTIONS))
    assert found.cpr == pytest.approx((1 - 0.001**2) / 2)
    assert found.cmd == pytest.approx(0.999 - (1 - 0.001**2) / 2)


def test_overshooting_counts_for_cpr_and_against_cmd():
    found = areas(NODES, [2.0] * N)
    assert found.cpr == pytest.approx(2 * 0.999)
    assert found.cmd == pytest.approx(0.999)


def test_one_step_by_hand():
    """0 up to a half and 1 at the whole: one trapezoid, from 0.5 to 1."""
    found = areas(NODES, [0.0] * (N - 1) + [1.0])
    assert found.cpr == pytest.approx(0.25)
    assert found.cmd == pytest.approx(0.499 + 0.25)
    assert found.cpr_log == pytest.approx(math.log(2) / 2)


@given(st.lists(st.floats(0, 1), min_size=N, max_size=N))
def test_up_to_1_the_two_areas_make_up_the_axis(values):
    found = areas(NODES, values)
    assert found.cpr + found.cmd == pytest.approx(0.999)
    assert found.cpr == pytest.approx(np.trapezoid(values, FRACTIONS))
    assert found.cmd_log == pytest.approx(np.trapezoid(1 - np.array(values), np.log(FRACTIONS)))


def test_an_undefined_point_leaves_both_undefined():
    found = areas(NODES, [None] + [1.0] * (N - 1))
    assert {found.cpr, found.cmd, found.cpr_log, found.cmd_log} == {None}
    assert (found.nodes[-1], found.faithfulness[-1]) == (1000, 1.0), "what is known is there all the same"


def test_nodes_at_the_fractions():
    assert nodes_at(1000) == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    assert nodes_at(299) == [0, 0, 1, 2, 5, 14, 29, 59, 149, 299]
