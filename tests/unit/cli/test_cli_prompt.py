"""A prompt from the command line: discovered, measured and reported like any behaviour."""

from __future__ import annotations

import json
import re

import pytest

import circuitscope as cs

PROMPT = {"task": None, "prompt": "The old dogs"}


def test_a_prompt_is_enough(program, world, tmp_path):
    result = program(*world.discover(tmp_path / "run", **PROMPT))
    assert result.status == 0, result.err
    assert "the model's own next tokens are" in " ".join(result.err.split())
    circuit = cs.load(tmp_path / "run")
    assert circuit.task == "“The old dogs”"
    assert circuit.keeps_positions
    assert "±" not in result.out.replace("± standard error", ""), "one example has no standard error"
    assert circuit.info["tokens"] == ["<s>", "The", "old", "dogs"]
    assert (
        json.loads((tmp_path / "run" / "task.json").read_text())["train"][0]["clean_prefix"] == "The old dogs"
    )


def test_every_stage_works_from_the_folder_of_a_prompt(program, world, tmp_path):
    run = tmp_path / "run"
    words = world.discover(run, **PROMPT, answer=" are", against=" is")
    assert program(*words, "--against", " has").status == 0
    example = json.loads((run / "task.json").read_text())["train"][0]
    assert (example["clean_answer"], example["against"]) == ([" are"], [" is", " has"])
    for verb in (
        ("evaluate", "--strict"),
        ("sweep",),
        ("prune", "--faithfulness", "0.5"),
        ("group",),
        ("plot",),
    ):
        result = program(verb[0], run, *verb[1:])
        # A random model may give a circuit that no pruning can help; that is said, not a traceback.
        assert result.status == 0 or "error:" in result.err, (verb, result)
    result = program("report", run)
    assert result.status == 0, result.err
    page = (run / "report" / "index.html").read_text()
    assert not re.search(r"± (at most )?[0-9]", page)
    assert "“The old dogs”" in page
    assert "held out from its discovery" not in page
    held_out = cs.load(run).evaluation.strict.transfer
    assert "no text is held out" in held_out.why


def test_a_config_file_takes_several_answers(program, world, tmp_path):
    lines = {"model": world.model, "dictionaries": world.dictionaries, "device": "cpu", "nodes": 5}
    lines |= {"prompt": "The old dogs", "answer": '" are"', "against": '[" is", " has"]'}
    (tmp_path / "run.yaml").write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
    out = tmp_path / "run"
    assert program("discover", "--config", tmp_path / "run.yaml", "--out", out).status == 0
    assert cs.load(out).made_by.task.train[0]["against"] == [" is", " has"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"prompt": "The old dogs"}, "both --task and --prompt"),
        ({"answer": " are"}, "--answer without --prompt"),
        ({"against": " is"}, "--against without --prompt"),
        (PROMPT | {"against": ""}, "--against is empty"),
        (PROMPT | {"answer": " is has"}, "not one token"),
        (PROMPT | {"baseline": "resample"}, "--baseline resample for a prompt"),
        (PROMPT | {"metric": "logit-difference"}, "compares two answers"),
    ],
)
def test_what_is_refused(program, world, tmp_path, changed, says):
    result = program(*world.discover(tmp_path / "run", **changed))
    assert result.status == 1
    assert says in " ".join(result.err.split())
    assert "to fix it:" in result.err
    assert not (tmp_path / "run").exists()
