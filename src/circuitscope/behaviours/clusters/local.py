"""Local clustering by conductance: no number of clusters is given, and a vector may be in several or in none.

From every vector as a seed:

1. Walk: p ← α · seed + (1 − α) · W D⁻¹ p, a few times: personalised PageRank. What falls below ε · degree is dropped
   after each step, so that a walk stays near its seed (Andersen, Chung and Lang 2006; Spielman and Teng's nibble).
2. Sweep: order what was reached by p / degree, and follow the share of the volume that leaves, from each beginning to
   the next. A dip is a beginning with a smaller share than every other one of half to double its size, and after
   which the share rises by a tenth.
3. The seed's cluster is the first dip of ``smallest`` to ``largest`` vectors with a conductance of at most
   ``conductance``: at ½, more of its edges' weight stays inside than leaves. Clusters are not joined because together
   they are cut off even better; a lower limit gives fewer and larger ones. More than half of the whole volume is only
   a cluster if nothing leaves it.

Then the seeds vote:

4. From the lowest conductance up, a cluster with a Jaccard overlap of more than a half with an earlier one is that
   one again. So every seed names one cluster, and a cluster is confirmed by the share of its own members that name
   it. A seed at the rim of a cluster may show it with much of what is around it, but hardly any other member does.
5. From the best confirmed down, a cluster is kept unless it shares more than ``overlap`` of the smaller of both
   with one that was kept before.

Beyond ``EXACT`` vectors, one that is in four clusters already is no seed any more.

Clusters of behaviours by conductance: arXiv 2601.12703. The walk and the rules here are our own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from circuitscope.behaviours.clusters.neighbours import NeighbourGraph
from circuitscope.behaviours.clusters.unit_rows import EXACT
from circuitscope.work import Progress, silent

RESTART = 0.1
"""α: a walk goes about 1/α steps before it begins again at its seed."""
_STEPS = 20
_SPREAD = 4
"""A walk may reach about this many times the largest cluster."""
_TOGETHER = 64
"""Seeds that walk at the same time."""
_RISE = 1.1
_KNOWN = 4
"""A vector that is in so many clusters is no seed any more, where there are many vectors."""
_SAME = 0.5
"""The Jaccard overlap beyond which two clusters are one."""

Members = Int[np.ndarray, " _"]


@dataclass(frozen=True)
class LocalSettings:
    """What a local cluster may be."""

    smallest: int = 3
    largest: int = 1000
    conductance: float = 0.5
    overlap: float = 0.5


def local_clusters(
    graph: NeighbourGraph, settings: LocalSettings, *, seed: int = 0, progress: Progress = silent
) -> list[Members]:
    """Clusters of a graph, those with the lowest conductance first; the members of each in ascending order."""
    order = np.random.default_rng(seed).permutation(len(graph))
    walker = _Walker.on(graph, settings)
    rank = np.full(len(graph), -1)
    known = np.zeros(len(graph), np.int64)
    walked = np.zeros(len(graph), bool)
    found: dict[bytes, WalkedCluster] = {}
    at = 0
    while at < len(order):
        seeds, at = _next_seeds(order, at, known)
        walked[seeds] = True
        for start, walk in zip(seeds.tolist(), walker.walks(seeds), strict=True):
            swept = _sweep(graph, walk, settings, rank)
            if swept is not None:
                value, members = swept
                key = blake2b(members.tobytes(), digest_size=16).digest()
                found.setdefault(key, WalkedCluster(value, members)).seeds.append(start)
                known[members] += len(graph) > EXACT
        progress(at, len(order), "vectors")
    return elected(list(found.values()), walked, settings.overlap)


def _next_seeds(
    order: Int[np.ndarray, " vector"], at: int, known: Int[np.ndarray, " vector"]
) -> tuple[Int[np.ndarray, " seed"], int]:
    """The next vectors that are not known well yet, and where the order goes on."""
    seeds: list[int] = []
    while at < len(order) and len(seeds) < _TOGETHER:
        if known[order[at]] < _KNOWN:
            seeds.append(int(order[at]))
        at += 1
    return np.array(seeds, np.int64), at


@dataclass(frozen=True, eq=False)
class _Walker:
    """Walks on a graph."""

    step: sparse.csr_matrix
    """(from, to): the part of a vector's weight that goes to each neighbour; rows sum to 1."""
    degrees: Float[np.ndarray, " vector"]
    epsilon: float

    @classmethod
    def on(cls, graph: NeighbourGraph, settings: LocalSettings) -> _Walker:
        degrees = np.where(graph.degrees > 0, graph.degrees, 1)
        step = sparse.diags((1 / degrees).astype(np.float32)) @ graph.weights
        # The mass of 1 lies on vectors with p ≥ ε · degree, whose volume is therefore at most 1 / ε.
        reach = _SPREAD * settings.largest
        return cls(step.tocsr(), degrees, 1 / (reach * float(degrees.mean())))

    def walks(
        self, seeds: Int[np.ndarray, " seed"]
    ) -> Iterator[tuple[Members, Float[np.ndarray, " reached"]]]:
        """For each seed the vectors that its walk reaches and p / degree there."""
        ones = np.ones(len(seeds), np.float32)
        shape = (len(seeds), len(self.degrees))
        start = sparse.csr_matrix((ones, seeds, np.arange(len(seeds) + 1)), shape)
        walk = start
        for _ in range(_STEPS):
            walk = (RESTART * start + (1 - RESTART) * (walk @ self.step)).tocsr()
            walk.data[walk.data < self.epsilon * self.degrees[walk.indices]] = 0
            walk.eliminate_zeros()
        for row in range(len(seeds)):
            part = slice(walk.indptr[row], walk.indptr[row + 1])
            reached = walk.indices[part].astype(np.int64)
            yield reached, walk.data[part] / self.degrees[reached]


