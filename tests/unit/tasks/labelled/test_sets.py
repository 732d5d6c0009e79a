"""The four sets: agreeing texts in the ambiguous ones, all groups alike in the balanced ones."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitscope.errors import NothingFound
from circuitscope.tasks.labelled import GROUPS, LabelledText, by_attribute, make_sets

NAMES = {"classes": ("professor", "nurse"), "attributes": ("male", "female")}
counts = st.lists(st.integers(1, 12), min_size=4, max_size=4)


def texts(sizes):
    return [
        LabelledText(f"{label}{attribute}{number}", label, attribute)
        for (label, attribute), size in zip(GROUPS, sizes, strict=True)
        for number in range(size)
    ]


@given(train=counts, test=counts, seed=st.integers(0, 99))
def test_ambiguous_sets_agree_and_balanced_ones_have_every_group_alike(train, test, seed):
    sets = make_sets("s", texts(train), texts(test), seed=seed, **NAMES)
    for split, sizes in (("train", train), ("test", test)):
        ambiguous, balanced = getattr(sets, f"{split}_ambiguous"), getattr(sets, f"{split}_balanced")
        assert all(text.label == text.attribute for text in ambiguous)
        assert Counter(text.label for text in ambiguous) == dict.fromkeys((0, 1), min(sizes[0], sizes[3]))
        assert Counter(text.group for text in balanced) == dict.fromkeys(range(4), min(sizes))
        assert len(set(balanced)) == len(balanced)
    assert sets == make_sets("s", texts(train), texts(test), seed=seed, **NAMES)


def test_another_seed_is_another_order():
    many = texts([30, 30, 30, 30])
    first, second = (make_sets("s", many, many, seed=seed, **NAMES).train_ambiguous for seed in (1, 2))
    assert first != second
    assert set(first) == set(second)


@given(limit=st.integers(4, 40))
def test_a_limit_keeps_the_groups_alike(limit):
    sets = make_sets("s", texts([12] * 4), texts([12] * 4), limit=limit, **NAMES)
    assert max(sets.sizes.values()) <= limit
    assert len(set(Counter(text.group for text in sets.test_balanced).values())) == 1


def test_a_group_without_texts_is_named():
    with pytest.raises(NothingFound, match=r"the test split of s lacks a group .*female professor: 0"):
        make_sets("s", texts([2, 2, 2, 2]), texts([2, 0, 2, 2]), **NAMES)


def test_exchanging_label_and_attribute_twice_changes_nothing():
    some = tuple(texts([1, 2, 1, 3]))
    assert by_attribute(by_attribute(some)) == some
    assert [text.label for text in by_attribute(some)] == [text.attribute for text in some]
