"""NeighbourGraph: each vector joined to those that are nearest to it by cosine.

1. For each vector the ``count`` others with the highest cosine: exactly up to ``EXACT`` vectors, in chunks; beyond,
   by faiss (inverted lists), which searches ever more lists until it finds at least 95 % of the true neighbours of
   a sample.
2. An edge weighs its cosine; those of 0 and below are dropped.
3. The graph is undirected: an edge that only one of its ends has among its nearest weighs half (as in scikit-learn).

One graph serves spectral and conductance-based clustering, and says of every cluster how well it is cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from circuitscope.behaviours.clusters.unit_rows import EXACT, Rows, UnitRows
from circuitscope.errors import BadInput, argument

_CHUNK_BYTES = 64 * 2**20
_SAMPLE, _RECALL = 200, 0.95


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """An undirected graph over vectors."""

    weights: sparse.csr_matrix
    """(vector, vector), symmetric, without loops; sorted."""
    recall: float
    """The share of true nearest neighbours that were found, measured on a sample; 1 where all were compared."""

    def __len__(self) -> int:
        return int(self.weights.shape[0])

    @cached_property
    def degrees(self) -> Float[np.ndarray, " vector"]:
        """The sum of each vector's edges."""
        return np.asarray(self.weights.sum(axis=1, dtype=np.float64)).ravel()

    @cached_property
    def total(self) -> float:
        """The sum of all degrees."""
        return float(self.degrees.sum())

    @cached_property
    def components(self) -> Int[np.ndarray, " vector"]:
        """A number per vector, the same for all that are connected."""
        return np.asarray(sparse.csgraph.connected_components(self.weights, directed=False)[1])

    def take(self, rows: Int[np.ndarray, " row"]) -> NeighbourGraph:
        """Some of the vectors with the edges between them."""
        return NeighbourGraph(self.weights[rows][:, rows].tocsr(), self.recall)

    def edges_of(
        self, rows: Int[np.ndarray, " row"]
    ) -> tuple[Int[np.ndarray, " edge"], Int[np.ndarray, " edge"], Float[np.ndarray, " edge"]]:
        """All edges from some vectors: the place in ``rows`` of one end, the vector at the other, and the weight."""
        starts, ends = self.weights.indptr[rows].astype(np.int64), self.weights.indptr[rows + 1]
        sizes = ends - starts
        place = np.repeat(np.arange(len(rows)), sizes)
        first = np.cumsum(sizes) - sizes
        at = np.arange(len(place)) - np.repeat(first - starts, sizes)
        return place, self.weights.indices[at], self.weights.data[at]

    def conductance(self, rows: Int[np.ndarray, " row"]) -> float | None:
        """Weight of the edges that leave a set, over the smaller of its volume and that of the rest.

        0 for a set that nothing leaves, near 1 for one that is drawn at random; None if either side has no edges.
        """
        inside: Bool[np.ndarray, " vector"] = np.zeros(len(self), bool)
        inside[rows] = True
        _, other, weight = self.edges_of(rows)
        cut = float(weight[~inside[other]].sum(dtype=np.float64))
        volume = float(self.degrees[rows].sum())
        smaller = min(volume, self.total - volume)
        return cut / smaller if smaller > 1e-9 * self.total else None


def neighbour_graph(vectors: UnitRows, count: int, *, seed: int = 0) -> NeighbourGraph:
    """Join each vector to its ``count`` nearest, or to all others if there are no more.

    Raises:
        BadInput: there are more than ``EXACT`` vectors, and faiss is not installed.
    """
    count = min(count, len(vectors) - 1)
    if count < 1:
        return NeighbourGraph(sparse.csr_matrix((len(vectors), len(vectors)), dtype=np.float32), 1.0)
    if len(vectors) <= EXACT:
        index, cosine = _nearest(vectors.rows, np.arange(len(vectors)), count)
        return NeighbourGraph(_joined(index, cosine), 1.0)
    rows = vectors.dense(seed)
    index, cosine, recall = _nearest_by_faiss(rows, count, seed)
    return NeighbourGraph(_joined(index, cosine), recall)


