"""Wrong paths, results that are there and options that cannot be: each is said before a model's weights are read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from shift_world import settings, steps, write_data
from tiny_world import World

from circuitscope.results import load, save
from circuitscope.runs import STAGES

TEXT = "The cat is<|endoftext|>The dog has"


@dataclass(frozen=True)
class Places:
    """What the commands of the table name."""

    model: Path
    dictionaries: Path
    task: Path
    data: Path
    run: Path
    """A circuit without stages."""
    full: Path
    """A circuit with a folder for every stage."""
    shift: Path
    """A SHIFT with every step done."""
    sheet: Path
    text: Path
    file: Path
    """A file, where a folder is needed."""
    gone: Path
    """Nothing."""
    new: Path
    """Nothing yet."""


@pytest.fixture(scope="module")
def finished(world: World, tmp_path_factory) -> Path:
    """A SHIFT with every step done, and its data and sheet beside it."""
    folder = tmp_path_factory.mktemp("finished")
    data = write_data(folder / "data")
    for make in steps(folder / "shift", settings(world, data), folder / "sheet.csv").values():
        make()
    return folder


@pytest.fixture
def places(world: World, made: Path, finished: Path, tmp_path: Path) -> Places:
    run, full = tmp_path / "run", tmp_path / "full"
    shutil.copytree(made, run)
    shutil.copytree(made, full)
    for stage in STAGES["run"]:
        stage.in_(full).mkdir()
    for name in ("circuit.png", "groups.png", "export.csv"):
        (full / name).touch()
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "file").touch()
    shift = Path(shutil.copytree(finished / "shift", tmp_path / "shift"))
    return Places(
        world.model,
        world.dictionaries,
        world.task,
        finished / "data",
        run,
        full,
        shift,
        finished / "sheet.csv",
        tmp_path / "text.txt",
        tmp_path / "file",
        tmp_path / "gone",
        tmp_path / "new",
    )


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads weights fails the test, by whatever way it came to it."""

    def explode(*_: object, **__: object) -> None:
        pytest.fail("a model was loaded")

    monkeypatch.setattr("circuitscope.model.load.read_weights", explode)


FIT = "--model {model} --dictionaries {dictionaries}"
DISCOVER = f"discover {FIT} --task {{task}} --out {{new}}"
CHECK = "check --model {model} --task {task}"
TRAIN = "train-dictionaries --model {model} --text {text} --out {new} --context 16"
SHIFT_TRAIN = f"shift train {{new}} {FIT} --data {{data}}"
SCORE = f"shift score-dictionaries {FIT} --data {{data}}"
APPLY = "shift apply {shift} {sheet}"
OF_RUNS = ("evaluate", "sweep", "prune", "group", "plot", "report", "show", "paths", "status")
OF_SHIFTS = ("effects", "judge", "retrain", "evaluate", "compare", "status")
WRITES_STAGE = ("evaluate", "sweep", "prune", "group", "plot", "report")
WRITES_STEP = ("effects", "judge", "retrain", "evaluate", "compare")

