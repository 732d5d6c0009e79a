"""Paths through a circuit: shares, the strongest first, and what flows where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import circuitscope as cs
from circuitscope.config import DiscoverySettings
from circuitscope.errors import BadInput, NothingFound
from circuitscope.pages.words import path_sentence
from circuitscope.pruning.by_flow import carrying
from circuitscope.results import (
    Circuit,
    DictionariesSource,
    Edges,
    Findings,
    Graph,
    ModelSource,
    Nodes,
    Recipe,
    TaskSource,
    explained_by_edges,
    paths,
)
from circuitscope.terms import ERROR, SUMMED, Site

SITES = (Site("embed", -1), Site("attn", 0), Site("mlp", 0), Site("resid", 0))


def circuit_of(nodes, edges, *, whole=None):
    """A circuit from {name: (site number, effect)} and {(source, target): effect}; ``out`` is the output."""
    row = {name: number for number, name in enumerate(nodes)} | {"out": -1}
    count = len(nodes)
    findings = Findings() if whole is None else Findings(clean_metric=whole, patch_metric=0.0)
    return Circuit(
        SITES,
        Nodes(
            np.array([site for site, _ in nodes.values()]),
            np.arange(count),
            np.full(count, SUMMED),
            np.array([effect for _, effect in nodes.values()], float),
            np.zeros(count),
        ),
        Edges(
            np.array([row[source] for source, _ in edges], np.int64),
            np.array([row[target] for _, target in edges], np.int64),
            np.array(list(edges.values()), float),
            np.zeros(len(edges)),
        ),
        findings=findings,
    )


@pytest.fixture
def diamond():
    """Two ways from a and one from b; what is missing of each node came from elsewhere."""
    return circuit_of(
        {"a": (0, 4.0), "b": (0, 1.0), "c": (1, 2.0), "d": (2, -1.0), "e": (3, 4.0)},
        {
            ("a", "c"): 1.5,
            ("b", "c"): 0.5,
            ("a", "d"): -1.0,
            ("c", "e"): 3.0,
            ("d", "e"): -0.5,
            ("a", "e"): 1.0,
            ("e", "out"): 4.0,
        },
        whole=5.0,
    )


def test_a_share_is_the_product_of_the_edges_shares(diamond):
    found = cs.paths(diamond)
    a, b, c, d, e = map(str, diamond.ids)
    assert [(path.nodes, pytest.approx(path.share)) for path in found.paths] == [
        ((a, c, e, "output"), 0.8 * 0.75 * 0.75),
        ((a, e, "output"), 0.8 * 0.25),
        ((b, c, e, "output"), 0.8 * 0.75 * 0.25),
        ((a, d, e, "output"), 0.8 * -0.125 * 1.0),
    ]
    assert found.carried == pytest.approx(sum(path.share for path in found.paths))
    assert found.whole == 5.0
    assert not found.adds_up  # nothing says that these are secants


def test_routes_take_paths_through_the_same_sites_together(diamond):
    found = cs.paths(diamond).routes
    assert [(route.nodes, pytest.approx(route.share)) for route in found] == [
        (("embed", "attn_0", "resid_0", "output"), 0.8 * 0.75),
        (("embed", "resid_0", "output"), 0.2),
        (("embed", "mlp_0", "resid_0", "output"), -0.1),
    ]


def test_paths_may_begin_and_end_anywhere(diamond):
    a, b, c, _, e = map(str, diamond.ids)
    into = cs.paths(diamond, target=e, source=a)
    assert [path.nodes for path in into.paths] == [(a, c, e), (a, e), (a, str(diamond.ids[3]), e)]
    assert into.whole == 4.0
    assert into.carried == pytest.approx(0.75 * 0.75 + 0.25 - 0.125)
    assert cs.paths(diamond, source=b, target=c).paths[0].share == pytest.approx(0.25)
    assert cs.paths(diamond, source=e).paths[0].nodes == (e, "output")
    nothing = cs.paths(diamond, source=c, target=str(diamond.ids[3]))
    assert (nothing.paths, nothing.routes, nothing.carried) == ((), (), 0.0)


def test_a_node_without_a_position_means_all_of_its_positions(diamond):
    nodes = replace(diamond.nodes, position=np.array([1, 2, 1, 2, 2]), feature=np.array([7, 7, 1, 2, 3]))
    placed = replace(diamond, nodes=nodes)
    assert cs.paths(placed, source="embed/7").carried == pytest.approx(cs.paths(placed).carried)
    assert cs.paths(placed, source="embed/7@2").carried == pytest.approx(0.15)
    with pytest.raises(BadInput, match="embed/7 means 2 nodes: embed/7@1, embed/7@2"):
        cs.paths(placed, target="embed/7")
    assert cs.paths(placed).routes[0].nodes == ("embed@1", "attn_0@1", "resid_0@2", "output")


def test_what_is_not_there_is_named(diamond):
    with pytest.raises(BadInput, match="node resid_0/99 is not in the circuit"):
        cs.paths(diamond, source="resid_0/99")
    with pytest.raises(BadInput, match="at least 1"):
        cs.paths(diamond, count=0)


def test_how_much_edges_explain_leaves_the_first_site_out(diamond):
    missing = abs(2.0 - 2.0) + abs(-1.0 + 1.0) + abs(3.5 - 4.0)
    assert explained_by_edges(diamond) == pytest.approx(1 - missing / (2 + 1 + 4))
    assert explained_by_edges(circuit_of({"a": (0, 1.0)}, {("a", "out"): 1.0})) is None


# -- against every path by hand ------------------------------------------------------------------------------


@st.composite
def parts(draw):
    """Nodes, edges and the whole effect: what ``circuit_of`` takes."""
    count = draw(st.integers(2, 8))
    effect = st.floats(-3, 3).filter(lambda value: abs(value) > 0.05)
    names = [f"n{number}" for number in range(count)]
    places = sorted(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    nodes = {name: (place, draw(effect)) for name, place in zip(names, places, strict=True)}
    edges = {}
    for source, target in [(s, t) for s in names for t in [*names, "out"]]:
        later = target == "out" or nodes[source][0] < nodes[target][0]
        if later and draw(st.booleans()):
            edges[source, target] = draw(effect)
    return nodes, edges, draw(effect)


def every_path(circuit):
    """All paths with their shares, by walking down from every beginning."""
    edges = list(zip(circuit.edges.source, circuit.edges.target, circuit.edges.effect, strict=True))
    whole = [*circuit.nodes.effect, circuit.findings.clean_metric]
    begins = set(range(len(circuit))) - {int(target) for _, target, _ in edges}

    def walk(row, path, share):
        if row == -1:
            yield (*path, "output"), share
            return
        for source, target, effect in edges:
            if source == row:
                yield from walk(int(target), (*path, str(circuit.ids[row])), share * effect / whole[target])

    for row in begins:
        yield from walk(row, (), 1.0)


@settings(max_examples=150, deadline=None)
@given(parts())
def test_the_strongest_paths_are_found_whatever_the_signs(made):
    circuit = circuit_of(made[0], made[1], whole=made[2])
    expected = sorted(every_path(circuit), key=lambda item: -abs(item[1]))
    found = paths(circuit, count=4)
    sizes = [abs(path.share) for path in found.paths]
    assert sizes == pytest.approx([abs(share) for _, share in expected[:4]])
    shares = dict(expected)
    assert all(path.share == pytest.approx(shares[path.nodes]) for path in found.paths)
    assert found.carried == pytest.approx(sum(shares.values()), abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(parts())
def test_the_strongest_routes_are_sums_of_paths(made):
    circuit = circuit_of(made[0], made[1], whole=made[2])
    sums = {}
    for nodes, share in every_path(circuit):
        route = tuple(name.split("/")[0] for name in nodes)
        sums[route] = sums.get(route, 0.0) + share
    found = paths(circuit, count=5).routes
    expected = sorted((abs(share) for share in sums.values() if abs(share) > 1e-12), reverse=True)
    assert [abs(route.share) for route in found] == pytest.approx(expected[:5], abs=1e-9)
    assert all(route.share == pytest.approx(sums[route.nodes], abs=1e-9) for route in found)


# -- flow ----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(parts())
def test_flow_is_handed_on_whole(made):
    circuit = circuit_of(made[0], made[1], whole=made[2])
    graph = Graph(circuit)
    flow = graph.flow()
    if not (circuit.edges.target < 0).any():
        assert not flow.any()
        return
    assert flow[graph.target == -1].sum() == pytest.approx(1.0)
    into = np.bincount(graph.target[graph.target >= 0], flow[graph.target >= 0], minlength=len(circuit))
    out = np.bincount(graph.source, flow, minlength=len(circuit))
    inner = np.setdiff1d(np.arange(len(circuit)), graph.beginnings)
    assert into[inner] == pytest.approx(out[inner])
    assert out[graph.beginnings].sum() == pytest.approx(1.0)


@settings(max_examples=100, deadline=None)
@given(parts(), st.sampled_from([0.3, 0.6, 0.9, 1.0]))
def test_what_carries_a_share_carries_it_and_hangs_together(made, share):
    circuit = circuit_of(made[0], made[1], whole=made[2])
    if not (circuit.edges.target < 0).any():
        with pytest.raises(NothingFound, match="no edge of the circuit goes into the output"):
            carrying(circuit, share)
        return
    part = carrying(circuit, share)
    assert set(part.ids) <= set(circuit.ids)
    names = {(str(c.ids[s]), str(c.ids[t]) if t >= 0 else "output") for c in (part,) for s, t in edges_of(c)}
    all_names = {
        (str(circuit.ids[s]), str(circuit.ids[t]) if t >= 0 else "output") for s, t in edges_of(circuit)
    }
    assert names <= all_names
    graph = Graph(circuit)
    row = {str(node): number for number, node in enumerate(circuit.ids)} | {"output": -1}
    kept_pairs = {(row[source], row[target]) for source, target in names}
    kept = np.array([pair in kept_pairs for pair in zip(graph.source, graph.target, strict=True)])
    assert graph.carried(graph.beginnings, kept=kept, sizes=True)[-1] >= share - 1e-9
    # Every node lies between an original beginning and the output.
    begins = {str(circuit.ids[number]) for number in graph.beginnings}
    sources, targets = ({pair[end] for pair in names} for end in (0, 1))
    assert {str(node) for node in part.ids} <= sources
    assert {str(node) for node in part.ids} - targets <= begins


def edges_of(circuit):
    return zip(circuit.edges.source.tolist(), circuit.edges.target.tolist(), strict=True)


@pytest.mark.parametrize(
    ("method", "adds_up"),
    [("ig", True), ("atp", True), ("relp", True), ("exact", False), ("atp-graddrop", False)],
)
def test_shares_are_parts_of_a_whole_only_where_effects_are_those_of_the_edges_gradients(
    diamond, method, adds_up
):
    settings = DiscoverySettings(method=method, edges_at="secant")
    recipe = Recipe(ModelSource("m"), DictionariesSource("d"), TaskSource("t", "files"), settings)
    found = cs.paths(replace(diamond, recipe=recipe))
    assert found.adds_up == adds_up
    assert found.whole == (5.0 if method == "ig" else 4.0)
    if not adds_up:  # of what arrives, so no share runs away
        assert found.carried == pytest.approx(1.0)
        assert "take the shares as a ranking" in path_sentence(found)


def test_a_large_circuit_with_edges_that_cancel_is_answered_soon():
    """26 layers of eight nodes; what is left aside is said."""
    draw, sites = np.random.default_rng(0), tuple(Site("resid", layer) for layer in range(26))
    count = 8 * len(sites)
    source, target, effect = [], [], []
    for row in range(8, count):
        above = list(range(max(0, (row // 8 - 3) * 8), row // 8 * 8))
        share = draw.random(len(above)) * np.where(draw.random(len(above)) < 0.1, -1, 1)
        source += above
        target += [row] * len(above)
        effect += list(0.9 * share / share.sum())
    for row in range(count - 8, count):
        source.append(row)
        target.append(-1)
        effect.append(0.125)
    nodes = Nodes(
        np.repeat(np.arange(26), 8), np.arange(count), np.full(count, SUMMED), np.ones(count), np.zeros(count)
    )
    edges = Edges(np.array(source), np.array(target), np.array(effect), np.zeros(len(effect)))
    found = cs.paths(Circuit(sites, nodes, edges), count=3)
    assert len(found.routes) == 3
    assert not found.exact_routes
    assert "a stronger one may be missing" in path_sentence(found)


def test_paths_do_not_begin_at_the_output(diamond):
    with pytest.raises(BadInput, match="paths from the output"):
        cs.paths(diamond, source="output")


def test_errors_are_nodes_like_others(diamond):
    nodes = replace(diamond.nodes, feature=np.array([0, 1, ERROR, 3, 4]))
    found = cs.paths(replace(diamond, nodes=nodes))
    assert found.paths[0].nodes == ("embed/0", "attn_0/error", "resid_0/4", "output")
