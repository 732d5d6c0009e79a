"""The tables of the SHIFT benchmark say what the figures say."""

from __future__ import annotations

import re

import pytest

from benchmarks.shift.published import ORDER, PUBLISHED
from benchmarks.shift.tables import tables
from circuitscope.editing.comparison.figures import mean_curve

WORST = {
    "original": (0.10, 0.20),
    "neuron skyline": (0.15, 0.10),
    "concept bottleneck": (0.50, 0.60),
    "SHIFT": (0.90, 0.90),
    "SHIFT + retrain": (0.80, 0.95),
    "oracle": (0.99, 0.99),
}


def row(name, worst):
    groups = [0.1, 0.2, 0.3, 0.4]
    scores = [{"intended": 0.5, "unintended": 0.5, "worst_group": value, "groups": groups} for value in worst]
    mean = {"mean": sum(worst) / len(worst), "low": min(worst), "high": max(worst)}
    half = {"mean": 0.5, "low": 0.5, "high": 0.5}
    found = {"intended": half, "unintended": half, "worst_group": mean, "groups": groups}
    return {"section": "as published", "name": name, "scores": scores, "summary": {**found, "removed": 0.0}}


def point(seed, removed, intended, worst):
    return {"seed": seed, "removed": removed, "intended": intended, "unintended": 0.5, "worst_group": worst}


@pytest.fixture
def figures():
    points = [point(1, 2, 0.5, 0.2), point(1, 7, 0.9, 0.8), point(2, 2, 0.7, 0.4), point(2, 9, 0.7, 0.6)]
    return {
        "seeds": [1, 2],
        "groups": ["male professor", "female professor", "male nurse", "female nurse"],
        "sizes": {"test_balanced": 40, "train_ambiguous": 80},
        "rows": [row(name, worst) for name, worst in WORST.items()],
        "curves": [{"chooser": "circuit", "points": points, "mean": mean_curve(points)}],
    }


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
