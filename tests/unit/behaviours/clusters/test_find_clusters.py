"""From vectors and contexts to a result: measures, marks, names, counts, and JSON there and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from planted_clusters import as_sparse, contexts_of, mixture
from scipy import sparse

from circuitscope.behaviours import Vectors, find_clusters, label_agreement
from circuitscope.behaviours.clusters.fit import Space, fit
from circuitscope.behaviours.clusters.measures import cohesion, stabilities
from circuitscope.behaviours.clusters.unit_rows import UnitRows
from circuitscope.behaviours.contexts import Contexts
from circuitscope.behaviours.vectors import ColumnPart, VectorColumns
from circuitscope.config import ClusterSettings
from circuitscope.errors import BadInput, NothingFound
from circuitscope.results import Clusters, from_plain, json_schema, read_clusters, to_plain

A, B, C, X, Y, Z = range(10, 16)


class Words:
    """A tokenizer of whole words."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": []}

    def decode(self, ids: list[int], **_: object) -> str:
        return "".join(self.words[token] for token in ids)


def planted(clusters: int = 3, each: int = 20) -> tuple[Vectors, Contexts, np.ndarray]:
    """Clusters 0 and 1 have the same answer X, and differ in the last token; cluster 2 has the answers Y and Z."""
    rows, labels = mixture(clusters, each)
    last = np.array([A, B, C])[labels]
    answers = np.where(labels < 2, X, Y + np.arange(len(labels)) % 2)
    contexts = contexts_of([[row % 7, token] for row, token in enumerate(last)], answers.tolist())
    return Vectors.of(rows), contexts, labels


def found(**changed: object) -> tuple[Clusters, np.ndarray]:
    vectors, contexts, labels = planted()
    usual = {"scale": "none", "progress": False}
    return find_clusters(vectors, contexts, **(usual | changed)), labels  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["local", "spectral", "angular", "kmeans", "hdbscan"])
def test_each_cluster_is_measured(method):
    clusters, labels = found(method=method, clusters="3")
    assert len(clusters) == 3
    assert (clusters.contexts, clusters.alone, clusters.zeros, clusters.duplicates) == (60, 0, 0, 0)
    assert clusters.pieces == 3
    for one in clusters.clusters:
        assert len(one) == one.documents == 20
        assert len(set(labels[list(one.members)].tolist())) == 1
        assert one.cohesion > 0.8
        assert (one.conductance, one.stability) == (0, 1)
        assert len(one.similar) == 2
        assert one.samples[0].context_id == one.members[0]
        assert one.samples[-1].context_id == one.members[-1]


def test_clusters_that_equal_a_trivial_grouping_are_marked():
    clusters, labels = found()
    for one in clusters.clusters:
        kind = labels[one.members[0]]
        matches = {match.grouping: match for match in one.trivial}
        assert one.equals == ("last token",)
        assert matches["last token"].jaccard == 1
        assert matches["last token"].value == f" #{[A, B, C][kind]}"
        if kind < 2:
            assert matches["answer token"].jaccard == pytest.approx(20 / 40)
            assert matches["answer token"].share == 1
        assert matches["last bigram"].jaccard < 0.4
    assert clusters.trivial_share == 1
    assert clusters.shares_by_grouping() == {"answer token": 0, "last token": 1, "last bigram": 0}
    assert "100% of the clusters equal a trivial grouping" in clusters.doubts()
    half, _ = found(equal=0.5)
    assert sorted(one.equals for one in half.clusters)[0] == ("answer token", "last token")


def test_cohesion_is_the_mean_cosine_of_two_members():
    for rows in (mixture(2, 5, noise=0.5)[0], as_sparse(mixture(2, 5, noise=0.5)[0])):
        unit = UnitRows.of(rows)
        dense = unit.dense()[[0, 3, 4, 7]]
        pairs = (dense @ dense.T)[np.triu_indices(4, 1)]
        assert cohesion(unit, np.array([0, 3, 4, 7])) == pytest.approx(pairs.mean(), abs=1e-6)
        assert cohesion(unit, np.array([3])) is None


