"""check, and what discover and the report say about a behaviour that the model does not have."""

from __future__ import annotations

import json

import pytest
from tiny_world import NOUNS, VERBS, pair, write_lines

import circuitscope as cs


@pytest.fixture
def against(world, tmp_path):
    """The world's task with the answers as the model does not give them, in both splits."""
    model = cs.load_model(world.model, device="cpu")
    rows = [pair(noun, verb, number) for noun in NOUNS for verb in VERBS for number in (0, 1)]
    kept = []
    for row in rows:
        found = cs.check(model, [row, row], split="train", rows=1)
        if found.clean.metric > 0:
            row = row | {"clean_answer": row["patch_answer"], "patch_answer": row["clean_answer"]}
        kept.append(row)
    folder = tmp_path / "against"
    folder.mkdir()
    for split in ("train", "test"):
        write_lines(folder / f"{split}.jsonl", kept)
    return folder


def words(text: str) -> str:
    return " ".join(text.split())


def test_check_shows_how_a_task_is_read(program, world, tmp_path):
    rows = [pair(noun, VERBS[0], 0) for noun in NOUNS] * 3 + [pair("zebra", VERBS[0], 0)] * 12
    (tmp_path / "mine").mkdir()
    for split in ("train", "test"):
        write_lines(tmp_path / "mine" / f"{split}.jsonl", rows)
    before = sorted(tmp_path.rglob("*"))
    result = program("check", "--model", world.model, "--task", tmp_path / "mine", "--bos", "no", "--rows", 2)
    assert result.status == 0, result.err
    said = words(result.out)
    assert "18 of 30 train examples can be used (pairs); texts begin without a BOS" in said
    assert "skipped: 12 (the prefix has words that the tokenizer does not know)" in said
    assert f"{tmp_path / 'mine' / 'train.jsonl'}, line 19: the prefix has words" in said
    assert "and 2 more" in said
    assert "lengths in tokens: 18 of 2" in said
    assert "pairs differ at position: 18 at 1" in said
    assert "train.jsonl, line 2" in said
    assert "train.jsonl, line 3" not in said
    assert "The| cat" in said
    assert "its own answer is preferred" in said
    assert sorted(tmp_path.rglob("*")) == before


def test_check_takes_a_prompt(program, world):
    result = program("check", "--model", world.model, "--prompt", "The old dogs", "--answer", " is")
    assert result.status == 0, result.err
    assert "its answer is the most probable" in words(result.out)
    assert "Only one example was used" in words(result.err)


def test_a_behaviour_that_is_not_there_is_said_before_and_in_the_report(program, world, against, tmp_path):
    run = tmp_path / "run"
    result = program("check", "--model", world.model, "--task", against)
    assert "The model does not have this behaviour" in words(result.err)
    result = program(*world.discover(run, task=against))
    assert result.status == 0
    assert "The model does not have this behaviour" in words(result.err)
    findings = cs.load(run).findings
    assert (findings.right, findings.clean_metric < 0) == (0.0, True)
    assert program("report", run).status == 0
    assert "The model does not have this behaviour" in words((run / "report" / "index.html").read_text())
    assert "prefers the clean answer on 0 of 24 clean texts" in words(
        (run / "report" / "index.html").read_text()
    )
    assert cs.Circuit.from_json(cs.load(run).to_json()).findings.right == 0.0


def test_intervals_from_few_examples_are_not_called_95(program, world, tmp_path):
    run = tmp_path / "run"
    result = program(*world.discover(run, examples=4))
    assert "Only 4 examples were used" in words(result.err)
    result = program("evaluate", run, "--split", "train", "--examples", 9)
    assert "intervals from 9 examples are too narrow to be called 95%" in words(result.out)
    saved = json.loads((run / "evaluation" / "evaluation.json").read_text())
    assert saved["coverage"] is None
    assert program("report", run).status == 0
    page = words((run / "report" / "index.html").read_text())
    assert "Intervals from 9 examples are too narrow to be called 95 %" in page
    assert "Intervals cover" not in page
    assert "Only 4 examples were used" in page
    result = program("evaluate", run, "--split", "train", "--examples", 10, "--overwrite")
    assert "intervals cover 95%" in words(result.out)


def test_pairs_of_one_text_are_the_error_and_not_a_gap(program, world, tmp_path):
    rows = [
        row | {"patch_prefix": row["clean_prefix"]} for row in (pair(noun, VERBS[0], 0) for noun in NOUNS)
    ]
    task = write_lines(tmp_path / "same.jsonl", rows * 2)
    result = program(*world.discover(tmp_path / "run", task=task))
    assert result.status == 1
    said = words(result.err)
    assert "no usable example: clean and patch are the same text (9)" in said
    assert "let the patch text differ from the clean one" in said
    assert "quadrature gap" not in said
    mixed = write_lines(tmp_path / "mixed.jsonl", [*rows, *(pair(noun, VERBS[0], 0) for noun in NOUNS)] * 2)
    assert program(*world.discover(tmp_path / "run", task=mixed)).status == 0
    findings = cs.load(tmp_path / "run").findings
    assert set(findings.skipped) == {"clean and patch are the same text"}
    assert findings.examples + findings.skipped["clean and patch are the same text"] == 18


def test_a_dry_run_says_nothing_about_the_few_examples_of_its_trial(program, world, tmp_path):
    result = program(*world.discover(tmp_path / "run", dry_run=True))
    assert result.status == 0
    assert "examples were used" not in result.err
