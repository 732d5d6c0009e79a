"""Spherical k-means: a cluster is the vectors with the highest cosine to its centre, a centre the direction of their
sum.

Up to ``EXACT`` vectors it runs here, from several starts (k-means++); beyond, faiss does it. At most 100 rounds, as
in Marks et al. 2024, appendix G.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from circuitscope.behaviours.clusters.neighbours import faiss_for
from circuitscope.behaviours.clusters.unit_rows import EXACT

_ROUNDS = 100
_STARTS = 4

Labels = Int[np.ndarray, " _"]


def spherical_kmeans(rows: Float[np.ndarray, "vector column"], count: int, *, seed: int = 0) -> Labels:
    """A cluster per vector; ``rows`` have length 1."""
    if len(rows) > EXACT:
        return _by_faiss(rows, count, seed)
    tries = [_one_start(rows, count, seed + start) for start in range(_STARTS)]
    return max(tries, key=lambda found: found[1])[0]


def _one_start(rows: Float[np.ndarray, "vector column"], count: int, seed: int) -> tuple[Labels, float]:
    """A cluster per vector, and the sum of all cosines to the centres."""
    from sklearn.cluster import kmeans_plusplus

    centres = kmeans_plusplus(rows, count, random_state=seed)[0]
    labels = np.full(len(rows), -1)
    for _ in range(_ROUNDS):
        cosines = rows @ centres.T
        nearest = cosines.argmax(axis=1)
        cosine = cosines[np.arange(len(rows)), nearest]
        if (nearest == labels).all():
            break
        labels = nearest
        centres = _centres(rows, labels, cosine, centres)
    return labels, float(cosine.sum())


def _centres(
    rows: Float[np.ndarray, "vector column"],
    labels: Labels,
    cosine: Float[np.ndarray, " vector"],
    before: Float[np.ndarray, "cluster column"],
) -> Float[np.ndarray, "cluster column"]:
    """The directions of the clusters' sums; an empty cluster begins again at a vector that is far from its centre."""
    places = (labels, np.arange(len(labels)))
    sums = sparse.csr_matrix((np.ones(len(labels), np.float32), places), (len(before), len(labels))) @ rows
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    centres = np.divide(sums, lengths, out=before.copy(), where=lengths > 1e-6)
    empty = np.flatnonzero(np.bincount(labels, minlength=len(before)) == 0)
    centres[empty] = rows[np.argsort(cosine, kind="stable")[: len(empty)]]
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
