"""prune on the tiny world: the table, the run folder inside, and what is refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from schema_check import faults_in
from tiny_world import make_run

import circuitscope as cs
from circuitscope.config import PruneConfig
from circuitscope.pipeline import run_prune
from circuitscope.results import read_prune
from circuitscope.runs import read_manifest

SETTINGS = {"faithfulness": 0.6, "free_layers": 1, "baseline": "zero", "steps": 8, "device": "cpu"}
QUICK = tuple(word for name, value in SETTINGS.items() for word in (f"--{name.replace('_', '-')}", value))


@pytest.fixture(scope="module")
def discovered(world, tmp_path_factory):
    """With a metric whose scale is far from 0, although the model is random."""
    return make_run(world, tmp_path_factory.mktemp("pruned") / "run", metric="log-probability")


@pytest.fixture(scope="module")
def pruned(discovered, tmp_path_factory):
    """The same run with a finished prune stage."""
    run = shutil.copytree(discovered, tmp_path_factory.mktemp("pruned") / "run")
    run_prune(run, PruneConfig(**SETTINGS))
    return run


@pytest.fixture(scope="module")
def compared(discovered, tmp_path_factory):
    """The same with the whole table."""
    run = shutil.copytree(discovered, tmp_path_factory.mktemp("compared") / "run")
    run_prune(run, PruneConfig(**SETTINGS, compare=True))
    return run


@pytest.fixture
def run(pruned, tmp_path):
    return shutil.copytree(pruned, tmp_path / "run")


def result_of(run):
    return read_prune(run / "prune")


def test_the_command_writes_a_stage_and_says_what_is_next(program, discovered, tmp_path, pruned):
    run = shutil.copytree(discovered, tmp_path / "run")
    words = ("prune", run, *QUICK)
    result = program(*words)
    assert result.status == 0
    for word in ("thresholding", "greedy", "masks", "0.6", "held-out test"):
        assert word in result.out
    assert result_of(run).levels == (0.6,), "other levels only on request"
    assert result.out.splitlines()[-1] == f"next: circuitscope evaluate {run / 'prune' / 'circuit'}"
    assert faults_in(run / "prune" / "prune.json", "prune") == []
    again = program(*words)
    assert again.status == 1
    assert "already exists" in again.err
    ours, theirs = (folder / "prune" / "circuit" / "circuit.safetensors" for folder in (run, pruned))
    assert ours.read_bytes() == theirs.read_bytes(), "the same settings give the same circuit"


def test_the_comparison_is_true(compared, pruned, world):
    result = result_of(compared)
    assert result.levels == (0.5, 0.6, 0.75, 0.9)
    assert (result.split, result.held_out, result.examples) == ("train", "test", 18)
    chosen = result.row(result.chosen)
    for one in result.rows:
        if one.nodes is not None:
            assert one.faithfulness.value >= one.level
    both = [result.row(name, 0.6).nodes for name in ("greedy", "masks")]
    assert chosen.nodes == min(count for count in both if count is not None)
    alone = result_of(pruned)
    assert alone.row("thresholding").nodes == result.row("thresholding", 0.6).nodes
    circuit = cs.load(compared / "prune" / "circuit")
    model = cs.load_model(world.model, device="cpu")
    dictionaries = cs.load_dictionaries(world.dictionaries, model)
    options = {"split": "train", "examples": 18, "free_layers": 1, "baseline": "zero", "batch_size": 128}
    scores = cs.evaluate(circuit, model, dictionaries, str(world.task), **options).scores[0]
    assert scores.nodes == chosen.nodes
    assert scores.faithfulness.value == pytest.approx(chosen.faithfulness.value)


def test_nodes_of_free_layers_stay_and_edges_are_computed_anew(pruned):
    before, after = cs.load(pruned), cs.load(pruned / "prune" / "circuit")
    free = {str(node) for node in before.ids if node.site.layer < 1}
    assert free
    assert free == {str(node) for node in after.ids if node.site.layer < 1}
    names = {(str(after.ids[s]), str(after.ids[t])) for s, t in _inner(after.edges)}
    assert names
    edges = dict(zip(_named(before), before.edges.effect.tolist(), strict=True))
    for name, effect in zip(_named(after), after.edges.effect.tolist(), strict=True):
        assert edges.get(name, effect) == pytest.approx(effect, rel=1e-2), name  # other batches
    assert after.info["pruned"]["faithfulness"] == 0.6
    np.testing.assert_array_equal(after.candidates.effect, before.candidates.effect)


def _inner(edges):
    return [(s, t) for s, t in zip(edges.source, edges.target, strict=True) if t >= 0]


def _named(circuit):
    names = [*map(str, circuit.ids), "output"]
    return [(names[s], names[t]) for s, t in zip(circuit.edges.source, circuit.edges.target, strict=True)]


def test_every_verb_takes_what_was_made(program, run):
    inner = run / "prune" / "circuit"
    assert program("evaluate", inner, "--examples", 4).status == 0
    assert program("show", inner).status == 0
    assert program("plot", inner).status == 0
    assert program("export", inner, "--format", "csv", "--out", run / "tables").status == 0
    assert program("report", inner, "--nodes", 3, "--tokens", 500).status == 0
    page = (inner / "report" / "index.html").read_text()
    assert "the smallest found that keeps 60%" in page
    assert read_manifest(run / "prune", "prune")["config"]["faithfulness"] == 0.6


def test_overwrite_replaces_the_stage(program, run):
    words = ("prune", run, *QUICK, "--by", "greedy", "--overwrite")
    assert program(*words).status == 0
    assert {one.method for one in result_of(run).rows} == {"thresholding", "greedy"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--faithfulness", 1.2), "--faithfulness 1.2"),
        (("--faithfulness", 0), "--faithfulness 0"),
        (("--by", "best-of-all"), "--by"),
        (("--time", "soon"), "--time soon"),
        (("--time", "0s"), "--time 0s"),
        (("--candidates", 0), "--candidates 0"),
        (("--free-layers", 2), "--free-layers 2"),
        (("--candidates", 1), "among the 1 strongest nodes, no circuit was found"),
    ],
)
def test_what_cannot_be_is_refused(program, discovered, tmp_path, words, said):
    run = shutil.copytree(discovered, tmp_path / "run")
    result = program("prune", run, *QUICK, *words)
    assert result.status == 1
    assert said in result.err
    assert not (run / "prune").exists()


def test_what_was_found_by_then_is_kept(program, discovered, tmp_path, monkeypatch):
    """Ctrl-C while masks are trained: thresholding and greedy are done, and what they found is written."""
    run = shutil.copytree(discovered, tmp_path / "run")

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("circuitscope.pruning.search.train_masks", interrupted)
    result = program("prune", run, *QUICK)
    assert result.status == 0
    assert "stopped by Ctrl-C: this is the smallest circuit found by then" in result.out
    found = result_of(run)
    assert found.ended == "interrupted"
    assert {one.method for one in found.rows} == {"thresholding", "greedy"}
    assert found.chosen == "greedy"
    assert len(cs.load(run / "prune" / "circuit").nodes) > 0


def test_a_time_of_nothing_finds_nothing(program, discovered, tmp_path):
    run = shutil.copytree(discovered, tmp_path / "run")
    result = program("prune", run, *QUICK, "--time", "0.000001")
    assert result.status == 1
    assert "no circuit that keeps a faithfulness of 0.6 was found before the search was stopped" in result.err
    assert "--time" in result.err
    assert not (run / "prune").exists()
