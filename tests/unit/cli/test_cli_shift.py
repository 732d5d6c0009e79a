"""circuitscope shift: the whole walk in the terminal, and what is refused on the way."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from shift_world import fill_sheet, write_data

from circuitscope.editing.judging import read_sheet
from circuitscope.editing.saved import read_removal
from circuitscope.interventions.feature_edits import names_of
from circuitscope.results import load
from circuitscope.runs import DONE, MANIFEST, OUT_OF_DATE, TO_DO, read_json, status


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("labelled") / "data")


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(tmp_path_factory.mktemp("home")))


def train(world, data, run, *more):
    named = ("--model", world.model, "--dictionaries", world.dictionaries, "--data", data)
    return ("shift", "train", run, *named, "--site", "resid_1", "--device", "cpu", *more)


def states(run):
    return [item.state for item in status(run).stages]


EFFECTS = ("--nodes", "16", "--examples", "12", "--device", "cpu")


@pytest.fixture
def effects(program, world, data, tmp_path):
    """A run with its circuit, and the sheet that is to be filled in."""
    run = tmp_path / "run"
    for words in (train(world, data, run), ("shift", "effects", run, *EFFECTS)):
        assert program(*words).status == 0
    return run


def test_the_whole_walk(program, effects, tmp_path):
    run, sheet = effects, tmp_path / "sheet.csv"
    assert states(run) == [DONE, DONE, TO_DO, TO_DO, TO_DO, TO_DO, TO_DO]
    assert program("plot", run / "circuit").status == 0
    assert f"next: circuitscope evaluate {run / 'circuit'}" in program("status", run / "circuit").out
    assert program("evaluate", run / "circuit", "--device", "cpu").status == 0
    assert states(run)[1] == DONE, "its own evaluation is no business of the SHIFT's"
    assert "next: circuitscope shift judge" in program("shift", "status", run).out
    judged = program("shift", "judge", run, "--sheet", sheet, "--device", "cpu")
    assert judged.status == 0, judged.err
    assert all(not item.verdict for item in read_sheet(sheet, load(run / "circuit"), finished=False))
    unfinished = program("shift", "apply", run, sheet)
    assert unfinished.status == 1
    assert "row 2" in unfinished.err
    assert not (run / "removed").exists()

    fill_sheet(run, sheet)
    applied = program("shift", "apply", run, sheet)
    assert applied.status == 0, applied.err
    removal = read_removal(run / "removed")
    struck = {item.name for item in read_sheet(sheet, load(run / "circuit")) if item.verdict == "remove"}
    assert set(names_of(removal.features)) == struck
    assert f"{len(struck)} features removed" in applied.out
    assert program("shift", "retrain", run, "--device", "cpu").status == 0
    scored = program("shift", "evaluate", run, "--device", "cpu")
    assert scored.status == 0, scored.err
    for heading in (
        "original",
        "SHIFT + retrain",
        "unintended",
        "having",
        f"{len(struck)} features removed",
    ):
        assert heading in " ".join(scored.out.split())
    rows = read_json(run / "scores" / "scores.json")["rows"]
    assert [(row["classifier"], row["texts"]) for row in rows] == [
        (name, texts)
        for texts in ("balanced", "ambiguous")
        for name in ("original", "SHIFT", "SHIFT + retrain")
    ]
    first = rows[0]
    assert f"{100 * first['intended']:.1f}" in scored.out
    assert "nothing is left to do" in program("shift", "status", run).out
    assert program("status", run).out == program("shift", "status", run).out


def test_what_exists_is_replaced_only_when_that_is_said(program, world, data, effects):
    run = effects
    for words in (train(world, data, run), ("shift", "effects", run, *EFFECTS)):
        refused = program(*words)
        assert refused.status == 1
        assert "already exists" in refused.err
        assert "--overwrite" in refused.err
    before = (run / "circuit" / "circuit.safetensors").read_bytes()
    assert program("shift", "effects", run, "--nodes", "8", "--examples", "12", "--overwrite").status == 0
    assert len(load(run / "circuit")) == 8
    assert (run / "circuit" / "circuit.safetensors").read_bytes() != before


def test_a_step_from_results_that_were_replaced_is_refused(program, world, data, effects, tmp_path):
    run, sheet = effects, tmp_path / "sheet.jsonl"
    fill_sheet(run, sheet)
    assert program("shift", "apply", run, sheet).status == 0
    assert program(*train(world, data, run, "--seed", "7", "--overwrite")).status == 0
    assert states(run) == [DONE, OUT_OF_DATE, TO_DO, OUT_OF_DATE, TO_DO, TO_DO, TO_DO]
    refused = program("shift", "retrain", run)
    assert refused.status == 1
    assert "circuit is out of date: classifier was made again" in refused.err
    said = program("shift", "status", run).out
    assert "out of date: classifier was made again" in said
    assert f"next: circuitscope shift effects {run} --overwrite" in said


def test_a_run_about_other_texts_is_refused(program, world, data, effects, tmp_path):
    run, other = effects, tmp_path / "other"
    shutil.copytree(data, other)
    lines = (other / "train.jsonl").read_text().splitlines()
    (other / "train.jsonl").write_text("\n".join(lines[:-3]) + "\n")
    refused = program(*train(world, other, run))
    assert refused.status == 1
    replaced = program(*train(world, other, run, "--overwrite"))
    assert replaced.status == 0, replaced.err
    assert status(run)["circuit"].state == OUT_OF_DATE


def test_texts_that_changed_since_are_noticed(program, world, tmp_path):
    run, mine = tmp_path / "run", write_data(tmp_path / "mine")
    assert program(*train(world, mine, run)).status == 0
    rows = (mine / "train.jsonl").read_text().splitlines()
    (mine / "train.jsonl").write_text(
        "\n".join([json.dumps({**json.loads(rows[0]), "text": "The dog is"}), *rows[1:]])
    )
    refused = program("shift", "effects", run, *EFFECTS)
    assert refused.status == 1
    assert re.search(r"the data in .* changed after .* was begun", refused.err)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (("--site", "mlp_1"), "--site mlp_1"),
        (("--site", "resid_9"), "resid_0 to resid_1"),
        (("--site", "middle"), "middle"),
        (("--pooling", "max"), "--pooling max"),
        (("--fit", "svm"), "--fit svm"),
        (("--learning-rate", "0"), "--learning-rate 0"),
        (("--epochs", "0"), "--epochs 0"),
        (("--batch", "0"), "--batch 0"),
        (("--classes", "being"), "--classes being"),
        (("--classes", "being,having,doing"), "--classes being,having,doing"),
        (("--classes", "being,going"), "going"),
        (("--attributes", "cat"), "--attributes cat"),
        (("--text-field", "words"), "words"),
        (("--limit", "2"), "at most 2 texts"),
        (("--data", "nowhere/at/all"), "nowhere/at/all"),
    ],
)
def test_what_train_refuses(program, world, data, tmp_path, more, complaint):
    run = tmp_path / "run"
    refused = program(*train(world, data, run, *more))
    assert refused.status == 1
    assert complaint in refused.err
    assert "expected:" in refused.err
    assert not (run / "classifier").exists()


@pytest.mark.parametrize(
    ("verb", "missing"),
    [("effects", "classifier"), ("judge", "circuit"), ("retrain", "classifier"), ("evaluate", "classifier")],
)
def test_a_step_says_which_step_it_needs(program, world, data, tmp_path, verb, missing):
    run = tmp_path / "run"
    assert program(*train(world, data, run)).status == 0
    shutil.rmtree(run / "classifier")
    refused = program("shift", verb, run)
    assert refused.status == 1
    assert f"has no {missing} yet" in refused.err
    assert "to fix it: circuitscope shift" in refused.err


def test_a_folder_that_is_no_run(program, world, data, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    refused = program(*train(world, data, tmp_path / "mine"))
    assert refused.status == 1
    assert "is a folder that circuitscope did not write" in refused.err
    for verb in ("effects", "retrain", "evaluate", "status"):
        assert program("shift", verb, tmp_path / "nothing").status == 1
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    assert not (tmp_path / "mine" / MANIFEST).exists()
