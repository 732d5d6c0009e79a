"""From vectors and their contexts to clusters that a person can read.

1. Vectors of zeros are left out; the others get length 1.
2. One neighbour graph, and the clusters by the method asked for; of several numbers of clusters the best by the rule.
3. Each cluster is measured: cohesion, conductance, stability, and whether it equals a trivial grouping.
4. Each gets a name, its most frequent answers and last tokens, its strongest features, samples, and its likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from circuitscope.behaviours.clusters.features import FeatureColumns
from circuitscope.behaviours.clusters.fit import Partition, Space, fit
from circuitscope.behaviours.clusters.measures import centres, cohesion, hard, nearness, stabilities
from circuitscope.behaviours.clusters.trivial import (
    FEATURE,
    NOTHING,
    TrivialGrouping,
    feature_grouping,
    last_two,
    token_groupings,
)
from circuitscope.behaviours.clusters.unit_rows import Rows, UnitRows
from circuitscope.behaviours.clusters.words import ContextTexts, Names, cluster_names, numbered
from circuitscope.behaviours.contexts import Contexts
from circuitscope.config import ClusterSettings
from circuitscope.errors import BadInput, NothingFound, argument
from circuitscope.results import (
    BEHAVIOURS_SCHEMA,
    Cluster,
    ClusterCount,
    ClusterFeature,
    Clusters,
    SimilarCluster,
    TrivialMatch,
)
from circuitscope.work import Progress, labelled, silent

_SIMILAR = 5


@dataclass(frozen=True, eq=False)
class ClusterJob:
    """Everything that clusters are made from."""

    contexts: Contexts
    settings: ClusterSettings
    names: Names = numbered
    features: FeatureColumns | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """What features mean, by name."""
    vectors: str = ""
    """What the vectors are called."""


@dataclass(frozen=True, eq=False)
class _Found:
    """Clusters as rows of the contexts' vectors, with what is measured of all of them."""

    space: Space
    partition: Partition
    stability: list[float | None]
    counts: tuple[ClusterCount, ...]
    taken: int | None
    conductance: list[float | None]
    middle: Float[np.ndarray, "cluster column"]

    def context_rows(self, members: Int[np.ndarray, " member"]) -> Int[np.ndarray, " member"]:
        """The rows among all contexts, those of zero vectors included."""
        return np.asarray(self.space.vectors.kept[members])


def clusters_of(vectors: Rows | UnitRows, job: ClusterJob, *, progress: Progress = silent) -> Clusters:
    """The clusters of contexts, by vectors with a row for each of them, as a result.

    Raises:
        BadInput: rows and contexts do not match, there are fewer contexts than clusters, or a vector holds NaN.
        NothingFound: all vectors are zero, or there is no cluster.
    """
    unit = vectors if isinstance(vectors, UnitRows) else UnitRows.of(vectors)
    if len(unit) + unit.zeros != len(job.contexts):
        raise BadInput(
            f"{len(unit) + unit.zeros} vectors for {len(job.contexts)} contexts",
            expected="a vector for each context",
            mend="make the vectors from these contexts",
        )
    found = _found(Space.of(unit, job.settings), job, progress)
    return _described(found, job)


def one_each(vectors: Rows | UnitRows, clusters: Clusters, contexts: Contexts) -> Int[np.ndarray, " context"]:
    """The number of one cluster per context, that with the nearest centre of those that it is in; −1 for none."""
    unit = vectors if isinstance(vectors, UnitRows) else UnitRows.of(vectors)
    place = np.full(len(contexts), -1)
    place[unit.kept] = np.arange(len(unit))
    partition = [place[contexts.rows_of(cluster.members)] for cluster in clusters.clusters]
    labels = np.full(len(contexts), -1)
    labels[unit.kept] = hard(unit, partition, centres(unit, partition))
    return labels


def _found(space: Space, job: ClusterJob, progress: Progress) -> _Found:
    settings = job.settings
    results = fit(space, settings, progress=labelled(progress, "clustering"))
    stable = stabilities(space, settings, results, progress=labelled(progress, "halves"))
    conductance = [[space.graph.conductance(members) for members in result] for result in results]
    documents = job.contexts.documents[space.vectors.kept]
    counts = [
        ClusterCount(
            asked,
            len(result),
            sum(len(np.unique(documents[members])) > 1 for members in result),
            _by_size(result, stable[row]),
            _by_size(result, conductance[row]),
        )
        for row, (asked, result) in enumerate(zip(settings.counts, results, strict=False))
    ]
    best = _best(counts, settings) if settings.has_counts else 0
    chosen = results[best]
    if not chosen:
        raise NothingFound(
            f"no cluster among {len(space)} contexts",
            expected="contexts of which some are alike",
            mend=f"raise {argument('conductance')} or lower {argument('smallest')}"
            if settings.method == "local"
            else f"lower {argument('smallest')}, or take another method",
        )
    order = sorted(range(len(chosen)), key=lambda row: (-len(chosen[row]), row))
    partition = [chosen[row] for row in order]
    return _Found(
        space,
        partition,
        [stable[best][row] for row in order],
        tuple(counts) if settings.has_counts else (),
        settings.counts[best] if settings.has_counts else None,
        [conductance[best][row] for row in order],
        centres(space.vectors, partition),
    )


