"""Exports against the formats' own rules, written out here."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from drawn_circuits import circuit_of, random_circuit
from made_reports import NASTY, circuit

from circuitscope.pages.exports.export_csv import csv_tables
from circuitscope.pages.exports.export_graphml import graphml
from circuitscope.pages.exports.export_neuronpedia import cantor, neuronpedia, row_of, uncantor
from circuitscope.terms import NodeId, Site

# What Neuronpedia's graph schema requires, and of which type.
METADATA = {"slug": str, "scan": str, "prompt_tokens": list, "prompt": str}
NODE = {
    "node_id": str, "feature": int, "layer": str, "ctx_idx": int, "feature_type": str, "jsNodeId": str, "clerp": str,
}  # fmt: skip
LINK = {"source": str, "target": str, "weight": float}
Q_PARAMS = {"pinnedIds": list, "supernodes": list, "linkType": str, "clickedId": str, "sg_pos": str}


def graph(drawn, labels=None, headings=None):
    names = {"prompt": "Tom was", "name": "He/She run", "created": "2026-01-02T03:04:05+00:00"}
    return neuronpedia(drawn, labels or {}, headings or {}, **names)


def has(value, wanted):
    for key, kind in wanted.items():
        assert isinstance(value[key], kind), key
    return True


@pytest.mark.parametrize("keep", [True, False])
def test_the_graph_has_what_the_schema_requires(keep):
    drawn = random_circuit(150, keep=keep)
    made = graph(drawn)
    assert has(made["metadata"], METADATA)
    assert has(made["qParams"], Q_PARAMS)
    assert made["qParams"]["linkType"] == "both"
    assert made["metadata"]["schema_version"] == 1
    assert made["metadata"]["slug"] == "he-she-run"
    assert made["metadata"]["info"]["create_time_ms"] == 1767323045000
    assert all(has(node, NODE) for node in made["nodes"])
    assert all(has(link, LINK) for link in made["links"])
    ids = [node["node_id"] for node in made["nodes"]]
    assert len(set(ids)) == len(ids) == len(drawn) + 1
    assert len(made["links"]) == len(drawn.edges)
    assert {end for link in made["links"] for end in (link["source"], link["target"])} <= set(ids)
    length = len(made["metadata"]["prompt_tokens"])
    assert all(0 <= node["ctx_idx"] < length for node in made["nodes"])
    assert length == (8 if keep else 1)
    *_, logit = made["nodes"]
    assert [node["is_target_logit"] for node in made["nodes"]].count(True) == 1
    assert (logit["feature_type"], logit["is_target_logit"]) == ("logit", True)
    assert int(logit["layer"]) > max(int(node["layer"]) for node in made["nodes"][:-1])


def test_sites_of_one_layer_stay_apart():
    """One feature number at every site, and errors: no two nodes share an id, whatever the numbers."""
    sites = [
        Site("embed", -1),
        *(Site(kind, layer) for layer in range(3) for kind in ("attn", "mlp", "resid")),
    ]
    names = {f"{site}/{feature}@1": 1.0 for site in sites for feature in (*range(1, 12), "error")}
    drawn = circuit_of(names)
    made = graph(drawn)
    ids = [node["node_id"] for node in made["nodes"]]
    assert len(set(ids)) == len(ids)
    assert sorted(map(row_of, sites)) == list(range(1, 11))
    for node, name in zip(made["nodes"], drawn.ids, strict=False):
        if name.is_error:
            assert (node["feature"], node["node_id"]) == (-1, f"0_{row_of(name.site)}_1")
            assert node["feature_type"] == f"{name.site.kind} reconstruction error"
        else:
            assert uncantor(node["feature"]) == (int(node["layer"]), name.feature)
            assert node["node_id"] == f"{node['layer']}_{name.feature}_1"
            assert node["jsNodeId"] == f"{node['layer']}_{name.feature}-0"


def test_cantor_is_the_published_formula_and_inverts():
    for x in (0, 1, 5, 61):
        for y in (0, 1, 1024, 2**20 + 3):
            assert cantor(x, y) == (x + y) * (x + y + 1) / 2 + y
            assert uncantor(cantor(x, y)) == (x, y)
    assert [uncantor(number) for number in range(6)] == [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]


def test_influence_is_the_share_of_this_node_and_the_stronger_ones():
    made = graph(circuit_of({"mlp_0/1": 1.0, "mlp_0/2": -3.0, "mlp_0/3": 4.0}))
    assert [node["influence"] for node in made["nodes"]] == [1.0, 7 / 8, 4 / 8, 0.0]


def test_labels_and_headings_reach_the_graph():
    headings = {0: "<s>", 1: " Tom", 2: " was", 3: "\n"}
    made = graph(circuit(), {NodeId.parse("resid_1/9@2"): "he, him"}, headings)
    assert made["metadata"]["prompt_tokens"] == ["<s>", " Tom", " was", "⏎"]
    assert "he, him (resid_1/9@2)" in [node["clerp"] for node in made["nodes"]]
    assert "embed/7@1" in [node["clerp"] for node in made["nodes"]]


def test_graphml_holds_every_number():
    drawn = random_circuit(80, keep=True)
    labels = {node: NASTY[row % len(NASTY)] for row, node in enumerate(drawn.ids)}
    root = ElementTree.fromstring(graphml(drawn, labels, {1: "\x00"}))
    space = "{http://graphml.graphdrawing.org/xmlns}"
    declared = {key.get("id"): key.get("attr.name") for key in root.iter(f"{space}key")}
    nodes = {node.get("id"): node for node in root.iter(f"{space}node")}
    assert len(nodes) == 81
    values = [
        {declared[data.get("key")]: data.text for data in nodes[str(name)].iter(f"{space}data")}
        for name in drawn.ids
    ]
    assert [float(value["effect"]) for value in values] == drawn.nodes.effect.tolist()
    assert {value["feature"] for value in values} >= {"error"}
    edges = list(root.iter(f"{space}edge"))
    assert {edge.get("source") for edge in edges} | {edge.get("target") for edge in edges} <= set(nodes)
    found = [float(next(edge.iter(f"{space}data")).text) for edge in edges]
    np.testing.assert_array_equal(found, drawn.edges.effect)


def test_the_tables_hold_every_number():
    drawn = circuit()
    labels = dict.fromkeys(drawn.ids, 'a "b",\n')
    tables = csv_tables(drawn, labels, {1: " Tom"})
    nodes, edges = (
        list(csv.DictReader(io.StringIO(tables[name], newline=""))) for name in ("nodes.csv", "edges.csv")
    )
    assert [float(row["effect"]) for row in nodes] == drawn.nodes.effect.tolist()
    assert [row["id"] for row in nodes] == [str(node) for node in drawn.ids]
    assert {row["label"] for row in nodes} == {'a "b",\n'}
    assert [row["feature"] for row in nodes if row["site"] == "resid_1"] == ["error", "9"]
    assert [float(row["effect"]) for row in edges] == drawn.edges.effect.tolist()
    assert edges[-1]["target"] == "output"
    assert (
        csv_tables(circuit_of({"mlp_0/1": 1.0}), {}, {})["nodes.csv"].splitlines()[1]
        == "mlp_0/1,mlp_0,1,,,1.0,0.0,"
    )
