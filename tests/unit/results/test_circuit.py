"""Circuit: a value that keeps its edges straight, and reads back as it was written."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from described_circuits import described
from hypothesis import given, settings
from hypothesis import strategies as st

import circuitscope as cs
from circuitscope.errors import BadFile
from circuitscope.results import Circuit, CircuitScores, Edges, Evaluation, MetricMeans, Nodes, Score, compare
from circuitscope.terms import ERROR, OUTPUT, SUMMED, NodeId, Site

quick = settings(deadline=None, max_examples=50)

SITES = tuple(map(Site.parse, ("embed", "attn_0", "mlp_0", "resid_0")))
effects = st.sampled_from([-2.0, -1.0, -0.25, 0.0, 0.25, 1.0, 3.5])
INFO = {
    "model": "tiny",
    "task": "t",
    "metric": "logit",
    "thresholds": {"node": 0.1, "edge": 0.01},
    "positions": "keep",
    "examples": 3,
}


@st.composite
def tables(draw) -> tuple[list, list, list, list]:
    """Names and effects of nodes, ends and effects of edges: what ``circuit_from`` takes."""
    name = st.tuples(st.integers(0, 3), st.integers(ERROR, 6), st.integers(SUMMED, 3))
    names = sorted(draw(st.sets(name, max_size=8)))
    row = st.tuples(st.integers(0, len(names) - 1), st.integers(-1, len(names) - 1))
    links = sorted(draw(st.sets(row, max_size=10))) if names else []
    pairs = st.tuples(effects, effects)
    return names, [draw(pairs) for _ in names], links, [draw(pairs) for _ in links]


def circuit_from(drawn: tuple[list, list, list, list]) -> Circuit:
    names, links = (np.array(drawn[part], np.int64).reshape(-1, width).T for part, width in ((0, 3), (2, 2)))
    of_nodes, of_edges = (np.array(drawn[part], float).reshape(-1, 2).T for part in (1, 3))
    return described(SITES, Nodes(*names, *of_nodes), Edges(*links, *of_edges), INFO)


def named(circuit: Circuit) -> dict[tuple[str, str], float]:
    """Edges by the names of their ends."""
    names = [*map(str, circuit.ids), OUTPUT]
    ends = zip(circuit.edges.source, circuit.edges.target, strict=True)
    return {
        (names[s], names[t]): effect
        for (s, t), effect in zip(ends, circuit.edges.effect.tolist(), strict=True)
    }


def same(first: Circuit, second: Circuit) -> bool:
    tables = [(first.nodes, second.nodes), (first.edges, second.edges)]
    return all(
        np.array_equal(one, other)
        for ours, theirs in tables
        for one, other in zip(vars(ours).values(), vars(theirs).values(), strict=True)
    )


def circuit_of(nodes: dict[str, float], edges: dict[tuple[str, str], float] | None = None) -> Circuit:
    value = {
        "sites": [str(site) for site in SITES],
        "nodes": [{"id": name, "effect": effect, "stderr": 0.0} for name, effect in nodes.items()],
        "edges": [
            {"source": source, "target": target, "effect": effect, "stderr": 0.0}
            for (source, target), effect in (edges or {}).items()
        ],
        "info": {},
        "evaluation": None,
    }
    return Circuit.from_json(value)


@quick
@given(tables())
def test_json_reads_as_it_was_written(drawn):
    circuit = circuit_from(drawn)
    again = Circuit.from_json(json.loads(json.dumps(circuit.to_json())))
    assert same(again, circuit)
    assert (again.sites, again.evaluation) == (circuit.sites, None)
    assert (again.recipe, again.findings) == (circuit.recipe, circuit.findings)
    assert INFO.items() <= again.info.items()


@quick
@given(tables(), st.data())
def test_keep_keeps_the_edges_between_what_is_kept(drawn, data):
    circuit = circuit_from(drawn)
    rows = data.draw(st.lists(st.integers(0, max(0, len(circuit) - 1)), max_size=8 if len(circuit) else 0))
    kept = circuit.keep(np.array(rows, np.int64))
    names = {str(circuit.ids[row]) for row in rows}
    assert set(map(str, kept.ids)) == names
    inside = {
        (s, t): effect for (s, t), effect in named(circuit).items() if s in names and t in names | {OUTPUT}
    }
    assert named(kept) == inside
    for node in kept.ids:
        assert kept.effect_of(node) == circuit.effect_of(node)


@quick
@given(tables(), st.integers(0, 9))
def test_the_strongest_are_no_weaker_than_the_rest(drawn, count):
    circuit = circuit_from(drawn)
    strong = circuit.strongest(count)
    assert len(strong) == min(count, len(circuit))
    rest = [abs(circuit.effect_of(node)) for node in set(circuit.ids) - set(strong.ids)]
    assert min(np.abs(strong.nodes.effect), default=np.inf) >= max(rest, default=0)


@quick
@given(tables())
def test_ties_are_broken_by_site_position_and_feature(drawn):
    circuit = circuit_from(drawn)
    order = circuit.nodes.strongest()
    keys = [(-abs(circuit.nodes.effect[row]), circuit.ids[row]) for row in order]
    assert keys == sorted(keys)


@quick
@given(tables())
def test_a_circuit_agrees_with_itself(drawn):
    circuit = circuit_from(drawn)
    found = compare(circuit, circuit)
    assert set(found.shared) == set(circuit.ids)
    assert found.only_first == found.only_second == ()
    assert found.overlap == (1 if len(circuit) else 0)
    assert found.correlation is None or found.correlation == pytest.approx(1)


@quick
@given(tables(), tables())
def test_comparing_turns_around(drawn, other_drawn):
    first, second = circuit_from(drawn), circuit_from(other_drawn)
    one, other = compare(first, second), compare(second, first)
    assert (one.shared, one.only_first, one.only_second) == (
        other.shared,
        other.only_second,
        other.only_first,
    )
    assert (one.overlap, one.edge_overlap) == (other.overlap, other.edge_overlap)
    assert len(one.shared) + len(one.only_first) <= len(first)  # fewer where positions are summed


def test_compare_counts_what_two_circuits_share():
    first = circuit_of(
        {"embed/1": 1, "mlp_0/2": 2, "resid_0/3": 3}, {("embed/1", "mlp_0/2"): 1, ("mlp_0/2", OUTPUT): 1}
    )
    second = circuit_of({"mlp_0/2": -2, "resid_0/3": -1, "resid_0/error": 5}, {("mlp_0/2", OUTPUT): 9})
    found = compare(first, second)
    assert list(map(str, found.shared)) == ["mlp_0/2", "resid_0/3"]
    assert list(map(str, found.only_second)) == ["resid_0/error"]
    assert (found.overlap, found.edge_overlap) == (2 / 4, 1 / 2)
    assert found.correlation == pytest.approx(1)


def test_positions_count_only_where_both_circuits_keep_them():
    found = compare(circuit_of({"mlp_0/2@1": 1, "mlp_0/2@3": 2}), circuit_of({"mlp_0/2": 3}))
    assert list(map(str, found.shared)) == ["mlp_0/2"]
    assert found.overlap == 1


def test_a_node_that_is_not_there_has_no_effect():
    circuit = circuit_of({"mlp_0/2": 1.5})
    assert circuit.effect_of(NodeId.parse("mlp_0/2")) == 1.5
    assert circuit.effect_of(NodeId.parse("mlp_0/2@1")) is None


def test_the_notebook_view_escapes_what_it_shows():
    plain = circuit_of({"mlp_0/2": 1.5, "mlp_0/error": -1})
    circuit = described(plain.sites, plain.nodes, plain.edges, {"task": "<script>", "model": "m"})
    shown = circuit._repr_html_()
    assert "<script>" not in shown
    assert "mlp_0/error" in shown


def test_the_notebook_view_has_the_scores():
    circuit = circuit_of({"mlp_0/2": 1.5})
    assert "not evaluated yet" in circuit._repr_html_()
    scores = CircuitScores(
        2, 1, Score(0.5, 0.25, 0.75), Score(None, None, None, "undefined"), MetricMeans(1.0, 0.0, 1.0, 0.0)
    )
    measured = Evaluation("m", "m", "test", 40, {}, "mean", "circuit", 0.95, 2, (scores,))
    shown = replace(circuit, evaluation=measured)._repr_html_()
    assert "faithfulness 0.50 (0.25 … 0.75), completeness undefined; 2 layers free" in shown


@quick
@given(tables())
def test_a_run_folder_reads_as_it_was_written(tmp_path_factory, drawn):
    circuit = circuit_from(drawn)
    folder = tmp_path_factory.mktemp("run") / "run"
    cs.save(replace(circuit, candidates=circuit.nodes), folder)
    again = cs.load(folder)
    assert same(again, circuit)
    assert again.sites == circuit.sites
    assert again.info == circuit.info
    assert again.candidates is not None
    assert len(again.candidates) == len(circuit)


def test_a_changed_circuit_file_is_noticed(tmp_path):
    cs.save(circuit_of({"mlp_0/2": 1.5}), tmp_path / "run")
    path = tmp_path / "run" / "circuit.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadFile, match=r"circuit\.safetensors"):
        cs.load(tmp_path / "run")


def test_a_run_of_a_newer_schema_is_refused(tmp_path):
    cs.save(circuit_of({"mlp_0/2": 1.5}), tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 99}))
    with pytest.raises(BadFile, match="schema version 99"):
        cs.load(tmp_path / "run")
