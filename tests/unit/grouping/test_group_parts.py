"""Similarity, places, sums and names, each by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitscope.grouping.group_edges import group_edges, ordered
from circuitscope.grouping.may_join import default_span, may_join
from circuitscope.grouping.naming import (
    Member,
    aim_of,
    layers_of,
    told_apart,
    traits_of,
    unique,
    where_of,
    words,
)
from circuitscope.grouping.similarity import combined, correlations, cosines, profiles
from circuitscope.results import Circuit, FeatureTokens, NodeActivity, Share, TokenWeight
from circuitscope.terms import OUTPUT, NodeId


def circuit_of(nodes: dict[str, float], edges: dict[tuple[str, str], float] | None = None) -> Circuit:
    sites = sorted({NodeId.parse(name).site for name in nodes})
    return Circuit.from_json(
        {
            "sites": [site.name for site in sites],
            "nodes": [{"id": name, "effect": effect, "stderr": 0.1} for name, effect in nodes.items()],
            "edges": [
                {"source": source, "target": target, "effect": effect, "stderr": 0.01}
                for (source, target), effect in (edges or {}).items()
            ],
            "info": {},
            "evaluation": None,
        }
    )


# -- similarity ----------------------------------------------------------------------------------------------


def test_correlation_is_pearsons_and_unknown_where_nothing_varies():
    values = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    values[:, 3] = 0.1
    found = correlations(values)
    np.testing.assert_allclose(found[:3, :3], np.corrcoef(values[:, :3].T), atol=1e-6)
    assert np.isnan(found[3]).all()
    assert np.isnan(found[:, 3]).all()


def test_a_zero_vector_is_like_nothing():
    found = cosines(np.array([[3.0, 4.0], [4.0, -3.0], [0.0, 0.0], [-6.0, -8.0]]))
    np.testing.assert_allclose(found[0], [1, 0, np.nan, -1], atol=1e-12)


def test_edges_in_and_out_count_alike_and_only_where_there_are_any():
    nodes = dict.fromkeys(("embed/1", "mlp_0/1", "mlp_0/2", "mlp_0/3", "resid_1/1", "resid_1/2"), 1.0)
    edges = {
        ("embed/1", "mlp_0/1"): 1.0,
        ("embed/1", "mlp_0/2"): -2.0,
        ("mlp_0/1", "resid_1/1"): 1.0,
        ("mlp_0/2", "resid_1/1"): 1.0,
        ("mlp_0/2", "resid_1/2"): 1.0,
        ("mlp_0/3", "resid_1/2"): 5.0,
        ("resid_1/1", OUTPUT): 1.0,
        ("resid_1/2", OUTPUT): 7.0,
    }
    circuit = circuit_of(nodes, edges)
    found = profiles(circuit.edges, len(circuit))
    assert found[1, 2] == pytest.approx((-1 + 2**-0.5) / 2), "in: opposite signs; out: one of two in common"
    assert found[2, 3] == pytest.approx(2**-0.5), "the last has no edge in: out alone counts"
    assert found[4, 5] == pytest.approx((1 + 1 / 52**0.5) / 2), (
        "both feed the output; one source of two in common"
    )


def test_views_are_weighted_over_those_that_are_known():
    views = {
        "activity": np.array([[1.0, 0.5], [0.5, 1.0]]),
        "vectors": np.array([[1.0, -1.0], [-1.0, 1.0]]),
        "edges": np.full((2, 2), np.nan),
    }
    assert combined(views, {"activity": 1.0, "vectors": 1.0, "edges": 9.0})[0, 1] == -0.25
    assert combined(views, {"activity": 3.0, "vectors": 1.0, "edges": 0.0})[0, 1] == pytest.approx(0.125)
    assert combined(views, {"activity": 0.0, "vectors": 0.0, "edges": 1.0})[0, 1] == 0, "nothing is known"


# -- places --------------------------------------------------------------------------------------------------


def test_who_may_join():
    names = {
        "embed/1@2": 1.0,
        "mlp_0/1@2": 1.0,
        "resid_0/1@2": 2.0,
        "resid_0/1@3": 2.0,
        "resid_1/4@2": 1.0,
        "resid_1/5@2": -1.0,
        "resid_1/error@2": 1.0,
    }
    allowed = may_join(circuit_of(names), 1)
    pairs = {(i, j) for i, j in zip(*np.nonzero(allowed), strict=True) if i < j}
    assert pairs == {(1, 2)}
    wider = may_join(circuit_of(names), 2)
    assert {(i, j) for i, j in zip(*np.nonzero(wider), strict=True) if i < j} == {
        (0, 1),
        (0, 2),
        (1, 2),
        (1, 4),
        (2, 4),
    }
    assert [default_span(layers) for layers in (1, 4, 6, 26)] == [1, 1, 2, 6]


# -- sums ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 1000))
@settings(max_examples=60)
def test_every_node_is_in_one_group_and_no_edge_is_lost(nodes, edges, seed):
    generator = np.random.default_rng(seed)
    names = {f"resid_{row % 4}/{row}@{row % 2}": float(generator.normal()) for row in range(nodes)}
    ids = [*names, OUTPUT]
    links = {
        (ids[generator.integers(nodes)], ids[generator.integers(nodes + 1)]): float(generator.normal())
        for _ in range(edges)
    }
    circuit = circuit_of(names, links)
    labels = generator.integers(0, 5, nodes)
    groups = ordered(circuit, labels)
    assert sorted(np.concatenate(groups).tolist()) == list(range(nodes))
    assert len(groups) == len(np.unique(labels))
    between, inside = group_edges(circuit, groups)
    assert sum(edge.effect for edge in between) + sum(inside) == pytest.approx(
        circuit.edges.effect.sum(), abs=1e-9
    )
    assert len({(edge.source, edge.target) for edge in between}) == len(between)
    of_node = {row: index for index, rows in enumerate(groups) for row in rows.tolist()} | {-1: -1}
    for edge in between:
        rows = [
            row
            for row, (source, target) in enumerate(
                zip(circuit.edges.source, circuit.edges.target, strict=True)
            )
            if (of_node[source], of_node[target]) == (edge.source, edge.target)
        ]
        assert edge.edges == len(rows)
        assert edge.effect == pytest.approx(circuit.edges.effect[rows].sum())
        assert edge.stderr == pytest.approx(circuit.edges.stderr[rows].sum())


# -- names ---------------------------------------------------------------------------------------------------


def member(
    name: str, effect: float, active: tuple[float, float], tokens=(" cats", " dogs"), seen=4, words=()
) -> Member:
    shares = tuple(Share(kind, 50, part, part) for kind, part in zip(("are", "is"), active, strict=True))
    activity = NodeActivity(name, 0.5, 0.5, shares, (), tokens, len(tokens), seen, words)
    raised = tuple(TokenWeight(f" {word}", 2.0 - n) for n, word in enumerate(("have", "go")))
    promoted = FeatureTokens("resid_1", 1, raised, (), exact=True)
    return Member(NodeId.parse(name), effect, activity, promoted)


def named(*members: Member, at_end: bool = True) -> str:
    (traits,) = told_apart([traits_of(members)], [2])
    return f"{where_of(members, traits)} {aim_of(members, traits, at_end=at_end)}".strip()


def test_names_say_what_a_group_is_active_on_and_for():
    plural = member("resid_1/1@2", 2.0, (1.0, 0.0))
    assert named(plural) == "on “cats”, “dogs” → “are”"
    assert (
        named(plural, member("resid_1/2@2", 1.5, (0.4, 0.1), tokens=(" boys",)))
        == "on “cats”, “boys”, “dogs” → “are”"
    )
    assert named(member("resid_1/1@2", -2.0, (1.0, 0.0))) == "on “cats”, “dogs” ⊣ “are”"
    assert named(member("resid_1/1@2", 2.0, (1.0, 0.0), seen=2)) == "at “cats”, “dogs” → “are”"
    both = member("resid_1/1@2", 2.0, (0.5, 0.5))
    assert named(both) == "on “cats”, “dogs” makes likelier “have”, “go”"
    assert named(both, at_end=False) == "on “cats”, “dogs”"
    assert named(Member(NodeId.parse("mlp_3/error@2"), 1.0, None, None)) == "error of mlp_3 at position 2"
    assert named(member("resid_1/1@2", 2.0, (0.5, 0.5), tokens=()), at_end=False) == "silent"


def test_words_are_pieced_together_and_quoted():
    pieces = member("resid_1/1@2", 2.0, (1.0, 0.0), tokens=("ke", "k"), words=("Luke", "Ha…", "Mike", "Jake"))
    assert named(pieces) == "on “Luke”, “Ha…”, “Mike” … → “are”"
    assert words([" One", ",", "\n", " ", " .", "One"]) == "“One”, “,”, “\\n” …"


def test_words_that_tell_groups_apart_come_first():
    shared = ("the", "a", "cat")
    first = traits_of([member("resid_1/1@2", 1.0, (0.5, 0.5), words=("the", "a", "cat"))])
    second = traits_of([member("resid_1/2@2", 1.0, (0.5, 0.5), words=("the", "a", "dog"))])
    elsewhere = traits_of([member("resid_1/2@3", 1.0, (0.5, 0.5), words=("cat",))])
    assert tuple(first.words) == shared
    assert sum(first.words.values()) == pytest.approx(1)
    (alone,) = told_apart([first], [2])
    assert tuple(alone.words) == shared
    one, two, other = told_apart([first, second, elsewhere], [2, 2, 3])
    # Shares are 6/11, 3/11 and 2/11. "the": (6/11)² · 2 / (12/11) = 0.545; "cat": (2/11)² · 2 / (2/11) = 0.364.
    assert tuple(one.words) == ("the", "cat", "a")
    assert tuple(two.words) == ("the", "dog", "a")
    assert tuple(other.words) == ("cat",)
    weak = traits_of([member("resid_1/1@2", 1.0, (0.5, 0.5), words=tuple("abcdefgh"))])
    same = traits_of([member("resid_1/2@2", 1.0, (0.5, 0.5), words=tuple("abcdefg"))])
    assert "h" not in list(told_apart([weak, *[same] * 8], [2] * 9)[0].words)[:3], (
        "a word of little weight is no name"
    )


def test_the_strong_members_decide():
    strong, weak = member("resid_1/1@2", 5.0, (0.0, 1.0)), member("resid_1/2@2", 0.1, (1.0, 0.0))
    assert named(strong, weak).endswith("→ “is”")


def test_no_two_names_are_equal():
    found = unique(["a", "a", "b", "c", "c"], lambda row: "same" if row > 2 else f"promotes {row}")
    assert found == ["a (promotes 0)", "a (promotes 1)", "b", "c (1)", "c (2)"]


def test_layers_in_words():
    assert layers_of(("mlp_0",)) == "mlp_0"
    assert layers_of(("attn_2", "resid_2")) == "layer 2"
    assert layers_of(("embed", "mlp_0", "resid_1")) == "embed and layers 0 to 1"
