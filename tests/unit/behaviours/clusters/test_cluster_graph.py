"""The neighbour graph, and conductance by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from planted_clusters import as_sparse, mixture
from scipy import sparse

from circuitscope.behaviours.clusters import neighbours
from circuitscope.behaviours.clusters.local import conductances
from circuitscope.behaviours.clusters.neighbours import NeighbourGraph, neighbour_graph
from circuitscope.behaviours.clusters.unit_rows import UnitRows
from circuitscope.errors import BadInput


def graph(edges: dict[tuple[int, int], float], size: int) -> NeighbourGraph:
    weights = np.zeros((size, size), np.float32)
    for (one, other), weight in edges.items():
        weights[one, other] = weights[other, one] = weight
    return NeighbourGraph(sparse.csr_matrix(weights), 1.0)


TWO_TRIANGLES = {(0, 1): 1.0, (1, 2): 1.0, (0, 2): 1.0, (2, 3): 0.5, (3, 4): 1.0, (4, 5): 1.0, (3, 5): 1.0}
"""Joined by an edge of ½. Degrees: 2, 2, 2½, 2½, 2, 2; 13 in all."""


def test_conductance_by_hand():
    two = graph(TWO_TRIANGLES, 6)
    assert two.degrees.tolist() == [2, 2, 2.5, 2.5, 2, 2]
    assert two.conductance(np.array([0, 1, 2])) == pytest.approx(0.5 / 6.5)
    assert two.conductance(np.array([0])) == pytest.approx(1)
    assert two.conductance(np.array([2, 3])) == pytest.approx(4 / 5)
    assert two.conductance(np.array([1, 2, 3, 4, 5])) == pytest.approx(2 / 2), "the smaller side counts"
    assert two.conductance(np.arange(6)) is None


def test_the_conductance_of_each_beginning():
    two = graph(TWO_TRIANGLES, 6)
    order = np.array([1, 0, 2, 3, 5])
    leaving, found = conductances(two, order)
    np.testing.assert_allclose(found, [two.conductance(order[: size + 1]) for size in range(len(order))])
    np.testing.assert_allclose(leaving, [2 / 2, 2 / 4, 0.5 / 6.5, 2 / 9, 2 / 11])
    leaving, found = conductances(two, np.arange(6))
    assert (leaving[-1], found[-1]) == (0, np.inf)


def test_neighbours_are_the_nearest_and_weigh_their_cosine():
    angles = np.array([0.0, 0.1, 0.25, 1.2, 1.25, 4.0])
    rows = UnitRows.of(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    found = neighbour_graph(rows, 1).weights.toarray()
    assert {(0, 1), (1, 2), (3, 4)} == {tuple(pair) for pair in np.argwhere(np.triu(found))}
    np.testing.assert_allclose(found, found.T)
    assert found[0, 1] == pytest.approx(np.cos(0.1), rel=1e-5)
    assert found[1, 2] == pytest.approx(np.cos(0.15) / 2, rel=1e-5), "1 is nearer to 0 than to 2"
    assert not found[5].any(), "whose cosines are all below 0"


@pytest.mark.parametrize("make", [np.asarray, as_sparse])
def test_the_graph_is_that_of_all_pairs(make, monkeypatch):
    monkeypatch.setattr(neighbours, "_CHUNK_BYTES", 5000)
    rows = UnitRows.of(make(mixture(3, 20, noise=1.0)[0]))
    found = neighbour_graph(rows, 4).weights.toarray()
    dense = rows.rows.toarray() if rows.is_sparse else rows.rows
    cosine = dense @ dense.T
    np.fill_diagonal(cosine, -2)
    limit = np.sort(cosine, axis=1)[:, -4][:, None]
    expected = np.where(cosine >= limit, np.maximum(cosine, 0), 0)
    np.testing.assert_allclose(found, (expected + expected.T) / 2, atol=1e-6)


def test_a_graph_of_few():
    assert neighbour_graph(UnitRows.of(np.ones((1, 2))), 15).weights.shape == (1, 1)
    assert neighbour_graph(UnitRows.of(np.ones((4, 2))), 15).weights.nnz == 12


def test_part_of_a_graph_has_the_edges_between_its_vectors():
    part = graph(TWO_TRIANGLES, 6).take(np.array([1, 2, 3]))
    assert part.weights.toarray().tolist() == [[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]]


def test_faiss_finds_nearly_all(monkeypatch):
    pytest.importorskip("faiss")
    rows = UnitRows.of(mixture(20, 100, width=24, noise=0.3)[0])
    exact = neighbour_graph(rows, 10)
    monkeypatch.setattr(neighbours, "EXACT", 1000)
    found = neighbour_graph(rows, 10)
    assert exact.recall == 1
    assert 0.95 <= found.recall <= 1
    shared = (exact.weights.multiply(found.weights) > 0).sum() / (exact.weights > 0).sum()
    assert shared > 0.9
    assert not found.weights.diagonal().any()


def test_many_copies_of_a_vector_do_not_join_it_to_itself(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbours, "EXACT", 100)
    rows = mixture(2, 100)[0]
    rows[:60] = rows[0]
    found = neighbour_graph(UnitRows.of(rows), 5)
    assert not found.weights.diagonal().any()
    assert found.recall >= 0.95


def test_without_faiss(monkeypatch):
    monkeypatch.setattr(neighbours, "EXACT", 10)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BadInput, match=r"pip install 'circuitscope\[faiss\]'"):
        neighbour_graph(UnitRows.of(mixture(2, 10)[0]), 5)
