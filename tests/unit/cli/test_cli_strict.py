"""evaluate --strict and the areas of a sweep, through the program on the tiny world."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from schema_check import faults_in
from tiny_world import make_run, pair, write_lines

import circuitscope as cs
from circuitscope.evaluation.cpr_cmd import FRACTIONS
from circuitscope.results import CannotBeSaid, StrictOutcome, to_plain

FRONTS = ("The", "The old", "The old old")
FEW = ("--strict", "--random-circuits", 19, "--halvings", 3)


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture(scope="module")
def divided(world, tmp_path_factory) -> Path:
    """A run whose held-out pairs have nouns of their own; all ask for "are", so the random model is of one mind."""
    task = tmp_path_factory.mktemp("divided") / "task"
    task.mkdir()
    for split, nouns in (("train", ("cat", "dog", "boy", "girl")), ("test", ("cook", "king"))):
        rows = [pair(noun, ("is", "are"), 1, front) for noun in nouns for front in FRONTS]
        write_lines(task / f"{split}.jsonl", rows)
    return make_run(replace(world, task=task), task.parent / "run", nodes=60)


def test_strict_tests_are_written_and_shown(program, divided):
    result = program("evaluate", divided, *FEW)
    assert result.status == 0
    circuit = cs.load(divided)
    strict = circuit.evaluation.strict
    assert strict.random.figures.circuits == 19
    assert strict.stability.figures.halvings == 3
    assert strict.stability.figures.again == 1, "the run's examples keep the run's nodes"
    assert strict.transfer.figures.known == 0, "the nouns held out are new words"
    transfer, spare = strict.transfer.figures, strict.spare.figures
    assert (transfer.discovery.examples, transfer.held_out.examples) == (12, 6)
    assert len(spare.without) == spare.nodes == len(circuit)
    manifest = json.loads((divided / "evaluation" / "manifest.json").read_text())
    assert manifest["config"]["random_circuits"] == 19

    asked = (
        "better than random nodes",
        "the same from other examples",
        "the same on words held out",
        "minimal",
    )
    shown = program("show", divided).out
    assert all(words in result.out for words in asked)
    assert all(words in shown for words in asked)
    assert json.loads(program("show", divided, "--json").out)["evaluation"]["strict"] == to_plain(strict)
    assert json.loads((divided / "evaluation" / "evaluation.json").read_text())["strict"] == to_plain(strict)
    assert faults_in(divided / "evaluation" / "evaluation.json", "evaluation") == []


def test_a_behaviour_that_is_not_there_cannot_be_judged(program, run):
    """Of all pairs together the random model makes nothing: scores are undefined, and verdicts with them."""
    result = program("evaluate", run, *FEW)
    found = cs.load(run).evaluation
    assert found.scores[0].faithfulness.value is None
    for test in (found.strict.random, found.strict.transfer, found.strict.spare):
        assert isinstance(test, CannotBeSaid)
        assert test.verdict == "cannot be said"
        assert "contains 0" in test.why
    assert isinstance(found.strict.stability, StrictOutcome), "which needs no scores"
    words = " ".join(result.out.split())
    assert words.count("Undefined: m(M) − m(∅) lies between") == 3
    # The world's single file is divided by examples, so every noun is on both sides.
    assert found.strict.transfer.figures.known == found.strict.transfer.figures.held_out.examples == 6
    assert "new combinations of words, not new words" in words


def test_without_strict_nothing_of_it_is_there(program, run):
    result = program("evaluate", run, "--examples", 6)
    assert cs.load(run).evaluation.strict is None
    assert "strict" not in json.loads((run / "evaluation" / "evaluation.json").read_text())
    assert "random nodes" not in result.out + program("show", run).out


def test_a_stop_half_way_leaves_the_earlier_evaluation(program, run, monkeypatch):
    assert program("evaluate", run).status == 0
    before = (run / "evaluation" / "evaluation.json").read_bytes()

    def stop(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["circuitscope.evaluation.evaluate"], "strict_tests", stop)
    assert program("evaluate", run, "--strict", "--overwrite").status != 0
    assert (run / "evaluation" / "evaluation.json").read_bytes() == before
    assert sorted(path.name for path in run.iterdir()) == [
        "circuit.safetensors",
        "evaluation",
        "manifest.json",
    ]


@pytest.mark.parametrize("option", ["--random-circuits", "--halvings", "--spare-examples"])
def test_numbers_below_1_are_refused(program, run, option):
    result = program("evaluate", run, "--strict", option, 0)
    assert result.status == 1
    assert f"{option} 0" in result.err


def test_a_sweep_has_areas(program, run):
    result = program("sweep", run, "--sizes", 2, "--random", 1, "--examples", 6, "--no-neurons")
    assert result.status == 0
    sweep = json.loads((run / "sweep" / "sweep.json").read_text())
    assert sweep["fractions"] == list(FRACTIONS)
    for curve in sweep["curves"]:
        found = curve["areas"]
        assert found["nodes"][-1] == curve["candidates"] == curve["nodes"][-1]
        assert found["faithfulness"][-1] == curve["faithfulness"][-1], "the whole is in both"
        if found["cpr"] is None:
            assert None in found["faithfulness"]
            continue
        assert found["cpr"] == pytest.approx(np.trapezoid(found["faithfulness"], FRACTIONS))
        line = next(line for line in result.out.splitlines() if re.search(rf"[│ ]{curve['name']} ", line))
        assert f"{found['cpr']:.3f}" in line
        assert f"{found['cmd']:.3f}" in line


def test_strict_tests_are_added_to_the_scores_that_are_there(program, run):
    few = ("--examples", 6, "--spare-examples", 4)
    assert program("evaluate", run, "--examples", 6).status == 0
    before = cs.load(run).evaluation
    assert before.strict is None
    result = program("evaluate", run, *FEW, *few)
    assert result.status == 0, result.err
    after = cs.load(run).evaluation
    assert after.strict is not None
    assert after.scores == before.scores
    again = program("evaluate", run, *FEW, *few)
    assert again.status == 1, "now there is something to lose"
    assert "already exists" in again.err


def test_other_scores_are_not_replaced_by_strict_tests(program, run):
    assert program("evaluate", run, "--examples", 6).status == 0
    refused = program("evaluate", run, *FEW, "--examples", 5)
    assert refused.status == 1
    assert "already exists" in refused.err
    assert cs.load(run).evaluation.examples == 6
