"""circuitscope demo: four circuits of the bundled model, a table, a report; what is there is not made again."""

from __future__ import annotations

import shutil
from functools import partial

import pytest

import circuitscope as cs
from circuitscope.config import SweepConfig
from circuitscope.pipeline import demo
from circuitscope.tasks import language

QUICK = ("--nodes", 30, "--examples", 16)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "runs"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Little text to look for contexts in, and few sizes of circuits on few examples."""
    whole = language.text
    monkeypatch.setattr(language, "text", lambda documents, seed: whole(min(documents, 100), seed))
    monkeypatch.setattr(demo, "SIZES", 3)
    monkeypatch.setattr(demo, "SweepConfig", partial(SweepConfig, examples=12))


def test_it_shows_four_circuits_and_where_the_report_is(program, place):
    said = program("demo", "--out", place, *QUICK)
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


def test_workers_find_what_this_process_finds(program, place, tmp_path):
    """What two runs lack is made again; a worker takes the settings as they are, so this is kept short."""
    copy = shutil.copytree(place, tmp_path / "runs")
    for structure in ("simple", "across_rc"):
        shutil.rmtree(copy / structure / "evaluation")
    said = program("demo", "--out", copy, *QUICK, "--workers", 2)
    assert said.status == 0, said.err
    for structure in ("simple", "across_rc"):
        here, there = (cs.load(folder / structure).evaluation.scores[0] for folder in (place, copy))
        # Sums are split over threads.
        assert there.faithfulness.value == pytest.approx(here.faithfulness.value, rel=1e-4)
        assert there.completeness.value == pytest.approx(here.completeness.value, rel=1e-4, abs=1e-5)


def test_what_is_there_is_not_made_again(program, place):
    made = (place / "simple" / "manifest.json").stat().st_mtime_ns
    assert program("demo", "--out", place, *QUICK).status == 0
    assert (place / "simple" / "manifest.json").stat().st_mtime_ns == made


def test_other_settings_are_refused(program, place):
    said = program("demo", "--out", place, "--nodes", 31, "--examples", 16)
    assert said.status == 1
    assert "was made with nodes = 30" in said.err
    assert "--overwrite" in said.err