NO_RUN = [
    *((f"{verb} {{gone}}", "gone") for verb in OF_RUNS),
    *((f"{verb} {{model}}", "") for verb in OF_RUNS if verb not in ("status", "report")),
    ("export {gone} --format csv --out {new}", "gone"),
    *((f"shift {verb} {{gone}}", "gone is not the folder of a SHIFT") for verb in OF_SHIFTS),
    ("shift apply {gone} {sheet}", "gone is not the folder of a SHIFT"),
    ("shift effects {run}", "run is not the folder of a SHIFT"),
]
NO_MODEL = [
    (f"{command} --model {{gone}}", "there is no model folder")
    for command in (DISCOVER, CHECK, f"inspect {FIT}", TRAIN, SHIFT_TRAIN, SCORE)
]
NO_DICTIONARIES = [
    (f"{command} --dictionaries {{gone}}", "there is no folder")
    for command in (DISCOVER, CHECK, f"inspect {FIT}", SHIFT_TRAIN, SCORE)
]
NO_TASK = [
    (f"{DISCOVER} --task {{gone}}", "no such task"),
    (f"{DISCOVER} --task agreement/simpel", "no such agreement structure"),
    (f"{CHECK} --task {{gone}}", "no such task"),
    (f"{SHIFT_TRAIN} --data {{gone}}", "there are no labelled texts at"),
    (f"{SHIFT_TRAIN} --data {{file}}", "is a file of another kind"),
    (f"{SCORE} --data {{gone}}", "there are no labelled texts at"),
    (f"{TRAIN} --text {{gone}}", "cannot be read"),
    ("report {run} --text {gone}", "cannot be read"),
    ("shift judge {shift} --text {gone} --sheet {new}.csv", "cannot be read"),
    ("shift judge {shift} --judge words --remove-words {gone}.txt --sheet {new}.csv", "gone.txt"),
    ("shift compare {shift} --cue-words {gone}.txt --overwrite", "gone.txt"),
    ("shift compare {shift} --task-words {gone}.txt --overwrite", "gone.txt"),
    ("shift compare {shift} --verdicts {gone}.csv --overwrite", "gone.csv"),
    ("shift apply {shift} {gone}.csv --overwrite", "gone.csv"),
]
THERE = [
    *((f"{verb} {{full}}", "already exists") for verb in WRITES_STAGE),
    ("plot {full} --groups", "already exists"),
    ("export {full} --format csv --out {run}", "already exists"),
    (f"{DISCOVER} --out {{run}}", "already exists"),
    (f"{DISCOVER} --out {{model}} --overwrite", "that circuitscope did not write"),
    (f"{TRAIN} --out {{run}}", "already exists"),
    (f"{SCORE} --json {{file}}", "already exists"),
    *(
        (f"shift {verb} {{shift}}", "already exists")
        for verb in WRITES_STEP
        if verb not in ("judge", "compare")
    ),
    ("shift judge {shift} --sheet {sheet}", "already exists"),
    ("shift train {shift} " + FIT + " --data {data}", "already exists"),
    (APPLY, "already exists"),
    ("shift train {model} " + FIT + " --data {data}", "that circuitscope did not write"),
    ("report {run} --out {full}", "already exists"),
]
UNDER_A_FILE = [
    (f"{command} {{file}}/inner", "file is a file")
    for command in (
        f"{DISCOVER} --out",
        f"{TRAIN} --out",
        f"{SCORE} --json",
        "plot {run} --groups --out",
        "report {run} --out",
        "export {run} --format csv --out",
        "demo --out",
        "shift demo --out",
        "shift train",
    )
] + [("shift judge {shift} --sheet {file}/sheet.csv", "file is a file")]
IMPOSSIBLE = [
    (f"{command} --{option}", said)
    for command, options in {
        DISCOVER: {
            "device nonsense": "device 'nonsense' cannot be used",
            "dtype int8": "--dtype int8",
            "metric accuracy": "--metric accuracy",
            "metric classifier-logit": "--metric classifier-logit",
            "examples 0": "--examples 0",
            "batch-size 0": "--batch-size 0",
            "points 0": "--points 0",
            "points 1000000": "--points 1000000",
            "memory lots": "--memory lots",
            "nodes 5 --node-threshold 0.1": "both --nodes and --node-threshold",
            "node-threshold -1": "--node-threshold -1",
            "edge-points 3 --edges-at clean": "--edge-points 3 for edges at clean",
            "prompt The": "both --task and --prompt",
            "answer is": "--answer without --prompt",
            "dictionaries bundled": "--dictionaries bundled with --model",
            "seed -1": "--seed -1",
        },
        f"discover {FIT} --prompt The --out {{new}}": {
            "edges-at secant": "--edges-at secant for single inputs",
            "edge-points 3": "--edge-points 3 for edges at clean",
            "baseline resample": "--baseline resample for a prompt",
            "metric logit-difference": "compares two answers",
        },
        CHECK: {
            "device nonsense": "device 'nonsense' cannot be used",
            "metric accuracy": "--metric accuracy",
            "rows -1": "--rows -1",
            "against is": "--against without --prompt",
        },
        "evaluate {run}": {
            "device nonsense": "device 'nonsense' cannot be used",
            "free-layers 2": "--free-layers 2",
            "free-layers -1": "--free-layers -1",
            "random-circuits 0": "--random-circuits 0",
            "halvings 0": "--halvings 0",
            "examples 0": "--examples 0",
            "split all": "--split all",
        },
        "sweep {run}": {
            "free-layers 2": "--free-layers 2",
            "random -1": "--random -1",
            "sizes 0": "--sizes 0",
        },
        "prune {run}": {
            "free-layers 2": "--free-layers 2",
            "faithfulness 1.5": "--faithfulness 1.5",
            "by guess": "--by guess",
            "candidates 0": "--candidates 0",
        },
        "group {run}": {
            "groups 3 --similarity 0.4": "both --groups and --similarity",
            "groups 0": "--groups 0",
            "similarity 2": "--similarity 2",
            "activity 0 --vectors 0 --edges 0": "the similarity weights",
        },
        "plot {run}": {
            "out {new}.bmp": "does not name a picture format",
            "errors-in-picture some": "some",
            "groups": "has no groups yet",
            "groups --labels": "--labels is about the picture of single nodes",
            "labels": "has no report",
        },
        "report {run}": {
            "nodes 0": "--nodes 0",
            "context 1": "--context 1",
            "errors-in-picture some": "--errors-in-picture some",
            "workers 0": "--workers 0",
            "device nonsense": "device 'nonsense' cannot be used",
        },
        "export {run} --out {new}": {"format pdf": "--format pdf"},
        "paths {run}": {"from resid_9/1": "resid_9/1", "to nothing": "nothing"},
        TRAIN: {
            "sites mlp_99": "has no site mlp_99",
            "sites mud": "mud",
            "k 100 --features 10": "--k 100 with --features 10",
            "context 1000": "--context 1000",
            "held-out 2": "--held-out 2",
            "device nonsense": "device 'nonsense' cannot be used",
        },
        SHIFT_TRAIN: {
            "site mlp_1": "--site mlp_1",
            "site resid_99": "resid_99",
            "learning-rate 0": "--learning-rate 0",
            "classes one": "--classes",
            "classes a,b": "no text with the class a or b",
            "limit 1": "at most 1 texts",
            "text-field nothing": "nothing",
        },
        SCORE: {"site resid_99": "resid_99", "site mlp_1": "mlp_1", "limit 1": "at most 1 texts"},
        "shift judge {shift} --sheet {new}.csv": {
            "contexts 0": "--contexts 0",
            "judge words": "--remove-words",
            "judge endpoint": "--endpoint",
            "interactive --judge words --remove-words cat": "--interactive with --judge words",
            "judge endpoint --endpoint x --model-name y": "x",
            "sheet {new}.txt": "new.txt",
        },
        "shift compare {shift} --overwrite": {"seeds 0": "--seeds 0", "draws 0": "--draws 0"},
        "shift effects {shift} --overwrite": {"nodes 0": "--nodes 0", "device nonsense": "nonsense"},
        "demo --out {new}": {"nodes 0": "--nodes 0", "device nonsense": "nonsense"},
        "shift demo --out {new}": {"seeds 0": "--seeds 0", "limit 1": "at most 1 texts"},
    }.items()
    for option, said in options.items()
]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        *NO_RUN,
        *NO_MODEL,
        *NO_DICTIONARIES,
        *NO_TASK,
        *THERE,
        *UNDER_A_FILE,
        *IMPOSSIBLE,
    ],
)
@pytest.mark.usefixtures("no_weights")
def test_it_is_said_before_a_model_is_loaded(program, places, command, said):
    words = [word.format(**vars(places)) for word in command.split()]
    before = sorted(places.run.parent.rglob("*"))
    result = program(*words)
    assert result.status in (1, 2), result.out + result.err
    assert said in result.err, result.err
    assert "Traceback" not in result.err
    if result.status == 1:
        assert "error:" in result.err
        assert "to fix it:" in result.err or "expected:" in result.err, result.err
    assert sorted(places.run.parent.rglob("*")) == before, "something was written"


