"""The answer, written from numbers, for numbers of every kind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drawn_circuits import circuit_of
from made_reports import EVALUATION, circuit, report

from circuitscope.pages.page.page_parts import differing, grid
from circuitscope.pages.words.numbers import density, number, share
from circuitscope.pages.words.sentences import answer, size_sentence, truth_sentences, where_sentences
from circuitscope.results import Evaluation, Score


def evaluated(faithful: float, complete: float, **changed: str) -> Evaluation:
    first = replace(
        EVALUATION.scores[0],
        faithfulness=Score(faithful, 0.0, 1.0),
        completeness=Score(complete, 0.0, 1.0),
    )
    return replace(EVALUATION, scores=(first,), **changed)


@pytest.mark.parametrize(
    ("faithful", "complete", "said"),
    [
        (0.95, 0.01, ("nearly all (95 %)", "next to nothing is left.")),
        (0.6, 0.02, ("restores 60 % of", "does not do it alone")),
        (0.15, 0.0, ("only 15 %", "needed, but is far from enough")),
        (-0.02, 0.3, ("next to nothing (−2 %)", "30 % of the behaviour is left.")),
        (0.9, 0.7, ("nearly all", "other parts of the model can do the same")),
        (1.04, -0.04, ("all (104 %) of", "next to nothing is left.")),
        (1.2, -0.04, ("all of the behaviour and more (120 %)", "next to nothing is left.")),
    ],
)
def test_scores_in_words(faithful, complete, said):
    text = " ".join(truth_sentences(evaluated(faithful, complete), "train"))
    for part in said:
        assert part in text
    assert "embed and the first layer left untouched" in text


def test_examples_that_it_was_made_from_are_called_so():
    """Whatever the split is called: a circuit may have been discovered on test."""
    for split, other in (("train", "test"), ("test", "train")):
        assert "on its own examples" in truth_sentences(evaluated(0.5, 0.2, split=split), split)[0]
        assert (
            "40 examples held out from its discovery"
            in truth_sentences(evaluated(0.5, 0.2, split=split), other)[0]
        )
    unknown = truth_sentences(evaluated(0.5, 0.2), "")[0]
    assert "on 40 examples (" in unknown
    assert "held out from" not in unknown


def test_the_page_knows_that_a_circuit_was_discovered_on_test():
    own = report(replace(circuit(split="test"), evaluation=EVALUATION))
    assert "on its own examples" in answer(own)[0]
    assert "held out from" in answer(report(replace(circuit(), evaluation=EVALUATION)))[0]


def test_how_large_in_words():
    assert size_sentence(report()) == "The circuit has 5 nodes and 4 edges."
    cut = report(circuit(nodes_asked=None))
    assert (
        size_sentence(cut)
        == "The circuit has 5 nodes and 4 edges: all nodes whose mean effect is above 0.2 in size."
    )
    ranked = report(replace(circuit(), candidates=circuit().nodes))
    assert (
        size_sentence(ranked)
        == "The circuit has 5 nodes and 4 edges: the strongest of 5 that have any effect."
    )


def test_where_in_words():
    first, errors = where_sentences(report())
    assert first == (
        "From the embedding to layer 0, most of the effect sits at position 1 (“Tom”); "
        "in layer 1, at position 2 (“was”)."
    )
    assert errors.startswith("1 of the nodes is an error node")
    one = circuit_of({"resid_0/1@1": 1.0, "resid_1/1@1": 1.0}, positions="keep")
    assert where_sentences(report(one, features=())) == [
        "In every layer, most of the effect sits at position 1: 100 % of the sum."
    ]
    summed = circuit_of({"resid_0/1": 3.0, "mlp_1/1": -1.0}, positions="sum")
    assert where_sentences(report(summed, features=())) == [
        "The largest parts of the summed effect are at resid_0 (75 %) and mlp_1 (25 %)."
    ]


def test_the_grid_adds_what_stands_in_one_place():
    drawn = circuit_of({"resid_0/1@1": 3.0, "resid_0/2@1": -1.0, "mlp_1/1@4": 1.0}, positions="keep")
    found = grid(report(drawn, features=()).places)
    assert found.positions == (1, 4)
    assert [site for site, _ in found.rows] == ["mlp_1", "resid_0"]
    (nothing, right), (left, none) = (cells for _, cells in found.rows)
    assert (nothing, none) == (None, None)
    assert (left.place.total, left.strength, right.place.total, right.strength) == (4, 1, 1, 0.5)


def test_numbers_are_written_for_people():
    assert [share(value) for value in (0.123, -0.2, -0.001, 1.0)] == ["12 %", "−20 %", "0 %", "100 %"]
    assert [number(value) for value in (-0.004, -0.2, 3.0)] == ["0.00", "−0.20", "3.00"]
    assert [density(value) for value in (0.5, 0.012345, 0.00001, 0.0)] == ["50 %", "1.2 %", "0.001 %", "0 %"]


def test_words_that_differ_are_marked():
    pieces = differing("One day, Luke was sad", "One day, Mona Lisa was sad")
    assert [(piece.text, piece.level) for piece in pieces if piece.level] == [("Luke", 1)]
    assert "".join(piece.text for piece in pieces) == "One day, Luke was sad"
    assert [piece.level for piece in differing("all", None)] == [0]
