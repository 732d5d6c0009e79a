"""Stability: the same examples in both halves give the same nodes, and different ones do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from described_circuits import PRUNED, described_anew
from linear_case import LENGTH, METRIC, case, examples, keeping, quiet
from toys import VOCAB

from circuitscope.evaluation.strict.stability import jaccard, stability
from circuitscope.results import Spread
from circuitscope.sources import Loaded
from circuitscope.tasks import Task
from circuitscope.tasks.inputs import Encoded, Skipped


@dataclass(frozen=True)
class Given(Task):
    """A task that hands out token ids."""

    encoded: tuple[Encoded, ...] = ()

    @property
    def pairs(self):
        return True

    def encode(self, split, tokenizer, *, bos, limit=None, longest=None):
        return list(self.encoded[:limit]), Skipped()


@pytest.fixture(scope="module")
def whole():
    return case()


def pair(*tokens):
    patch = [*tokens[:3], (tokens[3] + 7) % (VOCAB - 4) + 4, tokens[4]]
    return Encoded(tuple(tokens), tuple(patch), (2,), (3,))


ONE, OTHER = pair(5, 9, 14, 20, 31), pair(33, 8, 27, 12, 6)


def strongest(subject, count):
    return keeping(subject, np.sort(subject.circuit.nodes.strongest()[:count]))


def of_size(subject, count, encoded):
    """A circuit of the ``count`` strongest nodes, as discovery records it, found on some examples."""
    found = strongest(subject, count)
    cut = float(np.abs(found.circuit.nodes.effect).min())
    told = {"thresholds": {"node": cut, "edge": 0.0}, "examples": len(encoded)}
    return replace(found, circuit=described_anew(found.circuit, **told))


def run(subject, encoded, halvings=6):
    task = Given("given", (), (), encoded=tuple(encoded))
    runs = subject.scale.runs
    return stability(subject, Loaded(runs.model, runs.dictionaries, task), halvings, quiet)


def test_halves_of_one_example_over_and_over_are_equal(whole):
    encoded = [ONE] * 10
    found = run(of_size(whole, 5, encoded), encoded)
    assert found.figures.jaccard == Spread(1.0, 1.0, 1.0)
    assert (found.figures.shared, found.verdict, found.figures.nodes_of_a_half) == (1, "holds", 5)
    assert found.figures.threshold is None
    assert (found.figures.halvings, found.figures.examples) == (6, 10)


def test_halves_of_unlike_examples_differ(whole):
    """Of each example there is one, so every half has other ones than its sister."""
    draw = np.random.default_rng(0)
    encoded = [pair(*draw.integers(4, VOCAB, LENGTH).tolist()) for _ in range(8)]
    found = run(of_size(whole, 12, encoded), encoded)
    assert found.figures.jaccard.low < found.figures.jaccard.mean < 1
    assert found.figures.by_chance < found.figures.jaccard.mean


def test_every_example_is_in_one_of_the_two_halves(whole):
    """Of ONE, ONE, ONE and OTHER any two halves are {ONE, ONE} and {ONE, OTHER}, so all halvings agree."""
    encoded = [ONE, ONE, ONE, OTHER]
    found = run(of_size(whole, 4, encoded), encoded, halvings=40)
    assert found.figures.jaccard.low == found.figures.jaccard.high
    mixed = [ONE, ONE, OTHER, OTHER]
    found = run(of_size(whole, 4, mixed), mixed, halvings=40)
    assert found.figures.jaccard.low < found.figures.jaccard.high == 1, (
        "alike where each half has one of each"
    )


def test_a_threshold_is_used_again(whole):
    cut = float(np.median(np.abs(whole.circuit.nodes.effect)))
    nodes = whole.circuit.nodes
    subject = keeping(whole, np.flatnonzero(np.abs(nodes.effect) > cut))
    told = {"thresholds": {"node": cut, "edge": 0.0}, "examples": 6}
    subject = replace(subject, circuit=described_anew(subject.circuit, **told))
    found = run(subject, [ONE] * 6)
    assert found.figures.threshold == cut
    assert found.figures.jaccard.mean == 1


def test_the_circuits_own_examples_give_the_circuit_again(whole):
    encoded = examples(12)
    assert run(of_size(whole, 9, encoded), encoded).figures.again == 1
    other = run(of_size(whole, 9, [ONE] * 12), [ONE] * 12)
    assert other.figures.again < 1


def test_what_cannot_be_divided_says_so(whole):
    assert "too few to divide" in run(of_size(whole, 3, [ONE] * 3), [ONE] * 3).why
    bare = replace(whole, circuit=replace(whole.circuit, recipe=None))
    found = run(bare, [ONE] * 8)
    assert found.verdict == "cannot be said"
    assert "does not say how it was discovered" in found.why


def test_halves_say_nothing_of_a_pruned_circuit(whole):
    named = of_size(whole, 5, [ONE] * 8)
    found = run(replace(named, circuit=described_anew(named.circuit, pruned=PRUNED)), [ONE] * 8)
    assert found.verdict == "cannot be said"
    assert "chosen by pruning" in found.why


def test_a_function_as_metric_is_the_one_given_to_the_evaluation(whole):
    named = of_size(whole, 5, [ONE] * 4)
    found = run(replace(named, circuit=described_anew(named.circuit, metric="mine")), [ONE] * 4)
    assert METRIC.name != "mine"
    assert found == run(named, [ONE] * 4)


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [([1, 2, 3], [2, 3, 4], 0.5), ([1], [2], 0), ([], [], 1), ([4, 7], [7, 4], 1)],
)
def test_jaccard(first, second, wanted):
    assert jaccard(np.array(first, np.int64), np.array(second, np.int64)) == wanted
