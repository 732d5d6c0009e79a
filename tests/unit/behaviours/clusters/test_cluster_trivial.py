"""Trivial groupings on hand-made tokens, and scores within the contexts of one answer, solved by hand."""

from __future__ import annotations

import numpy as np
import pytest
from planted_clusters import contexts_of
from scipy import sparse

from circuitscope.behaviours.clusters.scores import agreement
from circuitscope.behaviours.clusters.trivial import (
    ANSWER,
    BIGRAM,
    LAST,
    NOTHING,
    feature_grouping,
    last_two,
    strongest_columns,
    token_groupings,
)

A, B, C, X, Y = range(1, 6)
TOKENS = [[A, B], [A, B], [C, B], [B], [A, C], [C]]
ANSWERS = [X, X, X, Y, Y, X]


def groupings() -> dict[str, object]:
    contexts = contexts_of(TOKENS, ANSWERS)
    found = token_groupings(contexts.answers, last_two(contexts.ids, contexts.starts))
    return {one.name: one for one in found}


def test_last_two_tokens():
    contexts = contexts_of(TOKENS, ANSWERS)
    expected = [[A, B], [A, B], [C, B], [NOTHING, B], [A, C], [NOTHING, C]]
    assert last_two(contexts.ids, contexts.starts).tolist() == expected


@pytest.mark.parametrize(
    ("grouping", "members", "shared", "jaccard", "share"),
    [
        (ANSWER, [0, 1, 2, 5], (X,), 1.0, 1.0),
        (ANSWER, [0, 1, 2, 3], (X,), 3 / 5, 3 / 4),
        (ANSWER, [3, 4, 5], (Y,), 2 / 3, 2 / 3),
        (LAST, [0, 1, 2, 3], (B,), 1.0, 1.0),
        (LAST, [0, 1], (B,), 2 / 4, 1.0),
        (BIGRAM, [0, 1], (A, B), 1.0, 1.0),
        (BIGRAM, [0, 1, 2], (A, B), 2 / 3, 2 / 3),
    ],
)
def test_a_cluster_against_what_its_contexts_share(grouping, members, shared, jaccard, share):
    found = groupings()[grouping]
    number, overlap, part = found.compared(np.array(members))
    assert found.shared[number] == shared
    assert (overlap, part) == pytest.approx((jaccard, share))


def test_the_strongest_feature():
    rows = np.array([[0.0, -3.0, 2.0], [0.0, 0.0, 0.0], [1.0, 0.5, 0.0]])
    for made in (rows, sparse.csr_matrix(rows)):
        assert strongest_columns(made).tolist() == [1, NOTHING, 0]
    assert strongest_columns(np.zeros((0, 3))).tolist() == []


def test_contexts_without_any_feature_share_nothing():
    grouping = feature_grouping(np.array([7, 7, NOTHING, NOTHING, 2]))
    assert grouping.compared(np.array([2, 3])) == (NOTHING, 0.0, 0.0)
    number, jaccard, share = grouping.compared(np.array([0, 1, 2]))
    assert grouping.shared[number] == (7,)
    assert (jaccard, share) == pytest.approx((2 / 3, 2 / 3))


def test_the_same_clusters_as_labels():
    labels = np.array([0, 0, 1, 1, 2, 2])
    found = agreement(labels, np.array([5, 5, 9, 9, 0, 0]), np.array([1, 1, 1, 1, 2, 2]))
    assert (found.ami, found.ari) == pytest.approx((1, 1))
    assert (found.answers, found.ami_given_answer, found.ari_given_answer) == (1, 1, 1)


def test_clusters_of_the_same_answer_say_nothing_within_an_answer():
    """Labels follow the answer closely, so clusters by answer agree with them well, and not at all given the
    answer."""
    answers = np.repeat([0, 1], 10)
    labels = np.where(np.arange(20) % 10 < 8, answers, 2 + answers)
    found = agreement(labels, answers, answers)
    assert found.ami > 0.5
    assert found.ari > 0.5
    assert (found.answers, found.ami_given_answer, found.ari_given_answer) == (2, 0, 0)


def test_the_mean_within_answers_counts_contexts():
    """Answer 0: 4 contexts told apart. Answer 1: 8 contexts, of which clusters know nothing. Answer 2: one label."""
    answers = np.repeat([0, 1, 2], [4, 8, 5])
    labels = np.concatenate([[0, 0, 1, 1], np.tile([2, 3], 4), np.full(5, 4)])
    clusters = np.concatenate([[0, 0, 1, 1], np.full(8, 2), [0, 1, 0, 1, 2]])
    found = agreement(labels, clusters, answers)
    assert found.answers == 2
    assert found.ari_given_answer == pytest.approx(4 / 12)
    assert found.ami_given_answer == pytest.approx(4 / 12)


def test_the_rand_index_within_an_answer_by_hand():
    """Labels aaabbb, clusters 112222: index 0 + 1 + 3 + ... pairs; expected by chance 6 · 7 / 15, at most 6.5."""
    labels, clusters = np.array([0, 0, 0, 1, 1, 1]), np.array([1, 1, 2, 2, 2, 2])
    together = 1 + 0 + 3  # pairs in {1 a a}, {2 a}, {2 b b b}
    expected = 6 * 7 / 15
    found = agreement(labels, clusters, np.zeros(6, np.int64))
    assert found.ari_given_answer == pytest.approx((together - expected) / ((6 + 7) / 2 - expected))


def test_contexts_in_no_cluster_each_stand_alone():
    labels = np.array([0, 0, 1, 1])
    alone = agreement(labels, np.array([0, 0, -1, -1]), labels)
    same = agreement(labels, np.array([0, 0, 1, 2]), labels)
    assert (alone.ami, alone.ari) == (same.ami, same.ari)
    assert alone.ari < 1
    assert (alone.answers, alone.ami_given_answer) == (0, None)
