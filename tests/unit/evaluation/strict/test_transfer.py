"""Transfer: what is compared, and when new words may be claimed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from described_circuits import PRUNED, described_anew
from linear_case import case, examples
from test_stability import Given

from circuitscope.errors import NothingFound
from circuitscope.evaluation.strict.transfer import _verdict, transfer
from circuitscope.results import CannotBeSaid, Score, SplitScore, Transfer
from circuitscope.tasks.inputs import Encoded, Skipped


@pytest.fixture(scope="module")
def whole():
    return case()


class Splits(Given):
    """A task with other token ids in each split."""

    def encode(self, split, tokenizer, *, bos, limit=None, longest=None):
        own, held_out = self.encoded[:12], self.encoded[12:]
        return list((own if split == "train" else held_out)[:limit]), Skipped()


def run(whole, held_out, split="test"):
    task = Splits("given", (), (), encoded=(*examples(12), *held_out))
    return transfer(whole, lambda name: whole, task, split)


def with_words(tokens: tuple[int, ...]) -> list[Encoded]:
    """Examples whose pairs differ in words of one's own."""
    return [
        Encoded((*item.clean[:4], *tokens[:1]), (*item.clean[:4], *tokens[1:]), (2,), (3,))
        for item in examples(6)
    ]


def test_a_circuit_that_does_as_well_on_new_words_transfers(whole):
    found = run(whole, with_words((2, 3)))  # random examples begin at 4
    assert found.figures.known == 0
    assert found.verdict == "holds"
    assert found.figures.difference.value == pytest.approx(0, abs=1e-9)
    assert (found.figures.discovery.split, found.figures.held_out.split) == ("train", "test")


def test_nothing_is_claimed_about_new_words_where_words_are_shared(whole):
    found = run(whole, [*with_words((2, 3)), *with_words((2, 10))])
    assert found.figures.known == 6
    assert found.verdict == "cannot be said"
    assert "share the words" in found.why
    assert found.figures.difference.value == pytest.approx(0, abs=1e-9), "the figures are there all the same"


def pruned(whole, **how):
    return replace(whole, circuit=described_anew(whole.circuit, pruned={**PRUNED, **how}))


def test_a_circuit_that_was_pruned_on_the_other_split_has_none_held_out(whole):
    found = run(pruned(whole, split="test", examples=6), with_words((2, 3)))
    assert found.verdict == "cannot be said"
    assert "pruned on test" in found.why


def test_the_words_of_the_examples_that_pruned_it_count_too(whole):
    few = replace(whole, circuit=described_anew(whole.circuit, examples=6))
    late = with_words((2, 3))  # discovery sees the first 6 examples, pruning these too

    def known(subject):
        task = Splits("given", (), (), encoded=(*examples(6), *late, *late))
        return transfer(subject, lambda name: subject, task, "test").figures.known

    assert known(few) == 0
    assert known(pruned(few, split="train", examples=12)) == 6


def test_words_that_both_sides_of_a_pair_have_do_not_count(whole):
    """All held-out pairs have their first four tokens from the discovery's."""
    held_out = with_words((2, 3))
    seen = {token for item in examples(12) for token in item.clean}
    assert all(seen.issuperset(item.clean[:4]) for item in held_out)
    assert run(whole, held_out).figures.known == 0


def test_a_single_text_is_known_if_all_its_words_are(whole):
    known = [Encoded(item.clean, None, (2,), ()) for item in examples(3)]
    fresh = [Encoded((*item.clean[:4], 2), None, (2,), ()) for item in examples(2)]
    assert run(whole, [*known, *fresh]).figures.known == 3


def test_the_split_that_is_missing_is_the_reason(whole):
    def nothing(name):
        raise NothingFound("the test split of given has no usable example")

    found = transfer(whole, nothing, Splits("given", (), (), encoded=examples(12)), "train")
    assert found == CannotBeSaid(found.why)
    assert "no usable example" in found.why
    bare = replace(whole, circuit=replace(whole.circuit, recipe=None))
    assert "which split" in transfer(bare, nothing, Splits("given", (), ()), "test").why


@pytest.mark.parametrize(
    ("low", "high", "value", "known", "verdict"),
    [
        (-0.05, 0.02, 0.8, 0, "holds"),
        (-0.3, -0.15, 0.8, 0, "does not hold"),
        (-0.15, -0.05, 0.8, 0, "cannot be said"),
        (-0.05, 0.02, 0.05, 0, "cannot be said"),
        (-0.05, 0.02, 0.8, 1, "cannot be said"),
        (None, None, 0.8, 0, "cannot be said"),
        (0.2, 0.4, 0.5, 0, "holds"),
    ],
)
def test_the_verdict_follows_the_interval(low, high, value, known, verdict):
    middle = None if low is None else (low + high) / 2
    score = Score(value, value - 0.1, value + 0.1)
    side = SplitScore("train", 12, score)
    difference = Score(middle, low, high, "undefined" if low is None else "")
    found = _verdict(Transfer(side, replace(side, split="test"), difference, pairs=True, known=known))
    assert found.verdict == verdict
    assert (found.why != "") == (verdict == "cannot be said")
    assert isinstance(found, CannotBeSaid) == (verdict == "cannot be said")
