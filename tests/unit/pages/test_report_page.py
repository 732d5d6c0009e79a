"""The page of a report: it says what it should, breaks on nothing, and needs nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from drawn_circuits import circuit_of, random_circuit
from made_reports import EVALUATION, NASTY, STRICT, SWEEP, circuit, dashboard, report

from circuitscope.errors import BadFile
from circuitscope.pages.page import ExampleText, IndexRow, RunOrigin, html_of, index_html, read_report
from circuitscope.pages.words.visible import token_mark, visible
from circuitscope.results import Score, to_plain
from circuitscope.runs import write_json

VOID = {"meta", "input", "br", "img", "link", "hr"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; unbalanced tags are an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
        self.text += " " * (tag in ("td", "th", "dt", "dd", "div", "p"))

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    def values(self, wanted: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == wanted]


def everything(**given):
    evaluation = replace(EVALUATION, strict=STRICT)
    return report(replace(circuit(), evaluation=evaluation), sweep=SWEEP, **given)


def test_the_page_says_what_was_found():
    words = Page(html_of(everything())).words
    for said in (
        "he_she in toy",
        "Tom was → he",
        "Ann was → she",
        "5 nodes and 4 edges",
        "with everything else set to its mean, it restores nearly all (85 %) of the behaviour on 40 examples",
        "Without it, next to nothing is left",
        "feature 9 of resid_1 at position 2 (“was”), which promotes the clean answer by 2.00",
        "1 of the nodes is an error node",
        "0.85 0.75 to 0.95",
        "looked up in stories.txt",
        "Active on 25 % of 1,000 tokens",
        "Examples left out none",
        "integrated gradients, gauss rule",
    ):
        assert said in words, said


def test_a_run_that_was_not_measured_says_how_to():
    words = Page(html_of(report())).words
    assert "Whether it is faithful has not been measured yet." in words
    assert "circuitscope evaluate he_she" in words
    assert "circuitscope sweep he_she" in words
    assert "undefined" not in words.split("What the words mean")[0]
    measured = Page(html_of(everything())).words
    assert "circuitscope evaluate" not in measured
    assert "circuitscope sweep" not in measured


def test_an_undefined_score_is_shown_as_such():
    score = Score(None, None, None, "undefined: m(M) − m(∅) contains 0")
    scores = (replace(EVALUATION.scores[0], faithfulness=score, completeness=score),)
    words = Page(html_of(report(replace(circuit(), evaluation=replace(EVALUATION, scores=scores))))).words
    assert "too weak for a verdict" in words
    assert "With 1 free layer faithfulness is undefined" in words


def test_the_page_fetches_nothing():
    html = html_of(everything())
    page = Page(html)
    assert not {"img", "link", "iframe", "object"} & set(page.tags)
    assert page.tags["script"] == page.tags["style"] - 1 == 1, "matplotlib's picture has a style of its own"
    assert not re.search(r"""(?:src|href)=["'](?!#)""", html)
    assert "url(" not in html.replace("url(#", "")
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_every_link_leads_somewhere_and_ids_are_unique():
    page = Page(html_of(everything()))
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    links = {value for value in page.values("href") if value.startswith("#")}
    assert len(links) > 8
    assert {link[1:] for link in links} <= set(ids)


def test_nothing_that_is_shown_can_break_the_page():
    """Tokens, names and texts that are markup, control characters or turn the text around."""
    text = "".join(NASTY)
    info = {"tokens": [text] * 3, "task": text, "model": text, "dictionaries": text, "skipped": {text: 2}}
    info |= {"metric": text, "metric_shown_as": text, "silent": ["resid_1/9@2"]}
    examples = [ExampleText(text, text, text[::-1], text)]
    given = {"tokens": NASTY, "examples": examples, "text_read": text, "run": RunOrigin(text)}
    calm, nasty = (
        html_of(
            report(replace(circuit(**more), evaluation=EVALUATION), sweep=replace(SWEEP, task=text), **rest)
        )
        for more, rest in (({"skipped": {"calm": 2}}, {}), (info, given))
    )
    assert Page(nasty).tags["script"] == Page(calm).tags["script"] == 1
    for tag in ("img", "iframe"):
        assert tag not in Page(nasty).tags
    assert not [name for _, name, _ in Page(nasty).attributes if name.startswith("on")]
    assert not [
        letter
        for letter in nasty
        if (ord(letter) < 32 and letter not in "\n") or "\u202a" <= letter <= "\u202e"
    ]
    assert "49" not in Page(nasty).words.split("What the words mean")[0].split("{{ 7 * 7 }}")[0][:60]
    assert "{{ 7 * 7 }}" in Page(nasty).words
    nasty.encode("utf-8")