def _joined(
    index: Int[np.ndarray, "vector near"], cosine: Float[np.ndarray, "vector near"]
) -> sparse.csr_matrix:
    size, near = index.shape
    weight = np.where(index >= 0, np.maximum(cosine, 0), 0).astype(np.float32)
    starts = np.arange(0, size * near + 1, near)
    directed = sparse.csr_matrix((weight.ravel(), np.maximum(index, 0).ravel(), starts), (size, size))
    directed.eliminate_zeros()
    both = ((directed + directed.T) / 2).tocsr()
    both.sort_indices()
    return both


def _nearest(
    rows: Rows, asked: Int[np.ndarray, " asked"], count: int
) -> tuple[Int[np.ndarray, "asked {count}"], Float[np.ndarray, "asked {count}"]]:
    """The nearest vectors of some, without themselves, and their cosines."""
    index = np.empty((len(asked), count), np.int64)
    cosine = np.empty((len(asked), count), np.float32)
    size = max(1, _CHUNK_BYTES // (8 * rows.shape[0]))
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        near = rows[part] @ rows.T
        near = near.toarray() if sparse.issparse(near) else near
        near[np.arange(len(part)), part] = -np.inf
        best = np.argpartition(-near, count - 1, axis=1)[:, :count]
        index[start : start + size] = best
        cosine[start : start + size] = np.take_along_axis(near, best, axis=1)
    return index, cosine


def faiss_for(count: int) -> Any:
    """The module faiss, which is needed for so many vectors.

    Raises:
        BadInput: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise BadInput(
            f"{count:,} vectors, and faiss is not installed",
            expected=f"at most {EXACT:,} vectors without it",
            mend=f"pip install 'circuitscope[faiss]', or take fewer contexts ({argument('contexts')})",
        ) from error
    return faiss


def _nearest_by_faiss(
    rows: Float[np.ndarray, "vector column"], count: int, seed: int
) -> tuple[Int[np.ndarray, "vector near"], Float[np.ndarray, "vector near"], float]:
    """As ``_nearest`` for all vectors, and the share of true neighbours found."""
    faiss = faiss_for(len(rows))
    rows = np.ascontiguousarray(rows)
    lists = int(4 * len(rows) ** 0.5)
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(rows.shape[1]), rows.shape[1], lists, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed = seed
    index.cp.min_points_per_centroid = 1
    index.train(rows)
    index.add(rows)
    asked = np.sort(np.random.default_rng(seed).choice(len(rows), min(_SAMPLE, len(rows)), replace=False))
    # Copies of a vector are equally near, so what counts is how near a neighbour is, not which one it is.
    true = np.sort(_nearest(rows, asked, count)[1], axis=1)
    index.nprobe, recall = 8, 0.0
    while True:
        found = _others(index.search(rows[asked], count + 1), asked)[1]
        recall = float((found >= true[:, :1] - 1e-5).mean())
        if recall >= _RECALL or index.nprobe >= lists:
            break
        index.nprobe = min(lists, 2 * index.nprobe)
    return *_others(index.search(rows, count + 1), np.arange(len(rows))), recall


def _others(
    answer: tuple[np.ndarray, np.ndarray], asked: Int[np.ndarray, " asked"]
) -> tuple[Int[np.ndarray, "asked near"], Float[np.ndarray, "asked near"]]:
    """What faiss found (cosines and vectors) without the vector itself, which copies of it may have pushed out."""
    cosine, index = answer
    itself = index == asked[:, None]
    itself[~itself.any(axis=1), -1] = True
    width = index.shape[1] - 1
    return index[~itself].reshape(-1, width), cosine[~itself].reshape(-1, width)
