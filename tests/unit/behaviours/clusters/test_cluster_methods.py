"""Planted clusters are found again, by every method, on dense and on sparse rows."""

from __future__ import annotations

import numpy as np
import pytest
from planted_clusters import as_sparse, labels_of, mixture
from sklearn.metrics import adjusted_rand_score

from circuitscope.behaviours.clusters import kmeans, neighbours
from circuitscope.behaviours.clusters.fit import Space, by_label, fit
from circuitscope.behaviours.clusters.local import WalkedCluster, dips, elected
from circuitscope.behaviours.clusters.unit_rows import UnitRows
from circuitscope.config import ClusterSettings
from circuitscope.errors import BadInput

METHODS = ("local", "spectral", "angular", "kmeans", "hdbscan")


def space_of(rows: object, settings: ClusterSettings) -> Space:
    return Space.of(UnitRows.of(rows), settings)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [np.asarray, as_sparse])
@pytest.mark.parametrize("neighbours", [8, 30])
def test_a_planted_mixture_is_found(method, make, neighbours):
    rows, labels = mixture()
    settings = ClusterSettings(method=method, clusters="6", neighbours=neighbours)
    (found,) = fit(space_of(make(rows), settings), settings)
    assert len(found) == 6
    assert adjusted_rand_score(labels, labels_of(found, len(labels))) == 1


@pytest.mark.parametrize("method", ["local", "spectral", "kmeans"])
def test_a_planted_mixture_in_noise_is_found(method):
    """Here the neighbour graph is in one piece."""
    rows, labels = mixture(clusters=5, each=80, noise=0.2, seed=3)
    settings = ClusterSettings(method=method, clusters="5")
    space = space_of(rows, settings)
    assert len(set(space.graph.components.tolist())) == 1
    (found,) = fit(space, settings)
    assert len(found) == 5
    assert adjusted_rand_score(labels, labels_of(found, len(labels))) > 0.95


def test_spectral_solves_large_pieces_too():
    rows, labels = mixture(clusters=3, each=700, noise=0.12, seed=1)
    settings = ClusterSettings(method="spectral", clusters="3")
    space = space_of(rows, settings)
    assert np.bincount(space.graph.components).max() > 600
    (found,) = fit(space, settings)
    assert adjusted_rand_score(labels, labels_of(found, len(labels))) > 0.95


def test_planted_groups_that_overlap_are_both_found():
    """The middle third of a line of directions belongs to both ends; two other groups are far from all of it."""
    draw = np.random.default_rng(0)
    middle = np.eye(12)[[0, 0, 1, 2, 3]]
    middle[1] = (middle[0] + middle[2]) / 2**0.5
    kinds = np.repeat(np.arange(5), [30, 30, 30, 80, 80])
    rows = middle[kinds] + 0.02 * draw.normal(size=(len(kinds), 12))
    settings = ClusterSettings(neighbours=45, largest=70, overlap=0.6)
    (found,) = fit(space_of(rows, settings), settings)
    members = {tuple(np.unique(kinds[one]).tolist()): one for one in found}
    assert len(members[0, 1]) == len(members[1, 2]) == 60
    shared = np.intersect1d(members[0, 1], members[1, 2])
    assert shared.tolist() == np.flatnonzero(kinds == 1).tolist()


@pytest.mark.parametrize(("conductance", "sizes"), [(0.5, [20, 20, 20, 60]), (0.1, [60, 60])])
def test_a_lower_conductance_gives_larger_clusters(conductance, sizes):
    """Three tight groups around one direction, and one far away."""
    draw = np.random.default_rng(0)
    around = np.eye(20)[0] + 0.7 * np.eye(20)[1:4]
    middle = np.concatenate([around, np.eye(20)[9:10]])
    kinds = np.repeat(np.arange(4), [20, 20, 20, 60])
    rows = middle[kinds] + 0.02 * draw.normal(size=(len(kinds), 20))
    settings = ClusterSettings(neighbours=24, conductance=conductance)
    (found,) = fit(space_of(rows, settings), settings)
    assert sorted(map(len, found)) == sizes
    groups = kinds if conductance > 0.2 else kinds == 3
    assert adjusted_rand_score(groups, labels_of(found, len(kinds))) == 1


