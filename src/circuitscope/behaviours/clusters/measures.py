"""What is measured of a cluster: cohesion, nearness to its centre, stability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from circuitscope.behaviours.clusters.fit import Partition, Space, fit
from circuitscope.behaviours.clusters.unit_rows import UnitRows
from circuitscope.config import ClusterSettings
from circuitscope.work import Progress, silent

Members = Int[np.ndarray, " _"]


def cohesion(vectors: UnitRows, members: Members) -> float | None:
    """Mean cosine of two different members, (|Σ u|² − n) / (n (n − 1)); None for a single one."""
    count = len(members)
    if count < 2:
        return None
    total = vectors.sum_of(members)
    return float((total @ total - count) / (count * (count - 1)))


def centres(vectors: UnitRows, clusters: Partition) -> Float[np.ndarray, "cluster column"]:
    """The direction of each cluster's sum, of length 1; zero where its members cancel."""
    found = np.zeros((len(clusters), vectors.rows.shape[1]), np.float32)
    for row, members in enumerate(clusters):
        total = vectors.sum_of(members)
        length = float(np.linalg.norm(total))
        found[row] = total / length if length > 1e-9 else 0
    return found


def nearness(
    vectors: UnitRows, members: Members, centre: Float[np.ndarray, " column"]
) -> Float[np.ndarray, " member"]:
    """The cosine of each member with its centre."""
    return np.asarray(vectors.rows[members] @ centre).ravel()


def stabilities(
    space: Space, settings: ClusterSettings, results: Sequence[Partition], *, progress: Progress = silent
) -> list[list[float | None]]:
    """How well each cluster of each result comes back when half of the vectors are clustered afresh.

    A cluster's stability is the largest Jaccard overlap of its part in a half with a cluster of that half, as a mean
    over both halves and ``settings.halves`` draws of them (after Hennig 2007). A half keeps the edges between its
    vectors: about half as many neighbours for half as many vectors. A half in which it has fewer than two members
    says nothing; None if all are so.
    """
    sums = [np.zeros(len(result)) for result in results]
    times = [np.zeros(len(result), np.int64) for result in results]
    draw = np.random.default_rng(settings.seed)
    for done in range(settings.halves):
        order = draw.permutation(len(space))
        for number, half in enumerate((order[: len(order) // 2], order[len(order) // 2 :])):
            progress(2 * done + number, 2 * settings.halves, "halves")
            half = np.sort(half)
            for at, again in enumerate(_afresh(space.take(half), settings, len(results))):
                if again is not None:
                    _add(results[at], again, half, len(space), (sums[at], times[at]))
    return [
        [float(total / count) if count else None for total, count in zip(*both, strict=True)]
        for both in zip(sums, times, strict=True)
    ]


def _afresh(half: Space, settings: ClusterSettings, expected: int) -> Sequence[Partition | None]:
    """A half's clusters for each number of them; None for a number that it has too few vectors for."""
    if not settings.has_counts:
        return list(fit(half, settings))
    possible = [count for count in settings.counts if count <= half.vectors.distinct]
    found = fit(half, replace(settings, clusters=",".join(map(str, possible)))) if possible else []
    return [*found, *[None] * (expected - len(found))]


def _add(
    clusters: Partition, again: Partition, half: Members, size: int, into: tuple[np.ndarray, np.ndarray]
) -> None:
    """Add each cluster's best overlap in a half, and that there was one."""
    place = np.full(size, -1)
    place[half] = np.arange(len(half))
    of_row: list[list[int]] = [[] for _ in half]
    for number, members in enumerate(again):
        for row in members.tolist():
            of_row[row].append(number)
    for number, members in enumerate(clusters):
        rows = place[members]
        rows = rows[rows >= 0].tolist()
        if len(rows) < 2:
            continue
        shared: dict[int, int] = {}
        for row in rows:
            for other in of_row[row]:
                shared[other] = shared.get(other, 0) + 1
        into[0][number] += max(
            (both / (len(rows) + len(again[other]) - both) for other, both in shared.items()), default=0.0
        )
        into[1][number] += 1


def hard(
    vectors: UnitRows, clusters: Partition, middle: Float[np.ndarray, "cluster column"]
) -> Int[np.ndarray, " vector"]:
    """One cluster per vector: of those that it is in, the one whose centre is nearest; −1 for none."""
    best = np.full(len(vectors), -np.inf)
    labels = np.full(len(vectors), -1)
    for number, members in enumerate(clusters):
        near = nearness(vectors, members, middle[number])
        better = near > best[members]
        best[members[better]], labels[members[better]] = near[better], number
    return labels