def _sweep(
    graph: NeighbourGraph,
    walk: tuple[Members, Float[np.ndarray, " reached"]],
    settings: LocalSettings,
    rank: Int[np.ndarray, " vector"],
) -> tuple[float, Members] | None:
    """The cluster that a walk shows with its conductance; None if it shows none.

    Args:
        rank: -1 everywhere; used and left so.
    """
    reached, height = walk
    order = reached[np.lexsort((reached, -height))][: 2 * settings.largest]
    leaving, conductance = conductances(graph, order, rank)
    for size in dips(leaving):
        value = float(conductance[size - 1])
        is_smaller_side = value == leaving[size - 1]  # or nothing leaves it
        fits = settings.smallest <= size <= settings.largest and value <= settings.conductance
        if fits and is_smaller_side:
            return value, np.sort(order[:size]).astype(np.int32)  # there may be one for each vector
    return None


def dips(leaving: Float[np.ndarray, " size"]) -> list[int]:
    """The sizes, from 1 on, with a value below that of every other from two thirds to one and a half, and a rise
    after it."""
    ends = np.concatenate([[np.inf], leaving, [np.inf]])
    low = np.flatnonzero((leaving < ends[:-2]) & (leaving <= ends[2:])) + 1
    return [size for size in low.tolist() if _is_dip(leaving, size)]


def _is_dip(leaving: Float[np.ndarray, " size"], size: int) -> bool:
    value = leaving[size - 1]
    before, after = leaving[(2 * size + 2) // 3 - 1 : size - 1], leaving[size : size + max(2, size // 2)]
    rises = not len(after) or bool(after.max() >= _RISE * value)
    return rises and bool(value < before.min(initial=np.inf) and value <= after.min(initial=np.inf))


def conductances(
    graph: NeighbourGraph, order: Members, rank: Int[np.ndarray, " vector"] | None = None
) -> tuple[Float[np.ndarray, " size"], Float[np.ndarray, " size"]]:
    """Of the first 1, 2, … vectors of an order, cut over volume, and the conductance: infinite where nothing is
    outside.

    cut(S) = volume(S) − 2 · inner(S), and an edge is inner from the later of its ends on.
    """
    rank = np.full(len(graph), -1) if rank is None else rank
    rank[order] = np.arange(len(order))
    place, other, weight = graph.edges_of(order)
    there = rank[other]
    inner = there >= 0
    later = np.maximum(place[inner], there[inner])
    both_ways = np.cumsum(np.bincount(later, weight[inner], len(order)))
    volume = np.cumsum(graph.degrees[order])
    rank[order] = -1
    least = 1e-9 * graph.total
    cut = np.maximum(volume - both_ways, 0)
    cut[cut < 1e-9 * volume] = 0  # what rounding leaves of nothing
    leaving, conductance = np.ones(len(order)), np.full(len(order), np.inf)
    np.divide(cut, volume, out=leaving, where=volume > least)
    smaller = np.minimum(volume, graph.total - volume)
    np.divide(cut, smaller, out=conductance, where=smaller > least)
    return leaving, conductance


@dataclass(frozen=True, eq=False)
class WalkedCluster:
    """A cluster that walks showed."""

    conductance: float
    members: Members
    seeds: list[int] = field(default_factory=list)
    """The vectors whose walks showed it."""


class _Kept:
    """Clusters that are kept, and which of them each vector is in."""

    def __init__(self, size: int) -> None:
        self.clusters: list[WalkedCluster] = []
        self._of_vector: list[list[int]] = [[] for _ in range(size)]

    def add(self, shown: WalkedCluster) -> None:
        for vector in shown.members.tolist():
            self._of_vector[vector].append(len(self.clusters))
        self.clusters.append(shown)

    def shared(self, members: Members) -> Counter[int]:
        """How many of some vectors are in each of the clusters."""
        return Counter(chain.from_iterable(map(self._of_vector.__getitem__, members.tolist())))


def elected(
    found: Sequence[WalkedCluster], walked: Bool[np.ndarray, " vector"], overlap: float
) -> list[Members]:
    """The clusters that their own members name, the best confirmed first.

    Args:
        walked: which vectors were seeds.
        overlap: of two that share more than this part of the smaller one, only the better confirmed one.
    """
    different = _Kept(len(walked))
    for shown in sorted(found, key=_by_conductance):
        same = [
            (both / (len(shown.members) + len(different.clusters[other].members) - both), other)
            for other, both in different.shared(shown.members).items()
        ]
        best, other = max(same, default=(0.0, 0))
        if best > _SAME:
            different.clusters[other].seeds.extend(shown.seeds)
        else:
            different.add(replace(shown, seeds=list(shown.seeds)))
    kept = _Kept(len(walked))
    for shown in sorted(
        different.clusters, key=lambda one: (-_confirmed(one, walked), *_by_conductance(one))
    ):
        sizes = (
            both / min(len(shown.members), len(kept.clusters[other].members))
            for other, both in kept.shared(shown.members).items()
        )
        if max(sizes, default=0.0) <= overlap:
            kept.add(shown)
    return [shown.members.astype(np.int64) for shown in kept.clusters]


def _by_conductance(shown: WalkedCluster) -> tuple[float, int, list[int]]:
    return shown.conductance, -len(shown.members), shown.members.tolist()


def _confirmed(shown: WalkedCluster, walked: Bool[np.ndarray, " vector"]) -> float:
    """The share of a cluster's members that name it, of those that were seeds."""
    return float(np.isin(shown.seeds, shown.members).sum() / max(1, walked[shown.members].sum()))
