"""Which nodes and edges a circuit keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitscope.discovery.select import DEFAULT_NODES, reaching_output, select_edges, select_nodes
from circuitscope.errors import NothingFound
from circuitscope.results import Edges, Nodes

quick = settings(deadline=None, max_examples=50)
effects = st.lists(st.sampled_from([0.0, 0.1, -0.1, 0.5, -0.5, 2.0, -3.0]), min_size=1, max_size=20)


def nodes(values: list[float]) -> Nodes:
    rows = np.arange(len(values))
    return Nodes(np.zeros_like(rows), rows, np.full(len(rows), -1), np.array(values), np.zeros(len(rows)))


def edges(ends: list[tuple[int, int]], values: list[float] | None = None) -> Edges:
    source, target = np.array(ends, np.int64).reshape(-1, 2).T
    effect = np.ones(len(ends)) if values is None else np.array(values, float)
    return Edges(source, target, effect, np.zeros(len(ends)))


@quick
@given(effects, st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_a_threshold_keeps_what_is_strictly_above_it(values, threshold):
    wanted = [row for row, value in enumerate(values) if abs(value) > threshold]
    if not wanted:
        with pytest.raises(NothingFound):
            select_nodes(nodes(values), threshold, None)
        return
    rows, cut = select_nodes(nodes(values), threshold, None)
    assert (rows.tolist(), cut) == (wanted, threshold)


@quick
@given(effects, st.integers(1, 25))
def test_a_number_keeps_that_many_of_the_strongest_that_have_an_effect(values, count):
    size = np.abs(values)
    if not size.any():
        return
    rows, cut = select_nodes(nodes(values), None, count)
    assert len(rows) == min(count, int((size > 0).sum()))
    assert (np.diff(rows) > 0).all()
    assert cut == size[rows].min()
    assert cut >= np.delete(size, rows).max(initial=0)


def test_a_hundred_nodes_are_kept_where_nothing_is_asked():
    assert len(select_nodes(nodes([1.0] * 150), None, None)[0]) == DEFAULT_NODES == 100


def test_a_threshold_that_keeps_nothing_says_how_strong_the_strongest_is():
    with pytest.raises(NothingFound, match=r"above 5; the strongest has 3") as error:
        select_nodes(nodes([0.5, -3.0]), 5.0, None)
    assert "node_threshold" in error.value.mend


@pytest.mark.parametrize("threshold", [0.1, None])
def test_without_any_effect_the_inputs_are_suspected(threshold):
    with pytest.raises(NothingFound, match="no node") as error:
        select_nodes(nodes([0.0, 0.0]), threshold, None)
    assert "same text" in error.value.mend


def test_edges_are_cut_at_a_tenth_of_the_node_threshold():
    found, cut = select_edges(edges([(0, 1), (0, 2), (1, -1)], [0.05, -0.02, 0.001]), None, 0.1)
    assert cut == pytest.approx(0.01)
    assert found.target.tolist() == [1, 2]


def test_an_edge_threshold_is_strict_and_looks_at_size():
    found, cut = select_edges(edges([(0, 1), (0, 2), (1, -1)], [0.5, -0.6, 0.4]), 0.5, 0.1)
    assert (found.effect.tolist(), cut) == ([-0.6], 0.5)


@quick
@given(
    st.integers(1, 8).flatmap(
        lambda n: st.tuples(
            st.just(n), st.sets(st.tuples(st.integers(0, n - 1), st.integers(-1, n - 1)), max_size=15)
        )
    )
)
def test_the_nodes_that_reach_the_output_are_those_with_a_path(drawn):
    n, ends = drawn
    reached = {-1}
    while more := {s for s, t in ends if t in reached} - reached:
        reached |= more
    assert reaching_output(n, edges(sorted(ends))).tolist() == sorted(reached - {-1})


def test_without_edges_nothing_reaches_the_output():
    assert reaching_output(3, Edges.none()).tolist() == []
