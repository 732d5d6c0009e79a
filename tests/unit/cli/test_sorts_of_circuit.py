"""Wherever a circuit comes from, everything that can be done with one can be done with it.

Circuits of the shell, of Python (a built-in task, JSON lines, examples made in Python) and of SHIFT; saved, loaded,
evaluated, tested strictly, swept, drawn, reported, grouped, pruned, exported, asked for their status: from the shell
and from Python. What cannot be opened by name (a model or dictionaries made in Python) is refused, with what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from shift_world import settings, steps, write_data
from tiny_world import WIDTH, World, make_run, random_dictionary

import circuitscope as cs
from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput

FEW = {"examples": 4, "device": "cpu"}


def from_shell(world: World, folder: Path) -> Path:
    return make_run(world, folder / "run", nodes=8, examples=8)


def from_json_lines(world: World, folder: Path) -> Path:
    return _saved(cs.discover(*_loaded(world), world.task, nodes=8, examples=8), folder)


def from_template(world: World, folder: Path) -> Path:
    model = cs.load_model("bundled", device="cpu")
    circuit = cs.discover(
        model, cs.load_dictionaries("bundled", model), "agreement/simple", nodes=8, examples=6
    )
    return _saved(circuit, folder)


def from_objects(world: World, folder: Path) -> Path:
    lines = [json.loads(line) for line in world.task.read_text().splitlines()]
    examples = [cs.Example(*(line[key] for key in ("clean_prefix", "clean_answer")),
                           *(line[key] for key in ("patch_prefix", "patch_answer"))) for line in lines]  # fmt: skip
    task = cs.Task("made in Python", tuple(examples[:16]), tuple(examples[16:]))
    return _saved(cs.discover(*_loaded(world), task, nodes=8, examples=8), folder)


def from_shift(world: World, folder: Path) -> Path:
    made = steps(folder / "shift", settings(world, write_data(folder / "data")), folder / "sheet.csv")
    made["classifier"]()
    made["circuit"]()
    return folder / "shift" / "circuit"


def _loaded(world: World) -> tuple[cs.LanguageModel, cs.Dictionaries]:
    model = cs.load_model(str(world.model), device="cpu")
    return model, cs.load_dictionaries(str(world.dictionaries), model)


def _saved(circuit: cs.Circuit, folder: Path) -> Path:
    return cs.save(circuit, folder / "run")


SORTS: dict[str, Callable[[World, Path], Path]] = {
    "shell": from_shell,
    "template": from_template,
    "JSON lines": from_json_lines,
    "Python objects": from_objects,
    "SHIFT": from_shift,
}


@pytest.fixture(scope="module", params=SORTS)
def run(request, world, tmp_path_factory) -> Path:
    return SORTS[request.param](world, tmp_path_factory.mktemp("sorts"))


def test_it_survives_saving_and_loading(run, tmp_path):
    circuit = cs.load(run)
    again = cs.load(cs.save(circuit, tmp_path / "again"))
    assert again.to_json() == circuit.to_json()
    assert again.recipe == circuit.recipe


def test_the_shell_does_everything_with_it(program, run, tmp_path):
    few = ("--examples", 4, "--device", "cpu")
    verbs = [
        ("evaluate", run, *few),
        ("evaluate", run, "--strict", "--random-circuits", 20, "--halvings", 2, "--overwrite", *few),
        ("sweep", run, "--sizes", 3, "--no-neurons", "--random", 1, *few),
        ("plot", run),
        ("group", run, "--device", "cpu"),
        ("report", run, "--nodes", 2, "--contexts", 2, "--device", "cpu"),
        ("prune", run, "--faithfulness", 0.05, "--select-examples", 6, "--by", "greedy", *few),
        ("evaluate", run / "prune" / "circuit", *few),
        ("export", run, "--format", "csv", "--out", tmp_path / "tables"),
        ("status", run),
        ("show", run),
        ("paths", run),
    ]
    refused = {}
    for words in verbs:
        result = program(*words)
        if result.status != 0:
            refused[" ".join(map(str, words[:1]))] = result.err
    assert set(refused) <= _may_refuse(refused), refused
    evaluated = cs.load(run)
    assert evaluated.evaluation is not None
    kept = cs.load(cs.save(evaluated, tmp_path / "copy"))
    assert kept.evaluation == evaluated.evaluation, "saving loses no scores"
    assert cs.status(tmp_path / "copy").stages[0].state == "done"


def _may_refuse(refused: dict[str, str]) -> set[str]:
    """A random model may have no behaviour whose loss can be measured on four examples; that is a reason."""
    reasons = ("undefined", "keeps a faithfulness of")
    return {
        verb
        for verb, said in refused.items()
        if (verb == "prune" and any(reason in said for reason in reasons))
        or (verb == "evaluate" and "prune/circuit" in said)
    }


def test_python_does_everything_with_it(run, tmp_path):
    circuit = cs.load(run)
    scores = cs.evaluate(circuit, **FEW)
    assert scores.examples == 4
    assert cs.sweep(circuit, sizes=3, neurons=False, random=0, **FEW).curves
    assert cs.group(circuit, device="cpu").groups
    cs.plot(circuit, tmp_path / "circuit.png")
    assert cs.paths(circuit, count=3).task == circuit.task
    page = cs.report(circuit, out=tmp_path / "report", nodes=2, contexts=2, device="cpu")
    assert Path(page).is_file()
    cs.export(circuit, "graphml", tmp_path / "circuit.graphml")
    why = ""
    try:
        assert cs.prune(
            circuit, faithfulness=0.05, select_examples=6, by="greedy", **FEW
        ).circuit.findings.pruned
    except cs.CircuitscopeError as error:
        why = str(error)
    assert not why or "faithfulness" in why, "a random model may have nothing to keep"


def test_what_was_made_in_python_and_cannot_be_named_is_asked_for(world):
    model, dictionaries = _loaded(world)
    own = Dictionaries({site: random_dictionary(WIDTH, 3) for site in dictionaries}, name="mine")
    circuit = cs.discover(model, own, world.task, nodes=8, examples=8)
    with pytest.raises(BadInput, match="made in Python") as error:
        cs.evaluate(circuit, **FEW)
    assert "dictionaries" in error.value.mend
    assert cs.evaluate(circuit, model, own, **FEW).examples == 4
    bare = cs.load_model(model.hf, tokenizer=model.tokenizer, device="cpu")
    with pytest.raises(BadInput, match=r"the model .* was made in Python"):
        cs.evaluate(cs.discover(bare, dictionaries, world.task, nodes=8, examples=8), **FEW)


def test_a_task_that_changed_since_is_noticed(world, tmp_path):
    lines = world.task.read_text().splitlines(keepends=True)
    own = tmp_path / "own.jsonl"
    own.write_text("".join(lines))
    circuit = cs.discover(*_loaded(world), own, nodes=8, examples=8)
    own.write_text("".join(lines[::-1]))
    with pytest.raises(BadInput, match="changed since"):
        cs.evaluate(circuit, **FEW)
