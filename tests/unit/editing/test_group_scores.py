"""Scores: hand-counted shares, intervals, and what is refused."""

from __future__ import annotations

import pytest
import torch

from circuitscope.editing.scores import score
from circuitscope.errors import BadInput
from circuitscope.tasks.labelled import GROUPS, LabelledText


def texts(*per_group):
    return [
        LabelledText("x", label, attribute)
        for (label, attribute), count in zip(GROUPS, per_group, strict=True)
        for _ in range(count)
    ]


def test_shares_are_those_that_one_counts():
    """Groups of 4: right 4, 1, 2, 3 of them; so 10 of 16 labels and (4 + 3 + 2 + 3) of 16 attributes."""
    predictions = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0]
    found = score(predictions, texts(4, 4, 4, 4))
    assert found.groups == (1.0, 0.25, 0.5, 0.75)
    assert found.intended == 10 / 16
    assert found.unintended == 12 / 16
    assert found.worst_group == 0.25
    assert (found.n, found.sizes) == (16, (4, 4, 4, 4))


def test_where_label_and_attribute_agree_the_two_scores_do():
    found = score([0, 1, 1, 1], texts(2, 0, 0, 2))
    assert found.intended == found.unintended == 0.75
    assert found.groups == (0.5, None, None, 1.0)
    assert found.group_intervals[1] is None
    assert found.worst_group == 0.5


def test_unequal_groups_count_by_their_texts():
    found = score([0] * 8, texts(5, 1, 1, 1))
    assert found.intended == 6 / 8
    assert found.unintended == 6 / 8


def test_a_tensor_is_as_good_as_a_list():
    labels = [0, 1, 0, 1]
    some = texts(1, 1, 1, 1)
    assert score(torch.tensor(labels), some) == score(labels, some)


def test_intervals_hold_the_value_and_shrink_with_more_texts():
    def width(count):
        predictions = [number % 4 == 0 for number in range(4 * count)]
        found = score([int(item) for item in predictions], texts(count, count, count, count))
        low, high = found.intended_interval
        assert low <= found.intended <= high
        return high - low

    assert width(400) < 0.5 * width(40)


def test_intervals_cover_what_the_binomial_says():
    """One group of 400 texts, 60 % right: 0.6 ± 1.96 √(0.24 / 400)."""
    found = score([1] * 240 + [0] * 160, texts(0, 0, 0, 400))
    low, high = found.intended_interval
    assert low == pytest.approx(0.6 - 1.96 * (0.24 / 400) ** 0.5, abs=0.006)
    assert high == pytest.approx(0.6 + 1.96 * (0.24 / 400) ** 0.5, abs=0.006)


@pytest.mark.parametrize("predictions", [[], [0], [0, 1, 1, 0, 1], [[0, 1, 0, 1]]])
def test_another_number_of_predictions_is_refused(predictions):
    with pytest.raises(BadInput, match="for 4 texts"):
        score(predictions, texts(1, 1, 1, 1))


def test_logits_are_refused():
    with pytest.raises(BadInput, match="neither 0 nor 1") as refused:
        score([0.3, -2.0, 1.0, 0.0], texts(1, 1, 1, 1))
    assert "classifier.predict" in refused.value.mend


def test_no_texts_are_refused():
    with pytest.raises(BadInput, match="for 0 texts"):
        score([], [])
