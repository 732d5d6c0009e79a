"""paths on the tiny world: what it lists, and pruning by flow."""

from __future__ import annotations

import json
import shutil

import pytest

import circuitscope as cs
from circuitscope.results import read_prune

FEW = ("--free-layers", 0, "--baseline", "zero", "--select-examples", 6, "--examples", 4)


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def test_it_lists_the_strongest_with_their_shares(program, run):
    result = program("paths", run, "--count", 3)
    assert result.status == 0
    for word in ("strongest routes", "strongest paths", "→ output", "%", "together carry"):
        assert word in result.out
    assert "derivatives" not in result.out


def test_json_is_what_python_finds(program, run):
    found = json.loads(program("paths", run, "--json", "--count", 4).out)
    ours = cs.paths(cs.load(run), count=4)
    assert [path["share"] for path in found["paths"]] == pytest.approx([path.share for path in ours.paths])
    assert found["paths"][0]["nodes"] == list(ours.paths[0].nodes)
    assert found["edges_at"] == "secant"
    assert ours.adds_up


def test_paths_of_derivatives_are_only_a_ranking(program, world, tmp_path):
    out = tmp_path / "clean"
    assert program(*world.discover(out, edges_at="clean")).status == 0
    assert "do not add up" in " ".join(program("paths", out).out.split())
    refused = program(*world.discover(tmp_path / "points", edges_at="clean", edge_points=3))
    assert "--edge-points 3 for edges at clean" in refused.err
    assert not cs.paths(cs.load(out)).adds_up


def test_ends_may_be_named(program, run):
    circuit = cs.load(run)
    last = max(range(len(circuit)), key=lambda row: circuit.nodes.site[row])
    node = str(circuit.ids[last])
    into = program("paths", run, "--to", node)
    assert into.status == 0
    assert f"→ {node}" in " ".join(into.out.split())
    assert program("paths", run, "--from", node).status == 0
    missing = program("paths", run, "--from", "resid_0/9999")
    assert missing.status == 1
    assert "node resid_0/9999 is not in the circuit" in missing.err


def test_a_circuit_can_be_pruned_by_flow(program, run):
    result = program("prune", run, "--by", "flow", "--faithfulness", 0.75, "--compare", *FEW)
    assert result.status == 0
    assert "carry 75% of the flow" in result.out
    rows = {row.level: row for row in read_prune(run / "prune").rows if row.method == "flow"}
    assert sorted(rows) == [0.5, 0.75, 0.9]
    assert rows[0.5].nodes <= rows[0.75].nodes <= rows[0.9].nodes
    assert all(row.faithfulness is not None for row in rows.values())
    before, after = cs.load(run), cs.load(run / "prune" / "circuit")
    assert set(after.ids) <= set(before.ids)
    assert len(after.edges) <= len(before.edges)
    assert after.findings.pruned.method == "flow"
    assert program("evaluate", run / "prune" / "circuit", "--examples", 4).status == 0
    assert "pruned to what carries 75% of the flow" in program("show", run / "prune" / "circuit").out
