"""What the columns of vectors say about clusters: which features are strong in them, where columns are features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int
from scipy import sparse

from circuitscope.behaviours.clusters.fit import Partition
from circuitscope.behaviours.clusters.trivial import NOTHING, strongest_columns
from circuitscope.behaviours.clusters.unit_rows import Rows
from circuitscope.behaviours.vectors import Vectors
from circuitscope.results import ClusterFeature

OF_FEATURES = ("effects", "activations", "activations+effects")
"""Kinds of vector whose columns are features; of the last, effects count."""
_MOST = 6


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """Vectors of features as they were made, before any scaling."""

    vectors: Vectors

    @classmethod
    def of(cls, vectors: Vectors) -> FeatureColumns | None:
        """None for vectors whose columns are no features."""
        return cls(vectors) if vectors.kind in OF_FEATURES else None

    @property
    def _columns(self) -> slice:
        return self.vectors.columns.by_kind[self.vectors.kind.split("+")[-1]]

    def _chunks(self) -> Iterator[Rows]:
        return (rows[:, self._columns] for rows in self.vectors.chunks())

    def node(self, column: int) -> str:
        """The name of a column's feature."""
        return str(self.vectors.columns.node(self._columns.start + column))

    @cached_property
    def strongest(self) -> Int[np.ndarray, " context"]:
        """The column of each context's strongest feature by absolute value; −1 where none is active."""
        parts = [strongest_columns(rows) for rows in self._chunks()]
        return np.concatenate([np.full(0, NOTHING), *parts])

    def of_clusters(self, clusters: Partition, labels: Mapping[str, str]) -> list[tuple[ClusterFeature, ...]]:
        """The features that are stronger in each cluster's rows than in all rows, each row scaled to length 1.

        Args:
            clusters: rows of the vectors.
            labels: what features mean, by name.
        """
        sums = self._sums([np.arange(len(self.vectors)), *clusters])
        mean = np.asarray(sums[0].toarray()).ravel() / max(1, len(self.vectors))
        found = []
        for number, members in enumerate(clusters, start=1):
            own = sums[number]
            excess = own.data / len(members) - mean[own.indices]
            best = np.lexsort((own.indices, -excess))[:_MOST]
            found.append(
                tuple(
                    self._feature(int(own.indices[at]), float(excess[at]), labels)
                    for at in best
                    if excess[at] > 0
                )
            )
        return found

    def _feature(self, column: int, excess: float, labels: Mapping[str, str]) -> ClusterFeature:
        node = self.node(column)
        return ClusterFeature(node, excess, labels.get(node, ""))

    def _sums(self, groups: Partition) -> sparse.csr_matrix:
        """(group, column): the sum of each group's rows, each of length 1; rows are read a part at a time."""
        starts = np.cumsum([0, *map(len, groups)])
        ones, members = np.ones(starts[-1], np.float32), np.concatenate(groups)
        belongs = sparse.csr_matrix((ones, members, starts), (len(groups), len(self.vectors))).tocsc()
        total, row = sparse.csr_matrix((len(groups), self._width), dtype=np.float32), 0
        for rows in self._chunks():
            here = sparse.csr_matrix(rows)
            length = np.sqrt(np.asarray(here.multiply(here).sum(axis=1))).ravel()
            scale = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
            total = total + belongs[:, row : row + here.shape[0]] @ (sparse.diags(scale) @ here)
            row += here.shape[0]
        return total.tocsr()

    @property
    def _width(self) -> int:
        return int(self._columns.stop - self._columns.start)