def test_marks_for_what_cannot_be_seen():
    assert visible("a\nb\x00\u200b\u2028\ud800é漢") == "a⏎b␀���é漢"
    assert [token_mark(token) for token in (" he", "he", " ", "", "\n")] == ["·he", "he", "␣", "∅", "⏎"]


def test_the_same_content_comes_back_from_json(tmp_path):
    made = everything()
    write_json(tmp_path / "report.json", to_plain(made))
    again = read_report(tmp_path)
    assert json.dumps(to_plain(again)) == json.dumps(to_plain(made))
    assert html_of(again) == html_of(made)


def test_other_versions_and_damaged_files_are_refused(tmp_path):
    value = json.loads(json.dumps(to_plain(report())))
    for changed, said in (
        ({**value, "schema_version": 99}, "follows schema version 99"),
        ({key: item for key, item in value.items() if key != "nodes"}, "nodes"),
        ({**value, "extra": 1}, "extra"),
        ([1], "schema version None"),
    ):
        write_json(tmp_path / "report.json", changed)
        with pytest.raises(BadFile, match=said):
            read_report(tmp_path)


def test_a_saved_report_is_rendered_without_torch(tmp_path):
    write_json(tmp_path / "report.json", to_plain(everything()))
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from circuitscope.pages.page import html_of, read_report\n"
        f"assert 'he_she' in html_of(read_report({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("keep", [True, False])
def test_large_circuits_are_cut_and_say_so(keep):
    drawn = random_circuit(320, keep=keep)
    html = html_of(report(drawn, features=(), examples=(), errors_in_picture="never"))
    page = Page(html)
    assert page.values("class").count("tok") == 0
    assert "The 200 strongest of 320" in page.words
    assert "40 of 320 nodes" in page.words
    assert sum(value.startswith("node ") for value in page.values("class")) == 200
    assert len(html) < 1_000_000


def test_links_into_the_picture_stay_inside_the_list():
    drawn = random_circuit(60, keep=True)
    page = Page(html_of(report(drawn, features=())))
    assert {value[1:] for value in page.values("href") if value.startswith("#node")} <= set(page.values("id"))


def test_an_empty_circuit_has_a_page():
    words = Page(html_of(report(circuit_of({"mlp_0/1": 1.0}).strongest(0), features=(), examples=()))).words
    assert "0 nodes and 0 edges" in words


def test_a_feature_that_is_silent_says_so():
    silent = dashboard("resid_1", 9)
    contexts = replace(silent.contexts, contexts=(), density=0.0, max_activation=0.0)
    words = Page(html_of(report(features=[replace(silent, contexts=contexts)]))).words
    assert "Silent on all of the 1,000 tokens that were read." in words


def test_the_index_lists_every_run():
    made = everything()
    rows = [
        IndexRow(f"run <{n}>", f"../run/{n}", made.question, 5, 4, EVALUATION if n else None)
        for n in range(2)
    ]
    page = Page(index_html("all", rows))
    assert page.values("href") == ["../run/0", "../run/1"]
    for said in ("run <0>", "not evaluated yet", "0.85", "2 circuits"):
        assert said in page.words


def test_a_narrow_screen_has_the_names_of_rows_and_cells():
    """There the index has no headings, and a picture is scrolled away from its left edge."""
    made = report()
    page = html_of(made)
    after_boxes = page.rpartition('class="box ')[2]
    names = re.findall(r'data-above="[\d.]+"[^>]*>([^<]+)</text>', after_boxes)
    assert names == [band.text for band in made.drawing.rows]
    for evaluation in (EVALUATION, None):
        index = index_html("runs", [IndexRow("a", "../a", made.question, 5, 4, evaluation)])
        cells = re.findall(r"<td[^>]*>", index)
        assert len(cells) == (6 if evaluation else 5)
        assert all("data-name=" in cell for cell in cells), cells
