"""What is said after verdicts that gained little."""

from __future__ import annotations

import pytest

from circuitscope.pages.words import attributes_of, classes_of, named_sentence, what_next
from circuitscope.results import ComparisonRow, JudgedFeature, ShiftComparison, Spread, Summary
from circuitscope.terms import Site

GROUPS = ("male professor", "female professor", "male nurse", "female nurse")


def row(name: str, groups: tuple[float, ...], section: str = "as published") -> ComparisonRow:
    half = Spread(0.5, 0.4, 0.6)
    worst = min(groups)
    summary = Summary(half, half, Spread(worst, worst, worst), groups, 3.0)
    return ComparisonRow(section, name, summary, ())


def compared(**rows: tuple[float, ...]) -> ShiftComparison:
    made = tuple(row(name.replace("_", " "), groups) for name, groups in rows.items())
    return ShiftComparison("bios: professor or nurse", (42,), GROUPS, {}, 0.0, made, ())


def feature(number: int, effect: float, verdict: str = "keep") -> JudgedFeature:
    return JudgedFeature(Site.parse("resid_1"), number, effect, (), (), (), verdict)


BEFORE = (0.95, 0.2, 0.25, 0.96)


def test_label_and_attribute_have_their_names():
    result = compared(original=BEFORE)
    assert classes_of(result.task) == ("professor", "nurse")
    assert attributes_of(result) == ("male", "female")
    assert named_sentence(result) == (
        "The label, a text's true class, is professor or nurse; the attribute is male or female."
    )


def test_verdicts_that_helped_need_no_words():
    assert what_next(compared(original=BEFORE, SHIFT=(0.9, 0.8, 0.85, 0.9)), [feature(3, 0.1)]) == []


def test_verdicts_without_gain_name_groups_and_features():
    left = [feature(number, 0.1 * number * (-1) ** number) for number in range(1, 8)]
    lines = what_next(compared(original=BEFORE, SHIFT=(0.95, 0.22, 0.26, 0.95)), left)
    assert lines == [
        "SHIFT's worst group is right in 22 % of its texts, 20 % before: the verdicts gained nothing there",
        "groups to look at: female professor (22 % right), male nurse (26 % right)",
        "the strongest of 7 features left in the model: resid_1/7 (−0.700, keep), resid_1/6 (+0.600, keep), "
        "resid_1/5 (−0.500, keep), resid_1/4 (+0.400, keep), resid_1/3 (−0.300, keep)",
    ]


def test_a_group_that_is_still_wrong_is_named_though_it_gained():
    lines = what_next(compared(original=BEFORE, SHIFT=(0.9, 0.4, 0.6, 0.9)), [])
    assert lines == [
        "SHIFT's worst group is right in 40 % of its texts, 20 % before: better, but still mostly wrong",
        "groups to look at: female professor (40 % right)",
        "none of the circuit's features was left in the model",
    ]


def test_where_no_group_is_mostly_wrong_the_worst_is_named():
    good = (0.9, 0.8, 0.85, 0.9)
    assert "female professor (80 % right)" in what_next(compared(original=good, SHIFT=good), [])[1]


def test_the_better_of_both_ways_counts():
    rows = {"original": BEFORE, "SHIFT": BEFORE, "SHIFT + retrain": (0.9, 0.9, 0.9, 0.9)}
    assert what_next(compared(**rows), []) == []


def test_a_skyline_that_gains_nothing_either_says_so():
    lines = what_next(compared(original=BEFORE, SHIFT=BEFORE, feature_skyline=BEFORE), [])
    assert lines[-1].startswith("even the feature skyline, which may look at the attribute, has only 20 %")


@pytest.mark.parametrize("rows", [{}, {"original": BEFORE}, {"SHIFT": BEFORE}])
def test_a_comparison_without_these_rows_says_nothing(rows):
    assert what_next(compared(**rows), []) == []
