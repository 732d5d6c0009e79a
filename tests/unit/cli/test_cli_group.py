"""group on a tiny run: known groups, what is written, and the pictures, pages and exports that show it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from schema_check import faults_in
from tiny_world import WIDTH

import circuitscope as cs
from circuitscope.dictionaries import Dictionaries
from circuitscope.dictionaries.affine import ReluDictionary
from circuitscope.errors import BadFile, BadInput
from circuitscope.pages.page import read_report
from circuitscope.results import read_groups
from circuitscope.runs import write_json

WITHOUT_TORCH = "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; "


@pytest.fixture(scope="module")
def grouped(made, tmp_path_factory) -> Path:
    """A run with groups and a report that shows them."""
    run = Path(shutil.copytree(made, tmp_path_factory.mktemp("grouped") / "run"))
    from circuitscope.config import GroupConfig
    from circuitscope.pipeline import run_group

    run_group(run, GroupConfig(device="cpu", similarity=0.2, layers=3))
    cs.report(run, device="cpu")
    return run


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def twins(seed: int) -> ReluDictionary:
    """Six features, and six that read and write the same in other sizes: number 6 + i does what i does."""
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(6, WIDTH, generator=draw), dim=1)
    return ReluDictionary(
        w_enc=torch.cat([vectors, 2 * vectors]),
        b_enc=torch.zeros(12),
        w_dec=torch.cat([vectors, 0.5 * vectors]),
        b_dec=torch.zeros(WIDTH),
    )


def test_features_that_do_the_same_come_together_and_others_do_not(world):
    model = cs.load_model(str(world.model), device="cpu")
    sites = ["embed", "attn_0", "mlp_0", "resid_0", "attn_1", "mlp_1", "resid_1"]
    dictionaries = Dictionaries(
        {cs.Site.parse(name): twins(number) for number, name in enumerate(sites)}, name="twins"
    )
    task = cs.load_task(world.task, model)
    circuit = cs.discover(model, dictionaries, task, nodes=24, edge_threshold=0.0, positions="keep")
    found = cs.group(circuit, model, dictionaries, task, similarity=0.99)
    pairs: dict[tuple[str, int, int], list[str]] = {}
    for node in circuit.ids:
        key = (node.site.name, -1 if node.is_error else node.feature % 6, node.position)
        pairs.setdefault(key, []).append(str(node))
    assert sum(len(members) == 2 for members in pairs.values()) >= 5
    assert {frozenset(item.members) for item in found.groups} == set(map(frozenset, pairs.values()))
    for item in found.groups:
        rows = [circuit.ids.index(cs.NodeId.parse(member)) for member in item.members]
        assert item.effect == pytest.approx(circuit.nodes.effect[rows].sum())
        assert item.stderr == pytest.approx(circuit.nodes.stderr[rows].sum())
    assert len({item.name for item in found.groups}) == len(found.groups)


def test_fewer_groups_as_far_as_places_allow(world):
    model = cs.load_model(str(world.model), device="cpu")
    dictionaries = cs.load_dictionaries(str(world.dictionaries), model)
    circuit = cs.discover(model, dictionaries, world.task, nodes=24, positions="sum")
    eight = cs.group(circuit, model, dictionaries, world.task, groups=8, layers=3)
    least = cs.group(circuit, model, dictionaries, world.task, groups=1, layers=3)
    errors = sum(node.is_error for node in circuit.ids)
    signs = {
        np.sign(effect)
        for node, effect in zip(circuit.ids, circuit.nodes.effect, strict=True)
        if not node.is_error
    }
    assert len(eight.groups) == 8
    assert len(least.groups) == errors + len(signs)
    assert sorted(least.of_nodes()) == sorted(map(str, circuit.ids))


def test_settings_that_make_no_sense(world):
    model = cs.load_model(str(world.model), device="cpu")
    dictionaries = cs.load_dictionaries(str(world.dictionaries), model)
    circuit = cs.discover(model, dictionaries, world.task, nodes=4)
    for settings, said in (
        ({"groups": 2, "similarity": 0.5}, "both groups and similarity"),
        ({"similarity": 1.5}, "similarity=1.5"),
        ({"layers": 0}, "layers=0"),
        ({"activity": 0.0, "vectors": 0.0, "edges": 0.0}, "the similarity weights"),
        ({"edges": -1.0}, r"edges=-1"),
    ):
        with pytest.raises(BadInput, match=said):
            cs.group(circuit, model, dictionaries, world.task, **settings)
    with pytest.raises(BadInput, match="has 7 sites"):
        cs.group(circuit, model, dictionaries.only([cs.Site.parse("embed")]), world.task)


def test_group_adds_a_stage_once(program, run):
    result = program("group", run, "--device", "cpu")
    assert result.status == 0, result.err
    last = result.out.splitlines()[-1]
    assert last == f"written to {run / 'group'}; to see them: circuitscope plot {run} --groups"
    assert "12 nodes in " in result.out
    assert faults_in(run / "group" / "groups.json", "groups") == []
    found = read_groups(run / "group")
    assert sorted(found.of_nodes()) == sorted(map(str, cs.load(run).ids))
    again = program("group", run)
    assert (again.status, "already exists" in again.err) == (1, True)
    assert program("group", run, "--overwrite", "--groups", 3, "--layers", 3, "--device", "cpu").status == 0
    assert len(read_groups(run / "group").groups) < len(found.groups)
    assert json.loads((run / "group" / "manifest.json").read_text())["config"]["groups"] == 3


def test_plot_groups_needs_no_torch_and_says_what_is_missing(program, grouped, run):
    code = WITHOUT_TORCH + f"sys.argv = ['circuitscope', 'plot', {str(grouped)!r}, '--groups']; "
    done = subprocess.run(
        [sys.executable, "-c", code + "from circuitscope.cli import main; main()"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (grouped / "groups.png").stat().st_size > 10_000
    missing = program("plot", run, "--groups")
    assert (missing.status, "has no groups yet" in missing.err) == (1, True)


def test_the_report_shows_groups_and_on_which_texts_nodes_are_active(grouped):
    assert faults_in(grouped / "report" / "report.json", "report") == []
    made = read_report(grouped / "report")
    page = (grouped / "report" / "index.html").read_text()
    assert made.groups is not None
    assert made.grouped is not None
    assert len(made.activities) == sum(not node.is_error for node in cs.load(grouped).ids)
    assert "The picture in groups" in page
    assert "of the task" in page


def test_a_report_without_groups_says_on_which_texts_nodes_are_active(made, tmp_path):
    run = Path(shutil.copytree(made, tmp_path / "run"))
    cs.report(run, device="cpu", nodes=2)
    made_ = read_report(run / "report")
    assert made_.groups is None
    assert len(made_.activities) == sum(not node.is_error for node in cs.load(run).ids)
    assert "The picture in groups" not in (run / "report" / "index.html").read_text()


def test_neuronpedia_gets_supernodes(program, grouped, tmp_path):
    assert program("export", grouped, "--format", "neuronpedia", "--out", tmp_path / "graph.json").status == 0
    graph = json.loads((tmp_path / "graph.json").read_text())
    groups = [item for item in read_groups(grouped / "group").groups if len(item.members) > 1]
    assert groups
    assert [label for label, *_ in graph["qParams"]["supernodes"]] == [item.name for item in groups]
    ids = {node["node_id"] for node in graph["nodes"]}
    members = [node for _, *nodes in graph["qParams"]["supernodes"] for node in nodes]
    assert len(members) == sum(len(item.members) for item in groups)
    assert set(members) < set(graph["qParams"]["pinnedIds"]) <= ids


def test_groups_of_another_circuit_are_refused(grouped, tmp_path):
    run = Path(shutil.copytree(grouped, tmp_path / "run"))
    value = json.loads((run / "group" / "groups.json").read_text())
    value["groups"][0]["members"].append("embed/999@1")
    write_json(run / "group" / "groups.json", value)
    with pytest.raises(BadFile, match="was changed after it was written"):
        cs.report(run, device="cpu", overwrite=True)
    manifest = json.loads((run / "group" / "manifest.json").read_text())
    write_json(run / "group" / "manifest.json", {**manifest, "files": {}})
    with pytest.raises(BadFile, match="are not made of the circuit's nodes"):
        cs.report(run, device="cpu", overwrite=True)
