"""fit: the clusters of some vectors, by any of the methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from circuitscope.behaviours.clusters.density import NONE, hdbscan
from circuitscope.behaviours.clusters.kmeans import spherical_kmeans
from circuitscope.behaviours.clusters.local import LocalSettings, local_clusters
from circuitscope.behaviours.clusters.neighbours import NeighbourGraph, neighbour_graph
from circuitscope.behaviours.clusters.spectral import angular, spectral
from circuitscope.behaviours.clusters.unit_rows import UnitRows
from circuitscope.config import ClusterSettings
from circuitscope.errors import BadInput, argument
from circuitscope.work import Progress, silent

Members = Int[np.ndarray, " _"]
Partition = list[Members]
"""The members of each cluster, in ascending order; clusters may overlap, and leave vectors out."""


@dataclass(frozen=True, eq=False)
class Space:
    """Vectors and their neighbour graph: what every method works on."""

    vectors: UnitRows
    graph: NeighbourGraph

    @classmethod
    def of(cls, vectors: UnitRows, settings: ClusterSettings) -> Space:
        """The vectors with a new graph."""
        return cls(vectors, neighbour_graph(vectors, settings.neighbours, seed=settings.seed))

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: Int[np.ndarray, " row"]) -> Space:
        """Some of the vectors with the edges between them."""
        return Space(self.vectors.take(rows), self.graph.take(rows))


def fit(space: Space, settings: ClusterSettings, *, progress: Progress = silent) -> list[Partition]:
    """The clusters for each number of clusters asked for; one result for methods that find it themselves.

    Raises:
        BadInput: there are fewer vectors, or fewer different ones, than clusters.
    """
    if settings.method == "local":
        limits = LocalSettings(settings.smallest, settings.largest, settings.conductance, settings.overlap)
        return [local_clusters(space.graph, limits, seed=settings.seed, progress=progress)]
    if settings.method == "hdbscan":
        return [by_label(hdbscan(space.vectors, settings.smallest, seed=settings.seed))]
    refuse_too_few(space.vectors, settings.counts)
    return [by_label(labels) for labels in _labels(space, settings)]


def _labels(space: Space, settings: ClusterSettings) -> list[Int[np.ndarray, " vector"]]:
    counts, seed = settings.counts, settings.seed
    if settings.method == "spectral":
        return spectral(space.graph, counts, seed=seed)
    if settings.method == "angular":
        return angular(space.vectors, counts, seed=seed)
    rows = space.vectors.dense(seed)
    return [spherical_kmeans(rows, count, seed=seed) for count in counts]


def refuse_too_few(vectors: UnitRows, counts: Sequence[int]) -> None:
    """Raise BadInput where there is not a different vector for each cluster."""
    most = max(counts)
    if vectors.distinct < most:
        different = "" if vectors.distinct == len(vectors) else f" {vectors.distinct} different"
        raise BadInput(
            f"{most} clusters of {len(vectors)} contexts" + f" with{different} vectors" * bool(different),
            expected=f"at most {vectors.distinct} clusters",
            mend=f"lower {argument('clusters')}, or find more contexts",
        )


def by_label(labels: Int[np.ndarray, " vector"]) -> Partition:
    """The members of each cluster from a cluster per vector, the largest cluster first."""
    order = np.argsort(labels, kind="stable")
    begins = np.flatnonzero(np.diff(labels[order], prepend=NONE - 1))
    parts = np.split(order, begins[1:])
    return sorted((part for part in parts if len(part) and labels[part[0]] != NONE), key=_by_size)


def _by_size(members: Members) -> tuple[int, int]:
    return -len(members), int(members[0])
