"""circuitscope demo: four circuits of the bundled model, a table, a report; what is there is not made again."""

from __future__ import annotations

import numpy as np
import pytest

import circuitscope as cs
from circuitscope.pipeline import demo
from circuitscope.tasks import language

QUICK = ("--nodes", 30, "--examples", 16)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "runs"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Little text to look for contexts in, and few sizes of circuits."""
    whole = language.text
    monkeypatch.setattr(language, "text", lambda documents, seed: whole(min(documents, 100), seed))
    monkeypatch.setattr(demo, "SIZES", 3)


def test_it_shows_four_circuits_and_where_the_report_is(program, place):
    said = program("demo", "--out", place, *QUICK, "--workers", 2)
    assert said.status == 0, said.err
    for words in ("simple", "across_pp", "within_rc", "across_rc", "faithfulness", "neurons of the sites"):
        assert words in said.out
    page = place / "report" / "index.html"
    assert f"report: {page}" in said.out
    assert "across_rc" in page.read_text(encoding="utf-8")
    for structure in ("simple", "across_rc"):
        circuit = cs.load(place / structure)
        assert len(circuit) == 30
        assert circuit.evaluation.scores[0].completeness.value < 0.5
        assert (place / structure / "sweep" / "sweep.png").is_file()


def test_workers_find_what_this_process_finds(place):
    model = cs.load_model("bundled", device="cpu")
    dictionaries = cs.load_dictionaries("bundled", model)
    here = cs.discover(model, dictionaries, "agreement/simple", nodes=30, examples=16)
    there = cs.load(place / "simple")
    assert there.ids == here.ids
    np.testing.assert_allclose(there.nodes.effect, here.nodes.effect, rtol=1e-4)  # sums split over threads


def test_what_is_there_is_not_made_again(program, place):
    made = (place / "simple" / "manifest.json").stat().st_mtime_ns
    assert program("demo", "--out", place, *QUICK).status == 0
    assert (place / "simple" / "manifest.json").stat().st_mtime_ns == made


def test_other_settings_are_refused(program, place):
    said = program("demo", "--out", place, "--nodes", 31, "--examples", 16)
    assert said.status == 1
    assert "was made with nodes = 30" in said.err
    assert "--overwrite" in said.err