@pytest.mark.parametrize("verb", ["evaluate", "sweep", "prune", "group", "report"])
@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("model", "there is no model folder"),
        ("dictionaries", "there is no folder"),
        ("agreement.jsonl", "no such task"),
    ],
)
@pytest.mark.usefixtures("no_weights")
def test_what_a_run_was_made_from_is_gone(program, world, places, verb, what, said):
    manifest = places.run / "manifest.json"
    there = str(world.task.parent / what)
    assert there in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(there, str(places.gone)))
    result = program(verb, places.run)
    assert result.status == 1
    assert said in result.err
    assert not (places.run / verb).exists()


@pytest.mark.parametrize("verb", ["sweep", "prune"])
@pytest.mark.usefixtures("no_weights")
def test_a_circuit_without_a_ranking_is_refused_first(program, places, verb):
    """One whose candidates are not kept, such as a pruned one saved by hand."""
    circuit = load(places.run)
    save(replace(circuit, candidates=None), places.new)
    result = program(verb, places.new)
    assert result.status == 1
    assert "no ranking of all its candidates" in result.err


@pytest.mark.usefixtures("no_weights")
def test_a_circuit_of_a_function_is_refused_first(program, places):
    circuit = load(places.run)
    save(replace(circuit, recipe=circuit.made_by.settled(metric="surprise")), places.new)
    result = program("evaluate", places.new)
    assert result.status == 1
    assert "discovered with a function, 'surprise'" in result.err


@pytest.mark.usefixtures("no_weights")
def test_a_folder_that_may_not_be_written_to_is_refused_first(program, places, monkeypatch):
    monkeypatch.setattr("circuitscope.runs.folders.os.access", lambda *_: False)  # root may write anywhere
    command = DISCOVER.format(**vars(places)).split()
    result = program(*command)
    assert result.status == 1
    assert "new cannot be written: Permission denied" in result.err
