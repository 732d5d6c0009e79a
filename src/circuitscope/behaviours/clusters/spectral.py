"""Spectral clustering: k-means on the strongest eigenvectors of a graph.

1. Affinity W: the neighbour graph, or the angular affinity 1 − arccos(C)/π of all pairs (Marks et al. 2024,
   appendix G).
2. The eigenvectors of D^−½ W D^−½ with the largest eigenvalues, D the diagonal of W's row sums. A graph in several
   pieces has each piece's eigenvectors, which are found piece by piece: a method for the whole would miss some of
   many equal eigenvalues.
3. Each vector's row of them, scaled to length 1 (Ng, Jordan and Weiss 2001), goes to scikit-learn's k-means.

One set of eigenvectors serves several numbers of clusters: k clusters use the first k, at most ``MOST`` unless the
graph has more pieces than that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from circuitscope.behaviours.clusters.neighbours import NeighbourGraph
from circuitscope.behaviours.clusters.unit_rows import EXACT, Rows, UnitRows
from circuitscope.errors import BadInput

MOST = 200
"""Eigenvectors; more of them hold more noise than structure, and cost the square of their number."""
_DENSE = 600
"""Pieces up to this size are solved as dense matrices."""
_STARTS = 10
_STARTS_AS_PUBLISHED = 30

Labels = Int[np.ndarray, " _"]


def spectral(graph: NeighbourGraph, counts: Sequence[int], *, seed: int = 0) -> list[Labels]:
    """For each number of clusters, a cluster per vector."""
    pieces = int(graph.components.max()) + 1
    vectors = [np.flatnonzero(graph.components == piece) for piece in range(pieces)]
    wanted = min(max(counts), max(MOST, pieces))
    return _labels(_eigenvectors(graph.weights, vectors, wanted, seed), counts, _STARTS, seed)


def angular(vectors: UnitRows, counts: Sequence[int], *, seed: int = 0) -> list[Labels]:
    """The same on the angular affinity of all pairs, as published.

    Raises:
        BadInput: there are more than ``EXACT`` vectors.
    """
    if len(vectors) > EXACT:
        raise BadInput(
            f"{len(vectors):,} vectors for the angular affinity, which is a number per pair",
            expected=f"at most {EXACT:,}",
            mend="--method spectral, which takes only the nearest neighbours, or --method local",
        )
    cosine = vectors.rows @ vectors.rows.T
    cosine = cosine.toarray() if sparse.issparse(cosine) else cosine
    affinity = np.asarray(cosine)
    np.clip(affinity, -1, 1, out=affinity)  # in place: it is as large as all the rest
    np.arccos(affinity, out=affinity)
    affinity *= -1 / np.pi
    affinity += 1
    wanted = min(max(counts), MOST)
    found = _eigenvectors(affinity, [np.arange(len(vectors))], wanted, seed)
    return _labels(found, counts, _STARTS_AS_PUBLISHED, seed)


def _labels(
    eigenvectors: Float[np.ndarray, "vector eigenvector"], counts: Sequence[int], starts: int, seed: int
) -> list[Labels]:
    from sklearn.cluster import KMeans

    found = []
    for count in counts:
        rows = eigenvectors[:, :count]
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12)
        different = len(np.unique(rows.round(7), axis=0))
        kmeans = KMeans(min(count, different), n_init=starts, random_state=seed)
        found.append(np.asarray(kmeans.fit_predict(rows), np.int64))
    return found


def _eigenvectors(
    affinity: Rows,
    pieces: Sequence[Int[np.ndarray, " _"]],
    wanted: int,
    seed: int,
) -> Float[np.ndarray, "vector {wanted}"]:
    """The strongest eigenvectors of all pieces together, those of larger eigenvalues first, of larger pieces
    first."""
    values: list[tuple[float, int, int, int]] = []
    parts = []
    for number, piece in enumerate(sorted(pieces, key=len, reverse=True)):
        part = affinity if len(pieces) == 1 else affinity[piece][:, piece]
        value, vector = _of_piece(part, min(wanted, len(piece)), seed)
        parts.append((piece, vector))
        values += [(-round(float(one), 9), -len(piece), number, at) for at, one in enumerate(value)]
    found = np.zeros((affinity.shape[0], wanted))
    for column, (_, _, number, at) in enumerate(sorted(values)[:wanted]):
        piece, vector = parts[number]
        found[piece, column] = vector[:, at]
    return found


def _of_piece(
    affinity: Rows, wanted: int, seed: int
) -> tuple[Float[np.ndarray, " {wanted}"], Float[np.ndarray, "vector {wanted}"]]:
    """Largest eigenvalues and their eigenvectors of one connected piece."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    size = affinity.shape[0]
    degree = np.asarray(affinity.sum(axis=1), np.float64).ravel()
    scale = 1 / np.sqrt(np.where(degree > 0, degree, 1))
    if sparse.issparse(affinity):
        scaled = sparse.diags(scale) @ affinity.astype(np.float64) @ sparse.diags(scale)
    else:
        scaled = affinity * scale[:, None].astype(affinity.dtype)
        scaled *= scale.astype(affinity.dtype)
    if size <= _DENSE or wanted > size // 2:
        whole = scaled.toarray() if sparse.issparse(scaled) else scaled
        value, vector = eigh(whole, subset_by_index=(size - wanted, size - 1))
    else:
        start = np.random.default_rng(seed).normal(size=size).astype(scaled.dtype)
        value, vector = eigsh(scaled, k=wanted, which="LA", v0=start, tol=1e-6)
    order = np.argsort(-value, kind="stable")
    return value[order], vector[:, order]