def test_noise_is_hardly_in_a_local_cluster():
    planted, labels = mixture(clusters=3, each=30, width=64)
    draw = np.random.default_rng(1)
    rows = np.concatenate([planted, 5 * draw.normal(size=(150, 64))])
    settings = ClusterSettings(conductance=0.3)
    (found,) = fit(space_of(rows, settings), settings)
    found = [one for one in found if (one < 90).any()]
    assert len(found) == 3, "besides the cloud of noise, which is far from them"
    assert adjusted_rand_score(labels, labels_of(found, len(rows))[:90]) == 1
    assert all((one >= 90).mean() < 0.2 for one in found), "of 150 rows of noise"


def test_clusters_are_elected_by_their_own_members():
    """Ten vectors name themselves; two at the rim show them with what is around, which is cut off worse or better."""
    ten, rim, apart = np.arange(10), np.arange(30), np.arange(8, 20)
    walked = np.ones(30, bool)
    for value in (0.3, 0.1):
        shown = [
            WalkedCluster(0.2, ten, seeds=[0, 1, 2, 3, 4, 5, 6, 7]),
            WalkedCluster(value, rim, seeds=[20, 21]),
            WalkedCluster(0.4, apart, seeds=[10, 11, 12, 13, 14]),
        ]
        kept = elected(shown, walked, 0.5)
        assert [one.tolist() for one in kept] == [ten.tolist(), apart.tolist()]
    assert [one.tolist() for one in elected(shown, walked, 0.1)] == [ten.tolist()], "apart shares 2 of 10"


def test_near_duplicates_vote_for_the_best_cut():
    ten, nine, five = np.arange(10), np.arange(1, 10), np.arange(5)
    shown = [
        WalkedCluster(0.2, ten, seeds=[0, 2]),
        WalkedCluster(0.1, nine, seeds=[9]),
        WalkedCluster(0.3, five, seeds=[1]),
    ]
    kept = elected(shown, np.ones(12, bool), 0.5)
    assert [one.tolist() for one in kept] == [nine.tolist()], "2 of its 9 name it, and 1 of the 5"
    kept = elected(shown, np.isin(np.arange(12), [1, 2, 9]), 0.7)
    assert [one.tolist() for one in kept] == [nine.tolist()], "2 of 3 that walked, and 1 of 2"


def test_the_size_of_local_clusters_is_kept_to():
    rows, _ = mixture(clusters=2, each=60)
    for largest, expected in ((40, []), (60, [60, 60])):
        settings = ClusterSettings(smallest=20, largest=largest)
        (found,) = fit(space_of(rows, settings), settings)
        assert [len(one) for one in found] == expected, "the beginning of a cluster is none"


def test_a_dip_is_lower_than_what_is_near_its_size():
    assert dips(np.array([1.0, 0.5, 0.6, 0.4, 0.9, 0.9, 0.9, 0.9, 0.1])) == [4, 9]
    assert dips(np.array([1.0, 0.9, 0.6, 0.55, 0.57, 0.5, 0.9])) == [6], "4 is undercut by 6"
    assert dips(np.array([1.0, 0.2, 0.2, 0.3, 0.8, 0.9])) == [2]
    assert dips(np.array([1.0, 0.5, 0.54, 0.54, 0.54, 0.54])) == [], "hardly anything rises after it"
    assert dips(np.array([1.0, 0.5, 0.0])) == [3], "a piece of the graph, after which nothing is reached"
    assert dips(np.zeros(0)) == []


def test_noise_has_no_local_clusters():
    rows = np.random.default_rng(0).normal(size=(1000, 32))
    settings = ClusterSettings()
    assert fit(space_of(rows, settings), settings) == [[]]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_clusters(method):
    rows, _ = mixture(noise=0.3)
    settings = ClusterSettings(method=method, clusters="6", conductance=0.9, seed=5)
    once, again = (fit(space_of(rows, settings), settings)[0] for _ in range(2))
    assert [one.tolist() for one in once] == [one.tolist() for one in again]


