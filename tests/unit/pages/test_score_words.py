"""Scores below 0, over 1 and turned around are called that: in the table, on the page, in the strict tests."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from made_reports import EVALUATION, STRICT, circuit, report
from rich.console import Console

from circuitscope.cli.tables import evaluation_parts
from circuitscope.pages.page import html_of, index_html
from circuitscope.pages.report_content import IndexRow
from circuitscope.pages.words import completeness_name, oddities, score_name, strict_lines
from circuitscope.pages.words.sentences import truth_sentences
from circuitscope.results import CircuitScores, MetricMeans, Score

PREFERENCE = "logit-difference"


def scores(model: float, empty: float, alone: float, without: float) -> CircuitScores:
    """The scores that these means give, with intervals of ±0.05."""

    def ratio(value: float) -> Score:
        found = (value - empty) / (model - empty)
        return Score(found, found - 0.05, found + 0.05)

    return CircuitScores(0, 4, ratio(alone), ratio(without), MetricMeans(model, empty, alone, without))


ORDINARY = scores(2.0, 0.0, 1.7, 0.1)
TURNED = scores(2.0, 0.0, -0.5, 1.2)
"""By itself the circuit prefers the other answer."""


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (TURNED, ["Faithfulness is negative (−0.25)", "mean is −0.50, the whole model's +2.00",
                  "Completeness (0.60) is above faithfulness (−0.25)"]),
        (scores(2.0, 0.0, 2.6, 0.0), ["(1.30): by itself the circuit does more"]),
        (scores(2.0, 0.0, 1.8, -0.6), ["Completeness is below 0 (−0.30)", "the mean is −0.60"]),
        (scores(2.0, 0.0, 1.8, 2.4), ["Completeness is over 1 (1.20)", "Completeness (1.20) is above"]),
        (scores(2.0, -1.0, -0.4, -1.0), ["does not get back the model's preference: its mean is −0.40"]),
        (scores(-1.0, 2.0, -0.8, 1.9), ["The whole model has less of the behaviour (−1.00)"]),
    ],
)  # fmt: skip
def test_what_a_score_is_called(found, said):
    sentences = oddities(found, PREFERENCE)
    assert len(sentences) == len(said), sentences
    for sentence, part in zip(sentences, said, strict=True):
        assert part in sentence


def test_the_preference_turned_around_is_said_only_of_preferences():
    turned = "The circuit turns the preference around"
    assert any(turned in text for text in oddities(TURNED, PREFERENCE))
    assert not any(turned in text for text in oddities(TURNED, "log-probability"))


def test_ordinary_scores_and_chance_are_not_remarked_on():
    assert oddities(ORDINARY, PREFERENCE) == []
    near = replace(ORDINARY, faithfulness=Score(1.04, 0.98, 1.1), completeness=Score(-0.04, -0.1, 0.02))
    assert oddities(near, PREFERENCE) == []
    certain = replace(near, faithfulness=Score(1.04, 1.02, 1.06), completeness=Score(-0.04, -0.06, -0.02))
    assert [text[:20] for text in oddities(certain, PREFERENCE)] == [
        "Faithfulness is over",
        "Completeness is belo",
    ]
    undefined = replace(ORDINARY, faithfulness=Score(None, None, None, "undefined: …"))
    assert oddities(undefined, PREFERENCE) == []


def test_marks_beside_scores():
    assert (score_name(TURNED.faithfulness), score_name(ORDINARY.faithfulness)) == ("negative", "")
    assert completeness_name(TURNED) == "above faithfulness"
    assert completeness_name(scores(2.0, 0.0, 1.8, 2.4)) == "over 1, above faithfulness"


def test_the_answer_does_not_call_a_negative_score_next_to_nothing():
    text = " ".join(truth_sentences(replace(EVALUATION, scores=(TURNED,)), "train"))
    assert "it restores none of the behaviour on 40 examples" in text
    assert "next to nothing" not in text
    assert "can do the same" not in text
    assert "The circuit turns the preference around" in text
    over = " ".join(truth_sentences(replace(EVALUATION, scores=(scores(2.0, 0.0, 2.6, -0.6),)), "train"))
    assert "restores all of the behaviour and more (130 %)" in over
    assert "Without it, none of the behaviour is left." in over


def test_table_page_index_and_strict_say_the_same():
    bad = replace(EVALUATION, scores=(TURNED, ORDINARY))
    console = Console(width=200, record=True, file=StringIO())
    for part in evaluation_parts(bad):
        console.print(part)
    table = console.export_text()
    made = report(replace(circuit(), evaluation=bad))
    page = " ".join(html_of(made).split())
    row = IndexRow("run", "../run", made.question, 5, 4, bad)
    for words in ("negative", "above faithfulness"):
        assert words in table
        assert f'<small class="odd">{words}</small>' in page
        assert f'<small class="odd">{words}</small>' in index_html("runs", [row])
    for text in (" ".join(table.split()), page):
        assert (
            text.replace("&#39;", "'").count("The circuit turns the preference around: its mean is −0.50")
            >= 1
        )


def test_the_strict_tests_name_a_negative_faithfulness():
    figures = STRICT.random.figures
    assert figures is not None
    line = strict_lines(
        replace(STRICT, random=replace(STRICT.random, figures=replace(figures, faithfulness=-0.3)))
    )[0]
    assert line.figures == "p = 0.0099, faithfulness negative"
    assert "faithfulness is −0.30 (negative: the circuit works against what the model does)" in line.sentences
    told = STRICT.transfer.figures
    assert told is not None
    away = replace(told.held_out, score=Score(-0.4, -0.6, -0.2))
    line = strict_lines(
        replace(STRICT, transfer=replace(STRICT.transfer, figures=replace(told, held_out=away)))
    )[2]
    assert "−0.40 (−0.60 to −0.20) (negative: the circuit works against" in line.sentences
