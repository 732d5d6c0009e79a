"""find_clusters: clusters of contexts, by their vectors, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from circuitscope.behaviours.clusters.describe import ClusterJob, clusters_of, one_each
from circuitscope.behaviours.clusters.features import FeatureColumns
from circuitscope.behaviours.clusters.scores import agreement
from circuitscope.behaviours.clusters.unit_rows import UnitRows
from circuitscope.behaviours.clusters.words import Names, numbered
from circuitscope.behaviours.contexts import Contexts
from circuitscope.behaviours.vectors import Vectors
from circuitscope.config import ClusterSettings, settings_from
from circuitscope.errors import BadInput, expect
from circuitscope.results import Clusters, LabelAgreement
from circuitscope.work import Progress, shown


def find_clusters(
    vectors: Vectors,
    contexts: Contexts,
    *,
    method: str = "local",
    clusters: str = "100",
    choose: str = "implicated",
    neighbours: int = 15,
    smallest: int = 3,
    largest: int = 1000,
    conductance: float = 0.5,
    overlap: float = 0.5,
    halves: int = 1,
    equal: float = 0.8,
    seed: int = 0,
    scale: str = "auto",
    tokenizer: Any = None,
    labels: Mapping[str, str] | None = None,
    progress: Progress | bool | None = None,
) -> Clusters:
    """Contexts that belong together, because their vectors point the same way; each cluster measured and named.

    Args:
        vectors: what ``make_vectors`` made of the contexts.
        method: ``local`` (by conductance, around each context; finds the number itself, clusters may overlap),
            ``spectral`` (on the neighbour graph), ``angular`` (spectral on the angular affinity of all pairs, as
            published), ``kmeans`` (spherical), ``hdbscan`` (by density; finds the number itself).
        clusters: with spectral, angular and kmeans: how many, or several numbers to compare, such as ``"50,100"``.
        choose: of several numbers, that with the most clusters ``implicated`` in more than one document, as
            published, or that with the best ``stability``.
        neighbours: how many nearest contexts each is joined to.
        smallest: with local and hdbscan: the fewest contexts that are a cluster.
        largest: with local: the most.
        conductance: with local: the part of the weight of a cluster's edges that may lead out of it.
        overlap: with local: of two clusters that share more than this part of the smaller one, the one that more of
            its own members show is kept.
        halves: how many times the contexts are halved and clustered afresh, to measure stability.
        equal: from which Jaccard overlap on a cluster equals a trivial grouping; from 0.5 to 1.
        seed: for everything drawn at random.
        scale: what goes before the cosine, as in ``Vectors.prepared``.
        tokenizer: for words and names; without it tokens are numbers.
        labels: what features mean, by their names (``resid_3/1024``).
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Raises:
        BadInput: there are fewer contexts than clusters, or vectors and contexts do not belong together.
        NothingFound: all vectors are zero, or there is no cluster.
    """
    call = "find_clusters(vectors, contexts)"
    expect(vectors, Vectors, "vectors", call)
    expect(contexts, Contexts, "contexts", call)
    settings = settings_from(ClusterSettings, locals())
    job = job_of(vectors, contexts, settings, names=names_of(tokenizer), labels=labels or {})
    with shown(progress) as tell:
        return clusters_of(unit_rows_of(vectors, settings), job, progress=tell)


def job_of(
    vectors: Vectors,
    contexts: Contexts,
    settings: ClusterSettings,
    *,
    names: Names,
    labels: Mapping[str, str],
    called: str = "",
) -> ClusterJob:
    """Everything that clusters are made from, besides the vectors themselves.

    Raises:
        BadInput: the vectors were made from other contexts.
    """
    own = contexts if len(contexts) == len(vectors) else contexts.subset(vectors.context_ids.tolist())
    if own is contexts:
        vectors.refuse_changed(contexts_hash=contexts.fingerprint)
    if not np.array_equal(own.context_ids, vectors.context_ids):
        raise BadInput(
            "the rows of the vectors are those of other contexts",
            expected=f"contexts {own.context_ids[0]} to {own.context_ids[-1]}, in order",
            mend="make the vectors from these contexts",
        )
    return ClusterJob(own, settings, names, FeatureColumns.of(vectors), labels, called)


def names_of(tokenizer: Any) -> Names:
    """Token ids → their texts."""
    if tokenizer is None:
        return numbered
    from circuitscope.model import TokenTexts

    return TokenTexts.of(tokenizer).many


def unit_rows_of(vectors: Vectors, settings: ClusterSettings) -> UnitRows:
    """The vectors ready for the cosine, read a part at a time."""
    prepared = vectors.prepared(settings.scale, seed=settings.seed)
    return UnitRows.of_chunks(prepared.chunks(), len(vectors))


def label_agreement(
    clusters: Clusters,
    vectors: Vectors,
    contexts: Contexts,
    labels: Int[np.ndarray, " context"],
    *,
    scale: str = "auto",
    seed: int = 0,
) -> LabelAgreement:
    """How well clusters agree with labels that are known, over all contexts and within those of one answer token.

    A context that is in several clusters counts in the one with the nearest centre; one in none stands alone.

    Args:
        labels: the known behaviour of each context, as numbers.
        scale, seed: as for ``find_clusters``.

    Raises:
        BadInput: there is not a label for each context.
    """
    if len(labels) != len(contexts):
        raise BadInput(f"{len(labels)} labels for {len(contexts)} contexts", expected="one for each context")
    unit = unit_rows_of(vectors, ClusterSettings(scale=scale, seed=seed))
    return agreement(np.asarray(labels), one_each(unit, clusters, contexts), contexts.answers)
