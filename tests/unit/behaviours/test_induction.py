"""What induction explains, on lists of tokens that a person can read."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from circuitscope.behaviours.contexts.induction import repeats_bigram, repeats_skip_trigram

A, B, C, D, X, Y = range(6)


def both(context: list[int], answer: int, after: tuple[int, ...] = ()) -> tuple[bool, bool]:
    """Bigram and skip-trigram of one context; ``after`` is what its piece goes on with, which must not matter."""
    end, asked = np.array([len(context) - 1]), np.array([answer])
    ids = [*context, *after]
    return bool(repeats_bigram(ids, end, asked)[0]), bool(repeats_skip_trigram(ids, end, asked)[0])


def test_a_bigram_seen_before():
    assert both([A, B, C, A], B) == (True, False)


def test_the_same_word_in_another_place_is_no_repeat():
    assert both([A, B, C, D], B) == (False, False)
    assert both([B, A], B) == (False, False)


def test_a_skip_trigram_seen_before():
    assert both([A, X, B, C, A, Y], B) == (False, True)


def test_both_at_once():
    assert both([A, X, B, C, A, X], B) == (True, True)


def test_the_last_token_doubled_may_be_its_own_bigram():
    assert both([A, A], A) == (True, False)
    assert both([A, A, A], A) == (True, True)


def test_what_comes_after_the_context_does_not_count():
    assert both([A, C, A], B, after=(B, A, B)) == (False, False)
    assert both([A, X], B, after=(B, C)) == (False, False)


def test_a_context_of_one_token_repeats_nothing():
    assert both([A], A) == (False, False)
    assert both([A], B, after=(B, A, B)) == (False, False)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.data())
def test_as_a_loop_over_the_context_says(ids: list[int], data: st.DataObject):
    ends = np.arange(len(ids))
    answers = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(ids), max_size=len(ids))))
    bigram, skip = repeats_bigram(ids, ends, answers), repeats_skip_trigram(ids, ends, answers)
    for end, answer in enumerate(answers):
        context = ids[: end + 1]
        expected = any(
            context[i] == context[-1] and context[i + 1] == answer for i in range(len(context) - 1)
        )
        assert bigram[end] == expected
        expected = len(context) > 1 and any(
            context[i] == context[-2] and context[i + 2] == answer for i in range(len(context) - 2)
        )
        assert skip[end] == expected
