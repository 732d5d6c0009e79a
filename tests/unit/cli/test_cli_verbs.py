"""Every verb on a tiny model: what it prints, what it writes, and what it needs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from schema_check import faults_in
from tiny_world import pair, write_lines

import circuitscope as cs

WITHOUT_TORCH = "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; "


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def bytes_of(run: Path) -> bytes:
    return (run / "circuit.safetensors").read_bytes()


# -- discover ------------------------------------------------------------------------------------------------


def test_discover_writes_one_folder_and_says_what_is_next(program, world, tmp_path):
    result = program(*world.discover(tmp_path / "run"))
    assert result.status == 0
    assert f"circuitscope evaluate {tmp_path / 'run'}" in result.out
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert files(tmp_path / "run") == ["circuit.safetensors", "manifest.json"]
    circuit = cs.load(tmp_path / "run")
    assert len(circuit) == 12
    assert circuit.info["examples"] == 18
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["recipe"]["model"]["source"] == str(world.model)


def test_the_same_command_gives_the_same_bytes(program, world, made, tmp_path):
    assert program(*world.discover(tmp_path / "run")).status == 0
    assert bytes_of(tmp_path / "run") == bytes_of(made)


def test_a_config_file_is_the_same_as_its_options(program, world, made, tmp_path):
    lines = {"model": world.model, "dictionaries": world.dictionaries, "task": world.task, "device": "cpu"}
    lines |= {"nodes": 12, "batch-size": 4, "out": "elsewhere"}
    (tmp_path / "run.yaml").write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
    out = tmp_path / "run"
    assert program("discover", "--config", tmp_path / "run.yaml", "--out", out, "--batch-size", 8).status == 0
    assert bytes_of(out) == bytes_of(made)


def test_a_dry_run_writes_nothing(program, world, tmp_path):
    result = program(*world.discover(tmp_path / "run", dry_run=True))
    assert result.status == 0
    for word in ("examples    18", "sites       7, with 168 features", "time", "memory", "download"):
        assert word in result.out
    assert list(tmp_path.iterdir()) == []


def test_overwriting_a_run_replaces_it(program, world, run):
    (run / "evaluation").mkdir()
    assert program(*world.discover(run, overwrite=True, nodes=3)).status == 0
    assert len(cs.load(run)) == 3
    assert files(run) == ["circuit.safetensors", "manifest.json"]


def test_mixed_lengths_are_summed_and_skipped_examples_counted(program, world, tmp_path):
    rows = [
        pair(noun, ("is", "are"), 0, front) for noun in ("cat", "dog", "boy") for front in ("The", "The old")
    ]
    rows += [pair("king", ("is here", "are"), 0)] * 2
    task = write_lines(tmp_path / "task.jsonl", rows)
    result = program(*world.discover(tmp_path / "run", task=task, split="train"))
    assert result.status == 0
    info = cs.load(tmp_path / "run").info
    assert info["positions"] == "sum"
    assert info["examples"] + sum(info["skipped"].values()) == 6
    assert ("skipped: " in result.out) == bool(info["skipped"])


def test_positions_are_kept_where_asked(program, world, tmp_path):
    assert program(*world.discover(tmp_path / "run", positions="keep", bos="yes")).status == 0
    circuit = cs.load(tmp_path / "run")
    assert circuit.keeps_positions
    assert circuit.info["tokens"][:2] == ["<s>", "The"]
    assert set(circuit.nodes.position) <= {1, 2}, "the BOS is never a node"


@pytest.mark.parametrize(
    "changed", [{"method": "atp"}, {"method": "exact"}, {"edges_at": "both"}, {"connected": True}]
)
def test_every_method_makes_a_circuit(program, world, tmp_path, changed):
    assert program(*world.discover(tmp_path / "run", examples=4, **changed)).status == 0
    circuit = cs.load(tmp_path / "run")
    assert len(circuit)
    assert set(circuit.info["silent"]) <= {str(node) for node in circuit.ids}


def test_a_connected_circuit_speaks_of_its_own_nodes_only(world):
    """Every node of it has an edge, and none that it dropped is listed as silent."""
    model = cs.load_model(world.model, device="cpu")
    dictionaries = cs.load_dictionaries(world.dictionaries, model)
    whole, connected = (
        cs.discover(
            model,
            dictionaries,
            str(world.task),
            nodes=150,
            edge_threshold=0.1,
            edges_at="clean",
            connected=connected,
        )
        for connected in (False, True)
    )
    assert set(connected.edges.source) == set(range(len(connected)))
    assert len(connected) < len(whole)
    ids = {str(node) for node in connected.ids}
    assert set(connected.info["silent"]) == set(whole.info["silent"]) & ids
    assert set(whole.info["silent"]) - ids, "some silent node was dropped"


@pytest.mark.parametrize("dictionaries", ["identity", "identity:mlp-hidden"])
def test_neurons_need_no_dictionaries(program, world, tmp_path, dictionaries):
    assert program(*world.discover(tmp_path / "run", dictionaries=dictionaries, examples=4)).status == 0
    assert program("evaluate", tmp_path / "run", "--examples", 4).status == 0
    assert cs.load(tmp_path / "run").info["dictionary_kinds"].keys() == {"identity"}


def test_the_shell_and_python_find_the_same(made, world):
    model = cs.load_model(world.model, device="cpu")
    dictionaries = cs.load_dictionaries(world.dictionaries, model)
    circuit = cs.discover(model, dictionaries, str(world.task), nodes=12, batch_size=8)
    saved = cs.load(made)
    assert circuit.ids == saved.ids
    np.testing.assert_array_equal(circuit.nodes.effect, saved.nodes.effect)
    np.testing.assert_array_equal(circuit.edges.effect, saved.edges.effect)


# -- later stages ----------------------------------------------------------------------------------------------


def test_evaluate_adds_a_stage_once(program, run):
    before = bytes_of(run)
    result = program("evaluate", run, "--examples", 6)
    assert result.status == 0
    assert "faithfulness" in result.out
    assert files(run / "evaluation") == ["evaluation.json", "manifest.json"]
    scores = cs.load(run).evaluation.scores
    assert [score.free_layers for score in scores] == [0]
    assert bytes_of(run) == before
    assert program("evaluate", run).status == 1
    assert program("evaluate", run, "--overwrite", "--free-layers", 1, "--baseline", "zero").status == 0
    evaluation = cs.load(run).evaluation
    assert ([s.free_layers for s in evaluation.scores], evaluation.baseline) == ([1, 0], "zero")
    assert "1 free layer " in program("show", run).out


def test_sweep_writes_numbers_a_table_and_a_picture(program, run):
    result = program("sweep", run, "--sizes", 3, "--random", 1, "--examples", 6)
    assert result.status == 0
    assert files(run / "sweep") == ["manifest.json", "sweep.csv", "sweep.json", "sweep.png"]
    assert faults_in(run / "sweep" / "sweep.json", "sweep") == []
    sweep = json.loads((run / "sweep" / "sweep.json").read_text())
    names = ["features", "random features", "neurons of the sites", "MLP-hidden neurons"]
    assert [curve["name"] for curve in sweep["curves"]] == names
    assert all(name in result.out for name in names)
    rows = (run / "sweep" / "sweep.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(len(curve["nodes"]) for curve in sweep["curves"])


def test_sweep_leaves_away_what_is_not_wanted(program, run):
    assert program("sweep", run, "--sizes", 2, "--no-neurons", "--random", 0).status == 0
    sweep = json.loads((run / "sweep" / "sweep.json").read_text())
    assert [curve["name"] for curve in sweep["curves"]] == ["features"]
    assert sweep["examples"] == 6, "as many as there were, not as were asked for"


def test_plot_writes_a_picture_once(program, run):
    assert program("plot", run).status == 0
    assert (run / "circuit.png").read_bytes().startswith(b"\x89PNG")
    assert program("plot", run).status == 1
    assert program("plot", run, "--overwrite", "--nodes", 3, "--edges", 0).status == 0
    assert program("plot", run, "--out", run / "small.svg").status == 0
    assert program("plot", run, "--out", run / "small.bmp").status == 1
    assert cs.load(run)


def test_inspect_lists_the_dictionaries(program, world):
    result = program("inspect", "--model", world.model, "--dictionaries", world.dictionaries)
    assert result.status == 0
    for word in ("GPT-NeoX, 2 layers of width 16, parallel", "resid_1", "relu", "output of the MLP"):
        assert word in result.out


# -- show --------------------------------------------------------------------------------------------------------


def test_show_lists_the_strongest(program, run):
    result = program("show", run, "--nodes", 3)
    assert result.status == 0
    assert "strongest 3 of 12 nodes" in result.out
    circuit = cs.load(run)
    strongest = [str(circuit.ids[row]) for row in circuit.nodes.strongest()]
    assert all(name in result.out for name in strongest[:3])
    assert "not evaluated yet" in result.out


def test_show_json_is_the_circuit(program, run):
    value = json.loads(program("show", run, "--json").out)
    keys = {"schema_version", "model", "dictionaries", "task", "metric", "method", "thresholds"}
    assert keys | {"nodes", "edges", "evaluation"} <= value.keys()
    assert value["nodes"][0].keys() == {"id", "effect", "stderr"}
    assert value["edges"][0].keys() == {"source", "target", "effect", "stderr"}
    again, saved = cs.Circuit.from_json(value), cs.load(run)
    assert again.ids == saved.ids
    np.testing.assert_array_equal(again.edges.effect, saved.edges.effect)


def test_show_paths_and_plot_need_no_torch(run):
    for words in (["show", str(run)], ["show", str(run), "--json"], ["paths", str(run)], ["plot", str(run)]):
        code = (
            WITHOUT_TORCH
            + f"sys.argv = ['circuitscope', *{words!r}]; from circuitscope.cli import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_show_takes_a_circuit_that_python_made(program, tmp_path):
    circuit = cs.Circuit.from_json(
        {
            "sites": ["mlp_0"],
            "edges": [],
            "info": {},
            "evaluation": None,
            "nodes": [{"id": "mlp_0/3", "effect": 1.0, "stderr": 0.1}],
        }
    )
    cs.save(circuit, tmp_path / "run")
    result = program("show", tmp_path / "run")
    assert result.status == 0
    assert "mlp_0/3" in result.out


def test_paths_are_printed_as_they_are(program, world, tmp_path):
    """Brackets are no markup, and a long path is not broken in two."""
    out = tmp_path / "[bold] run" / ("deep" * 40)
    result = program(*world.discover(out, examples=2))
    assert result.status == 0
    assert f"circuitscope evaluate {out}\n" in result.out
    assert f"written to {out}" in result.out
    assert f"written to {out / 'circuit.png'}" in program("plot", out).out


@pytest.mark.parametrize(
    "word", ["discover", "evaluate", "sweep", "plot", "report", "export", "show", "inspect"]
)
def test_every_verb_explains_itself(program, word):
    result = program(word, "--help")
    assert result.status == 0
    assert "--help" in result.out


def test_the_version_is_printed(program):
    assert program("--version").out == f"circuitscope {cs.__version__}\n"