@pytest.mark.parametrize("method", ["spectral", "angular", "kmeans"])
def test_fewer_contexts_than_clusters(method):
    settings = ClusterSettings(method=method, clusters="3,13")
    with pytest.raises(BadInput, match="13 clusters of 12 contexts") as error:
        fit(space_of(mixture(3, 4)[0], settings), settings)
    assert "at most 12 clusters" in str(error.value)


@pytest.mark.parametrize("method", ["spectral", "angular", "kmeans"])
def test_fewer_different_vectors_than_clusters(method):
    settings = ClusterSettings(method=method, clusters="5")
    rows = np.repeat(np.eye(4), 5, axis=0)
    with pytest.raises(BadInput, match="5 clusters of 20 contexts with 4 different vectors"):
        fit(space_of(rows, settings), settings)


@pytest.mark.parametrize("method", METHODS)
def test_copies_are_one_cluster(method):
    settings = ClusterSettings(method=method, clusters="4", neighbours=3)
    (found,) = fit(space_of(np.repeat(np.eye(4), 5, axis=0), settings), settings)
    assert sorted(one.tolist() for one in found) == np.arange(20).reshape(4, 5).tolist()


@pytest.mark.parametrize("method", METHODS)
def test_a_few_contexts(method):
    """As many as clusters, or one alone: no method fails."""
    settings = ClusterSettings(method=method, clusters="2")
    fit(space_of(np.eye(2), settings), settings)
    settings = ClusterSettings(method=method, clusters="1")
    fit(space_of(np.ones((1, 3)), settings), settings)


def test_several_numbers_of_clusters_at_once():
    rows, labels = mixture()
    for method in ("spectral", "angular", "kmeans"):
        settings = ClusterSettings(method=method, clusters="12,2,6")
        found = fit(space_of(rows, settings), settings)
        assert [len(one) for one in found] == [2, 6, 12]
        assert adjusted_rand_score(labels, labels_of(found[1], len(labels))) == 1


def test_kmeans_by_faiss_finds_the_same(monkeypatch):
    pytest.importorskip("faiss")
    rows, labels = mixture(clusters=2, each=80)
    monkeypatch.setattr(kmeans, "EXACT", 100)
    found = kmeans.spherical_kmeans(UnitRows.of(rows).rows, 2, seed=1)
    assert adjusted_rand_score(labels, found) == 1


def test_the_angular_affinity_of_too_many(monkeypatch):
    monkeypatch.setattr("circuitscope.behaviours.clusters.spectral.EXACT", 100)
    settings = ClusterSettings(method="angular", clusters="2")
    with pytest.raises(BadInput, match="240 vectors for the angular affinity"):
        fit(space_of(mixture()[0], settings), settings)


def test_hdbscan_of_too_many(monkeypatch):
    monkeypatch.setattr("circuitscope.behaviours.clusters.density.MOST", 100)
    settings = ClusterSettings(method="hdbscan")
    with pytest.raises(BadInput, match="240 vectors for HDBSCAN"):
        fit(space_of(mixture()[0], settings), settings)


def test_members_by_label():
    found = by_label(np.array([2, -1, 0, 2, 2, 0, -1]))
    assert [one.tolist() for one in found] == [[0, 3, 4], [2, 5]]
    assert by_label(np.array([-1, -1])) == []


def test_more_than_ten_thousand_vectors_take_the_long_way():
    pytest.importorskip("faiss")
    rows, labels = mixture(clusters=20, each=501, width=16, noise=0.03)
    assert len(rows) > neighbours.EXACT
    settings = ClusterSettings(clusters="20")
    space = space_of(rows, settings)
    (found,) = fit(space, settings)
    assert len(found) == 20
    assert adjusted_rand_score(labels, labels_of(found, len(labels))) == 1
