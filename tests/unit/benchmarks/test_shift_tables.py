"""The tables of the SHIFT benchmark say what the figures say."""

from __future__ import annotations

import re

import pytest

from benchmarks.shift.published import ORDER, PUBLISHED
from benchmarks.shift.tables import tables
from circuitscope.editing.comparison.figures import mean_curve
from circuitscope.results import (
    ComparisonRow,
    CurvePoint,
    RemovalCurve,
    SeedScores,
    ShiftComparison,
    Spread,
    Summary,
    to_plain,
)

WORST = {
    "original": (0.10, 0.20),
    "neuron skyline": (0.15, 0.10),
    "concept bottleneck": (0.50, 0.60),
    "SHIFT": (0.90, 0.90),
    "SHIFT + retrain": (0.80, 0.95),
    "oracle": (0.99, 0.99),
}


def scores(intended, worst, removed=0):
    groups, interval = (0.1, 0.2, 0.3, 0.4), (0.0, 1.0)
    return SeedScores(intended, 0.5, worst, groups, interval, interval, interval, removed)


def row(name, worst):
    mean = Spread(sum(worst) / len(worst), min(worst), max(worst))
    half = Spread(0.5, 0.5, 0.5)
    found = Summary(half, half, mean, (0.1, 0.2, 0.3, 0.4), 0.0)
    return ComparisonRow("as published", name, found, tuple(scores(0.5, value) for value in worst))


def point(seed, removed, intended, worst):
    return CurvePoint(scores(intended, worst, removed), seed)


@pytest.fixture
def figures():
    """As they are in the benchmark's file."""
    points = (point(1, 2, 0.5, 0.2), point(1, 7, 0.9, 0.8), point(2, 2, 0.7, 0.4), point(2, 9, 0.7, 0.6))
    comparison = ShiftComparison(
        "bundled",
        (1, 2),
        ("male professor", "female professor", "male nurse", "female nurse"),
        {"test_balanced": 40, "train_ambiguous": 80},
        0.0,
        tuple(row(name, worst) for name, worst in WORST.items()),
        (RemovalCurve("circuit", points, mean_curve(points)),),
    )
    return to_plain(comparison)


def test_the_published_order_is_counted_pair_by_pair_over_seeds(figures):
    page = tables(figures)
    held = dict(re.findall(r"\b(\w[\w +]*? < [\w +]+): in (\d) of 2 seeds", page))
    assert held == {
        "Original < neuron skyline": "1",
        "Neuron skyline < concept bottleneck": "2",
        "Concept bottleneck < SHIFT": "2",
        "SHIFT < SHIFT + retrain": "1",  # a tie would not count, and a loss does not
        "SHIFT + retrain < oracle": "2",
    }


def test_ours_stand_beside_the_published_figures_of_both_models(figures):
    line = next(line for line in tables(figures).splitlines() if line.startswith("| SHIFT + retrain | 50.0"))
    assert "50.0 / 50.0 / 87.5" in line
    for model in PUBLISHED.values():
        assert " / ".join(f"{value:.1f}" for value in model["SHIFT + retrain"]) in line


def test_the_published_order_is_that_of_the_published_figures():
    worst = [PUBLISHED["Pythia-70M"][name][2] for name in ORDER]
    assert worst == sorted(worst)


def test_a_curve_ends_with_all_features_of_each_seed_whatever_their_number(figures):
    line = next(line for line in tables(figures).splitlines() if line.startswith("| circuit |"))
    assert "60.0 / 30.0" in line  # two removed: the mean of both seeds
    assert "80.0 / 70.0 (8)" in line  # 7 removed in one seed, 9 in the other
