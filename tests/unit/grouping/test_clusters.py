"""Clusters against an implementation that does every step by the book."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitscope.grouping.cluster import clusters


def by_the_book(
    similarity: np.ndarray, allowed: np.ndarray, least: float, count: int = 1
) -> set[frozenset[int]]:
    """Join the two clusters of largest mean similarity, as long as no pair in them is forbidden."""
    found = [[row] for row in range(len(similarity))]
    while len(found) > count:
        best, pair = least, None
        for i, first in enumerate(found):
            for j, second in enumerate(found[:i]):
                here = np.ix_(first, second)
                if allowed[here].all() and similarity[here].mean() >= best:
                    best, pair = similarity[here].mean(), (i, j)
        if pair is None:
            break
        found[pair[1]] += found.pop(pair[0])
    return {frozenset(rows) for rows in found}


def as_sets(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def drawn(nodes: int, seed: int, part: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    similarity = generator.uniform(-1, 1, (nodes, nodes))
    allowed = generator.random((nodes, nodes)) < part
    return (similarity + similarity.T) / 2, allowed | allowed.T | np.eye(nodes, dtype=bool)


@given(st.integers(1, 12), st.integers(0, 1000), st.floats(0.2, 1), st.floats(-0.9, 0.9))
@settings(max_examples=60)
def test_a_limit_on_similarity(nodes, seed, part, least):
    similarity, allowed = drawn(nodes, seed, part)
    found = as_sets(clusters(similarity, allowed, least=least))
    assert found == by_the_book(similarity, allowed, least)
    assert all(allowed[np.ix_(list(rows), list(rows))].all() for rows in found)


@given(st.integers(1, 12), st.integers(0, 1000), st.floats(0.2, 1), st.integers(1, 12))
@settings(max_examples=60)
def test_a_number_of_clusters(nodes, seed, part, count):
    similarity, allowed = drawn(nodes, seed, part)
    found = as_sets(clusters(similarity, allowed, count=count))
    assert found == by_the_book(similarity, allowed, -1.0, count)
    assert len(found) >= min(count, nodes)


@pytest.mark.parametrize("nodes", [0, 1])
def test_nothing_to_join(nodes):
    assert clusters(np.ones((nodes, nodes)), np.ones((nodes, nodes), bool), count=1).tolist() == [0] * nodes
