"""Spherical k-means: a cluster is the vectors with the highest cosine to its centre, a centre the direction of
their sum.

Up to ``EXACT`` vectors it runs here, on dense or sparse rows; beyond, faiss does it, 100 times as in Marks et al.
2024, appendix G, on dense rows.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from circuitscope.behaviours.clusters.neighbours import faiss_for
from circuitscope.behaviours.clusters.unit_rows import EXACT, UnitRows

_ROUNDS = 100
_STARTS = 4
_CHUNK = 8192

Labels = Int[np.ndarray, " _"]


def spherical_kmeans(vectors: UnitRows, count: int, *, seed: int = 0) -> Labels:
    """A cluster per vector."""
    if len(vectors) > EXACT:
        return _by_faiss(vectors.dense(seed), count, seed)
    tries = [_one_start(vectors, count, seed + start) for start in range(_STARTS)]
    return max(tries, key=lambda found: found[1])[0]


def _one_start(vectors: UnitRows, count: int, seed: int) -> tuple[Labels, float]:
    """A cluster per vector, and the sum of all cosines to the centres."""
    from sklearn.cluster import kmeans_plusplus

    centres = kmeans_plusplus(vectors.rows, count, random_state=seed)[0]
    centres = np.asarray(centres.toarray() if sparse.issparse(centres) else centres, np.float32)
    labels = np.full(len(vectors), -1)
    for _ in range(_ROUNDS):
        nearest, cosine = _assigned(vectors, centres)
        if (nearest == labels).all():
            break
        labels = nearest
        centres = _centres(vectors, labels, cosine, centres)
    return labels, float(cosine.sum())


def _assigned(
    vectors: UnitRows, centres: Float[np.ndarray, "cluster column"]
) -> tuple[Labels, Float[np.ndarray, " vector"]]:
    labels, best = np.empty(len(vectors), np.int64), np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _CHUNK):
        cosine = np.asarray(vectors.rows[start : start + _CHUNK] @ centres.T)
        labels[start : start + _CHUNK] = cosine.argmax(axis=1)
        best[start : start + _CHUNK] = cosine.max(axis=1)
    return labels, best


def _centres(
    vectors: UnitRows,
    labels: Labels,
    cosine: Float[np.ndarray, " vector"],
    before: Float[np.ndarray, "cluster column"],
) -> Float[np.ndarray, "cluster column"]:
    """The directions of the clusters' sums; an empty cluster begins again at a vector that is far from its centre."""
    count = len(before)
    members = sparse.csr_matrix(
        (np.ones(len(labels), np.float32), (labels, np.arange(len(labels)))), (count, len(labels))
    )
    sums = members @ vectors.rows
    sums = np.asarray(sums.toarray() if sparse.issparse(sums) else sums)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    centres = np.divide(sums, lengths, out=before.copy(), where=lengths > 1e-6)
    empty = np.flatnonzero(np.bincount(labels, minlength=count) == 0)
    if len(empty):
        far = vectors.rows[np.argsort(cosine, kind="stable")[: len(empty)]]
        centres[empty] = far.toarray() if sparse.issparse(far) else far
    return np.asarray(centres)


def _by_faiss(rows: Float[np.ndarray, "vector column"], count: int, seed: int) -> Labels:
    faiss = faiss_for(len(rows))
    rows = np.ascontiguousarray(rows)
    settings = {"niter": _ROUNDS, "spherical": True, "seed": seed, "min_points_per_centroid": 1}
    kmeans = faiss.Kmeans(rows.shape[1], count, **settings)
    kmeans.train(rows)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(kmeans.centroids)
    return np.asarray(index.search(rows, 1)[1][:, 0], np.int64)