def test_stability_tells_planted_clusters_from_arbitrary_ones():
    rows, _ = mixture(4, 40)
    settings = ClusterSettings(method="kmeans", clusters="4,12", halves=2)
    space = Space.of(UnitRows.of(rows), settings)
    results = fit(space, settings)
    true, arbitrary = stabilities(space, settings, results)
    assert true == [1.0] * 4
    assert np.mean(arbitrary) < 0.85
    none = stabilities(space, ClusterSettings(method="kmeans", clusters="4,12", halves=0), results)
    assert none[0] == [None] * 4


def test_the_published_rule_takes_the_number_with_most_clusters_in_several_documents():
    """Two documents; of 20 clusters of 60 contexts few are in both, of 3 all are."""
    rows, labels = mixture(3, 20)
    vectors = Vectors.of(rows)
    tokens, answers = [[int(label)] for label in labels], labels.tolist()
    several = contexts_of(tokens, answers, documents=(np.arange(60) % 2).tolist())
    many = find_clusters(vectors, several, method="kmeans", clusters="2,3,60", scale="none", progress=False)
    assert [(row.asked, row.implicated) for row in many.counts] == [(2, 2), (3, 3), (60, 0)]
    assert many.taken == len(many) == 3
    assert many.counts[1].stability == 1
    stable = find_clusters(vectors, several, method="kmeans", clusters="3,9", choose="stability", scale="none",
                           progress=False)  # fmt: skip
    assert stable.taken == 3
    assert found()[0].counts == ()
    assert found()[0].taken is None


def test_zeros_copies_and_clusters_of_one_are_counted():
    vectors, contexts, _ = planted()
    rows = vectors.rows().copy()
    rows[[3, 8]] = 0
    rows[10] = 7 * rows[9]
    rows[20] = 100 * np.eye(32)[5] - 100 * np.eye(32)[6]
    clusters = find_clusters(
        Vectors.of(rows), contexts, method="kmeans", clusters="4", scale="none", progress=False
    )
    assert (clusters.zeros, clusters.duplicates, clusters.of_one) == (2, 1, 1)
    assert sorted(map(len, clusters.clusters))[0] == 1
    lone = next(one for one in clusters.clusters if len(one) == 1)
    assert lone.members == (20,)
    assert (lone.cohesion, lone.stability) == (None, None)
    assert not {3, 8} & set(clusters.of_contexts())
    assert clusters.doubts() == [
        "1 of 4 clusters have a single context",
        "2 contexts have a vector of zeros and were left out",
        "1 contexts have the same vector as an earlier one",
        f"{clusters.trivial_share:.0%} of the clusters equal a trivial grouping",
    ]


def test_a_giant_cluster_is_no_part_of_the_whole():
    clusters, _ = found(method="kmeans", clusters="1")
    assert clusters.clusters[0].conductance is None
    assert clusters.doubts()[0] == "one cluster holds 60 of 60 contexts: it is no part of them"


