"""The strict tests in words: every verdict with its figures and its reason."""

from __future__ import annotations

from dataclasses import replace

from made_reports import EVALUATION, STRICT, circuit, report
from test_report_page import Page

from circuitscope.pages.page import html_of
from circuitscope.pages.words.strict_words import strict_lines
from circuitscope.results import CannotBeSaid, Score

NAMES = ("random", "stability", "transfer", "spare")


def said(name, *, why="", **changed):
    """The line of a test with other figures; of one that cannot be said with ``why``."""
    test = getattr(STRICT, name)
    figures = replace(test.figures, **changed)
    made = CannotBeSaid(why, figures) if why else replace(test, figures=figures)
    return strict_lines(replace(STRICT, **{name: made}))[NAMES.index(name)]


def test_random_circuits():
    line = said("random")
    assert line.verdict == "holds"
    assert "None of 100 random circuits is at least as faithful (p = 0.0099, the smallest" in line.sentences
    assert "0.85, theirs 0.06 on average (−0.05 to 0.30)" in line.sentences
    assert "at every site and position as the circuit's 4 nodes, drawn from the 90" in line.sentences
    assert "20 % of its nodes are the circuit's own" in line.sentences
    worse = said("random", as_faithful=29, p=0.3, by_position=False)
    assert "29 of 100 random circuits are at least as faithful (p = 0.3)." in worse.sentences
    assert "at every site as" in worse.sentences


def test_stability():
    line = said("stability")
    assert "divided in two at random, 20 times" in line.sentences
    assert "keeps the 4 strongest nodes; two halves have 80 % of them in common" in line.sentences
    assert "not simply what its examples keep now" not in line.sentences
    other = said("stability", threshold=0.25, nodes_of_a_half=5.5, again=0.4).sentences
    assert "keeps the nodes above 0.25, 6 on average" in other
    assert "Jaccard index of 0.40 with the circuit" in other


def test_transfer():
    line = said("transfer")
    assert "0.90 (0.80 to 1.00) on 40 examples of the train split" in line.sentences
    assert "a difference of −0.05 (−0.09 to 0.00)" in line.sentences
    assert "No held-out pair is about a word" in line.sentences
    shared = said("transfer", why="the splits share the words that matter", known=40)
    assert shared.verdict == "cannot be said"
    assert shared.sentences.startswith("The splits share the words that matter. Faithfulness is")
    assert "40 of the 40 held-out pairs are about words" in shared.sentences
    single = said("transfer", pairs=False, known=3)
    assert "3 of the 40 held-out texts have no word that is new" in single.sentences
    assert "Every held-out text has a word" in said("transfer", pairs=False).sentences


def test_spare_nodes():
    line = said("spare")
    assert line.figures == "1 of 4 to spare"
    assert "2 of the 4 nodes can be dropped" in line.sentences
    assert (
        "the 1 least needed can be dropped together at that cost (leaving 0.845); dropping all 2 would leave 0.60"
        in line.sentences
    )
    assert "Most needed, with what is left without them: resid_1/9@2 (0.20)" in line.sentences
    assert "Least needed: embed/7@1 (0.850)" in line.sentences
    none = said("spare", droppable=0, together=0).sentences
    assert "0 of the 4 nodes can be dropped" in none
    assert "least needed can be dropped" not in none


def test_what_was_not_measured_says_only_why():
    for name in NAMES:
        nothing = CannotBeSaid("there is no other to draw")
        line = strict_lines(replace(STRICT, **{name: nothing}))[NAMES.index(name)]
        assert line.verdict == "cannot be said"
        assert line.sentences == "There is no other to draw."
        assert line.figures == "–"


def test_an_undefined_score_is_called_that():
    gone = Score(None, None, None, "undefined")
    side = replace(STRICT.transfer.figures.held_out, score=gone)
    line = said("transfer", held_out=side, difference=gone, why="undefined: it is")
    assert "and undefined on 40 examples of the test split." in line.sentences
    assert line.figures == "undefined"


def test_the_page_has_a_section_of_it_and_older_evaluations_have_none():
    with_it = Page(html_of(report(replace(circuit(), evaluation=replace(EVALUATION, strict=STRICT))))).words
    assert "What a sceptic asks" in with_it
    assert "better than random nodes in its places holds p = 0.0099" in with_it
    without = Page(html_of(report(replace(circuit(), evaluation=EVALUATION)))).words
    assert "What a sceptic asks" not in without
    assert "circuitscope evaluate he_she --strict --overwrite" in without