def _by_size(clusters: Partition, values: Sequence[float | None]) -> float | None:
    """The mean of what is known, each cluster counted by its size."""
    known = [(len(one), value) for one, value in zip(clusters, values, strict=True) if value is not None]
    return sum(size * value for size, value in known) / sum(size for size, _ in known) if known else None


def _best(counts: Sequence[ClusterCount], settings: ClusterSettings) -> int:
    """The most clusters in more than one document, or the most stable ones; then by the other; then the fewest."""

    def worth(row: int) -> tuple[float, float, int]:
        rules = (float(counts[row].implicated), counts[row].stability or 0.0)
        first, second = rules if settings.choose == "implicated" else rules[::-1]
        return first, second, -counts[row].asked

    return max(range(len(counts)), key=worth)


def groupings_of(contexts: Contexts, features: FeatureColumns | None) -> list[TrivialGrouping]:
    """The trivial groupings of contexts."""
    found = token_groupings(contexts.answers, last_two(contexts.ids, contexts.starts))
    return [*found, feature_grouping(features.strongest)] if features is not None else found


def _described(found: _Found, job: ClusterJob) -> Clusters:
    texts = ContextTexts(job.contexts, job.names)
    rows = [found.context_rows(members) for members in found.partition]
    groupings = groupings_of(job.contexts, job.features)
    none: list[tuple[ClusterFeature, ...]] = [()] * len(rows)
    features = none if job.features is None else job.features.of_clusters(rows, job.labels)
    names = cluster_names(texts, rows, [texts.answers(members) for members in rows], features)
    similar = _similar(found.middle)
    described = []
    for number, members in enumerate(found.partition):
        near = nearness(found.space.vectors, members, found.middle[number])
        ranked = rows[number][np.argsort(-near, kind="stable")]
        matches = tuple(_match(grouping, rows[number], job) for grouping in groupings)
        described.append(
            Cluster(
                name=names[number],
                members=tuple(job.contexts.context_ids[ranked].tolist()),
                documents=len(np.unique(job.contexts.documents[ranked])),
                cohesion=cohesion(found.space.vectors, members),
                conductance=found.conductance[number],
                stability=found.stability[number],
                trivial=matches,
                equals=tuple(one.grouping for one in matches if one.jaccard >= job.settings.equal),
                answers=texts.answers(ranked),
                last_tokens=texts.last_tokens(ranked),
                features=features[number],
                samples=texts.samples(ranked),
                similar=similar[number],
            )
        )
    return _whole(found, job, tuple(described))


def _whole(found: _Found, job: ClusterJob, described: tuple[Cluster, ...]) -> Clusters:
    space, settings = found.space, job.settings
    inside = np.zeros(len(space), bool)
    for members in found.partition:
        inside[members] = True
    return Clusters(
        schema_version=BEHAVIOURS_SCHEMA,
        method=settings.method,
        vectors=job.vectors,
        contexts=len(job.contexts),
        zeros=space.vectors.zeros,
        duplicates=space.vectors.duplicates,
        alone=int((~inside).sum()),
        pieces=int(space.graph.components.max()) + 1,
        recall=space.graph.recall,
        equal_at=settings.equal,
        clusters=described,
        counts=found.counts,
        taken=found.taken,
    )


def _match(grouping: TrivialGrouping, members: Int[np.ndarray, " member"], job: ClusterJob) -> TrivialMatch:
    number, jaccard, share = grouping.compared(members)
    value = _said(grouping, number, job) if number != NOTHING else ""
    return TrivialMatch(grouping.name, value, jaccard, share)


def _said(grouping: TrivialGrouping, number: int, job: ClusterJob) -> str:
    """What the contexts of a class share, as a person reads it."""
    shared = [one for one in grouping.shared[number] if one != NOTHING]
    if job.features is not None and grouping.name == FEATURE:
        return job.features.node(shared[0])
    return "".join(job.names(shared))


def _similar(middle: Float[np.ndarray, "cluster column"]) -> list[tuple[SimilarCluster, ...]]:
    cosine: Any = middle @ middle.T
    np.fill_diagonal(cosine, -np.inf)
    best = np.argsort(-cosine, axis=1, kind="stable")[:, : min(_SIMILAR, len(middle) - 1)]
    return [
        tuple(SimilarCluster(int(other), float(cosine[row, other])) for other in others)
        for row, others in enumerate(best)
    ]