def test_names_say_how_contexts_end_and_what_comes_next():
    words = ["She", " once", " upon", " he", " Lu", "ke", " sat", " a", " ran", ".", " by"]
    sentences = [
        [0, 1, 2],
        [3, 6, 1, 2],
        [0, 8, 1, 2],
        [0, 4],
        [3, 6, 10, 4],
        [3, 8, 10, 4],
        [0, 6],
        [3, 8],
        [0, 8],
    ]
    answers = [7, 7, 7, 5, 5, 5, 9, 9, 10]
    rows = np.repeat(np.eye(3), 3, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(9, 3))
    clusters = find_clusters(
        Vectors.of(rows), contexts_of(sentences, answers), method="kmeans", clusters="3", scale="none",
        tokenizer=Words(words), progress=False,
    )  # fmt: skip
    names = {one.members[0] // 3: one.name for one in clusters.clusters}
    assert names[0] == "after “once upon” with “She”, “sat” → “a”"
    assert names[1] == "after “by Lu…” with “he”, “sat” → “ke”"
    assert names[2] == "after “ran” with “She”, “sat” → “.”, “by”"
    by_row = {one.members[0] // 3: one for one in clusters.clusters}
    assert [(one.token, one.contexts) for one in by_row[2].answers] == [(".", 2), (" by", 1)]
    assert [(one.token, one.contexts) for one in by_row[2].last_tokens] == [(" ran", 2), (" sat", 1)]
    sample = next(one for one in by_row[1].samples if one.context_id == 4)
    assert (sample.tokens, sample.answer) == ((" he", " sat", " by", " Lu"), "ke")


def feature_vectors(rows: np.ndarray) -> Vectors:
    columns = VectorColumns((ColumnPart("effects", "embed", 2), ColumnPart("effects", "resid_0", 4)))
    return Vectors.of(sparse.csr_matrix(rows), kind="effects", columns=columns)


def test_features_of_clusters_and_the_grouping_by_strongest_feature():
    rows = np.zeros((12, 6), np.float32)
    rows[:4, [0, 2]] = [1, 3]
    rows[4:8, [0, 5]] = [1, 3]
    rows[8:, [0, 1]] = [3, 1]
    rows *= np.arange(1, 13)[:, None]
    contexts = contexts_of([[row] for row in range(12)], list(range(12)))
    labels = {"resid_0/3": "endings"}
    asked = {"scale": "none", "neighbours": 3, "labels": labels, "progress": False}
    clusters = find_clusters(feature_vectors(rows), contexts, **asked)
    assert len(clusters) == 3
    strongest = {min(one.members) // 4: one for one in clusters.clusters}
    assert strongest[0].features[0].node == "resid_0/0"
    assert (strongest[1].features[0].node, strongest[1].features[0].label) == ("resid_0/3", "endings")
    assert strongest[1].features[0].excess == pytest.approx(0.9487 * 2 / 3, abs=1e-3)
    assert [one.node for one in strongest[2].features] == ["embed/0", "embed/1"]
    for number, one in strongest.items():
        assert one.equals == ("strongest feature",)
        assert one.trivial[-1].value == ["resid_0/0", "resid_0/3", "embed/0"][number]


def test_equal_names_are_told_apart_by_features():
    rows = np.zeros((8, 6), np.float32)
    rows[:4, 2], rows[4:, 5] = 1, 1
    contexts = contexts_of([[1, 2]] * 8, [3] * 8)
    clusters = find_clusters(feature_vectors(rows), contexts, scale="none", neighbours=3, progress=False)
    assert sorted(one.name for one in clusters.clusters) == [
        "after “#1 #2” → “#3” (resid_0/0)",
        "after “#1 #2” → “#3” (resid_0/3)",
    ]


def test_agreement_with_known_labels():
    vectors, contexts, labels = planted()
    clusters, _ = found()
    score = label_agreement(clusters, vectors, contexts, labels, scale="none")
    assert (score.ami, score.ari, score.ami_given_answer, score.ari_given_answer) == pytest.approx(
        (1, 1, 1, 1)
    )
    assert score.answers == 1
    with pytest.raises(BadInput, match="3 labels for 60 contexts"):
        label_agreement(clusters, vectors, contexts, np.zeros(3, np.int64))


def test_an_overlapping_context_counts_where_its_centre_is_nearest():
    vectors, contexts, labels = planted()
    clusters, _ = found()
    plain = to_plain(clusters)
    stray = plain["clusters"][1]["members"][0]
    plain["clusters"][0]["members"].append(stray)
    score = label_agreement(from_plain(Clusters, plain), vectors, contexts, labels, scale="none")
    assert score.ari == 1


def test_json_there_and_back(tmp_path):
    clusters, _ = found(method="kmeans", clusters="2,3")
    plain = json.loads(json.dumps(to_plain(clusters)))
    assert from_plain(Clusters, plain) == clusters
    (tmp_path / "clusters.json").write_text(json.dumps(plain))
    assert read_clusters(tmp_path / "clusters.json") == clusters
    assert json_schema(Clusters)["properties"]["taken"]["anyOf"]


def test_the_scale_changes_what_is_near():
    """Two loud directions hide the clusters until vectors are whitened."""
    rows, labels = mixture(4, 40, width=8, noise=0.03)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, size=(160, 1))
    loud = rows + 3 * (np.cos(angle) * np.eye(8)[3] + np.sin(angle) * np.eye(8)[4])
    contexts = contexts_of([[int(label)] for label in labels], labels.tolist())
    score = {}
    for scale in ("none", "whiten"):
        settings = {"method": "kmeans", "clusters": "4", "scale": scale, "halves": 0, "progress": False}
        clusters = find_clusters(Vectors.of(loud), contexts, **settings)
        score[scale] = label_agreement(clusters, Vectors.of(loud), contexts, labels, scale=scale).ari
    assert score["whiten"] == 1
    assert score["none"] < 0.1


def test_vectors_and_contexts_that_do_not_belong_together():
    vectors, contexts, _ = planted()
    part = find_clusters(
        Vectors.of(vectors.rows()[:40], context_ids=range(40)), contexts, scale="none", progress=False
    )
    assert part.contexts == 40
    with pytest.raises(BadInput, match="there is no context 60"):
        find_clusters(Vectors.of(np.ones((61, 2))), contexts, progress=False)
    with pytest.raises(BadInput, match="the rows of the vectors are those of other contexts"):
        find_clusters(Vectors.of(np.ones((60, 2)), context_ids=range(59, -1, -1)), contexts, progress=False)


def test_nothing_to_cluster():
    _, contexts, _ = planted()
    with pytest.raises(NothingFound, match="all 60 vectors are zero"):
        find_clusters(Vectors.of(np.zeros((60, 3))), contexts, scale="none", progress=False)
    noise = np.random.default_rng(0).normal(size=(60, 32))
    with pytest.raises(NothingFound, match="no cluster among 60 contexts") as error:
        find_clusters(Vectors.of(noise), contexts, scale="none", conductance=0.01, progress=False)
    assert "raise conductance" in str(error.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"clusters": "many"}, "clusters='many'"),
        ({"clusters": "5,0"}, "clusters=0"),
        ({"neighbours": 0}, "neighbours=0"),
        ({"equal": 0.3}, "equal=0.3"),
        ({"conductance": 1.5}, "conductance=1.5"),
        ({"smallest": 9, "largest": 5}, "smallest=9 and largest=5"),
        ({"method": "magic"}, "method='magic'"),
        ({"halves": -1}, "halves=-1"),
    ],
)
def test_settings_that_cannot_be(changed, said):
    with pytest.raises(BadInput) as error:
        found(**changed)
    assert said in str(error.value)


def test_of_activations_and_effects_the_effects_say_which_feature_is_strongest():
    parts = (ColumnPart("activations", "resid_0", 3), ColumnPart("effects", "resid_0", 3))
    rows = np.zeros((8, 6), np.float32)
    rows[:, 0] = 100
    rows[:4, 4], rows[4:, 5] = 1, 1
    vectors = Vectors.of(sparse.csr_matrix(rows), kind="activations+effects", columns=VectorColumns(parts))
    contexts = contexts_of([[1, row] for row in range(8)], list(range(8)))
    clusters = find_clusters(vectors, contexts, scale="none", neighbours=3, conductance=0.7, progress=False)
    assert {one.trivial[-1].value for one in clusters.clusters} == {"resid_0/1", "resid_0/2"}
    assert {one.features[0].node for one in clusters.clusters} == {"resid_0/1", "resid_0/2"}
