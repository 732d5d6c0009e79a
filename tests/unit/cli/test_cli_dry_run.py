"""--dry-run of every verb that does model work: it counts, it estimates, and it writes nothing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from shift_world import settings, steps, write_data
from tiny_world import make_run

from circuitscope.cli.dry_run import duration
from circuitscope.evaluation import AblatedRuns
from circuitscope.runs import STAGES

TEXT = "The cat is near the dog <|endoftext|> The old boys have the girl near the king <|endoftext|>" * 60
TRAIN = "train-dictionaries --model {model} --text {text} --out {new} --context 16"
FIT = "--model {model} --dictionaries {dictionaries}"


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory) -> Path:
    """A SHIFT with every step done, and its data and sheet beside it."""
    folder = tmp_path_factory.mktemp("finished")
    data = write_data(folder / "data")
    for make in steps(folder / "shift", settings(world, data), folder / "sheet.csv").values():
        make()
    return folder


@pytest.fixture(scope="module")
def measurable(world, tmp_path_factory) -> Path:
    """With a metric whose scale is far from 0, although the model is random."""
    return make_run(world, tmp_path_factory.mktemp("measurable") / "run", metric="log-probability", nodes=40)


@pytest.fixture
def dry(program, world, made, measurable, finished, tmp_path):
    """Run a command with --dry-run; nothing may be written. Returns what it said, by the first word of a line."""
    places = {
        "run": shutil.copytree(made, tmp_path / "run"),
        "shift": shutil.copytree(finished / "shift", tmp_path / "shift"),
        "measurable": shutil.copytree(measurable, tmp_path / "measurable"),
        "runs": tmp_path / "runs",
        "data": finished / "data",
        "sheet": finished / "sheet.csv",
        "text": tmp_path / "text.txt",
        "new": tmp_path / "new",
        **vars(world),
    }
    shutil.copytree(made, tmp_path / "runs" / "one")
    shutil.copytree(made, tmp_path / "runs" / "two")
    places["text"].write_text(TEXT)

    def run(command: str) -> dict[str, str]:
        before = content(tmp_path)
        result = program(*(word.format(**places) for word in f"{command} --dry-run".split()))
        assert result.status == 0, result.err
        assert content(tmp_path) == before, "something was written"
        lines = [line.partition(" ") for line in result.out.splitlines()]
        found: dict[str, str] = {}
        for name, _, text in lines:
            key = name or list(found)[-1]
            found[key] = f"{found[key]}; {text.strip()}" if key in found else text.strip()
        return found

    return run


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


VERBS = {
    f"discover {FIT} --task {{task}} --nodes 12 --out {{new}}": "18 examples",
    "check --model {model} --task {task}": "at most 100 examples",
    "evaluate {run}": "4 ablated runs of 6 examples",
    "evaluate {run} --strict": "strict: random circuits",
    "sweep {run}": "ranking MLP-hidden neurons",
    "prune {run}": "greedy",
    "group {run}": "18 examples",
    "report {run}": "tokens of text",
    "report {runs}": "36 examples",
    f"{TRAIN} --features 32 --k 4 --batch 64": "steps of 64 tokens",
    f"shift train {{new}} {FIT} --data {{data}}": "80 texts through the model",
    "shift effects {shift} --overwrite": "80 texts with effects",
    "shift judge {shift} --sheet {new}.csv": "characters of text",
    "shift apply {shift} {sheet} --overwrite": "",
    "shift apply {shift} {sheet} --overwrite --how mean": "80 texts through the model",
    "shift retrain {shift} --overwrite": "80 texts through the model",
    "shift evaluate {shift} --overwrite": "texts through the model",
    "shift compare {shift}": "4 circuits",
    f"shift score-dictionaries {FIT} --data {{data}}": "texts through the model",
}


@pytest.mark.parametrize(("command", "said"), VERBS.items())
def test_a_dry_run_counts_and_writes_nothing(dry, command, said):
    found = dry(command)
    assert said in found.get("work", "")
    assert {"time", "memory", "download", "writes"} <= set(found)
    if found.get("work"):
        assert "an estimate: " in found["time"]
        assert " took " in found["time"]
        assert re.match(r"about [\d.]+ GiB: ", found["memory"])


@pytest.mark.parametrize("verb", ["demo --nodes 20 --examples 20", "shift demo --limit 400"])
def test_a_dry_run_of_a_demonstration(dry, verb):
    found = dry(f"{verb} --out {{new}}")
    assert "an estimate: " in found["time"]
    assert found["writes"].endswith("new")


def test_a_dry_run_says_where_it_would_write(dry):
    assert dry("evaluate {run}")["writes"].endswith("run/evaluation")
    assert dry("check --model {model} --task {task}")["writes"] == "nothing"
    assert "2 reports in" in dry("report {runs}")["writes"]


def test_a_dry_run_refuses_what_the_command_would_refuse(program, made, tmp_path):
    run = shutil.copytree(made, tmp_path / "run")
    STAGES["run"][0].in_(run).mkdir()
    result = program("evaluate", run, "--dry-run")
    assert result.status == 1
    assert "already exists" in result.err


def counted(found: dict[str, str]) -> dict[str, int]:
    """What is counted, by name."""
    parts = (
        re.match(r"(.*?)  +(?:at most )?([\d,]+) ablated runs", part) for part in found["work"].split("; ")
    )
    return {part[1]: int(part[2].replace(",", "")) for part in parts if part}


@pytest.fixture
def runs_made(monkeypatch):
    """How many sets of nodes were run on how many examples, while a command runs."""
    made: list[int] = []
    plain_all, plain_full = AblatedRuns.run_all, AblatedRuns.full

    def run_all(self, sets, *rest, **named):
        made.extend([sum(map(len, self.inputs))] * len(sets))
        return plain_all(self, sets, *rest, **named)

    def full(self):
        made.append(sum(map(len, self.inputs)))
        return plain_full(self)

    monkeypatch.setattr(AblatedRuns, "run_all", run_all)
    monkeypatch.setattr(AblatedRuns, "full", full)
    return made


@pytest.mark.parametrize(
    ("command", "least"),
    [
        ("evaluate {run}", 1.0),
        ("evaluate {run} --free-layers 1", 1.0),
        (
            "evaluate {measurable} --strict --random-circuits 30 --free-layers 0 --baseline zero --split train",
            0.6,
        ),
        ("sweep {run} --sizes 4", 0.5),
        ("sweep {run} --sizes 4 --no-neurons --random 0", 0.5),
        ("prune {measurable} --faithfulness 0.6 --free-layers 1 --baseline zero --by greedy", 0.05),
        ("prune {measurable} --faithfulness 0.6 --free-layers 1 --baseline zero --steps 8", 0.05),
    ],
)
def test_the_count_is_that_of_the_runs_made(dry, program, tmp_path, runs_made, command, least):
    expected = sum(counted(dry(command)).values())
    runs_made.clear()
    places = {"run": tmp_path / "run", "measurable": tmp_path / "measurable"}
    assert program(*command.format(**places).split()).status == 0
    assert least * expected <= len(runs_made) <= expected


def test_a_run_of_a_killed_discovery_says_what_is_done(dry, tmp_path):
    partial = tmp_path / ".new.partial"
    partial.mkdir()
    (partial / "nodes-000000.safetensors").touch()
    found = dry(f"discover {FIT} --task {{task}} --nodes 12 --out {{new}}")
    assert found["note"] == "1 batches of an earlier run are already done"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "under 1 s"),
        (12.4, "about 12 s"),
        (119.0, "about 119 s"),
        (300.0, "about 5 min"),
        (36000.0, "about 10 h"),
    ],
)
def test_a_duration_is_read_at_a_glance(seconds, said):
    assert duration(seconds) == said
