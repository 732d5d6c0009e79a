"""Trivial groupings: contexts that share a token, or a strongest feature. A cluster that equals one is no
discovery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int
from scipy import sparse

from circuitscope.behaviours.clusters.unit_rows import Rows

ANSWER, LAST, BIGRAM, FEATURE = "answer token", "last token", "last bigram", "strongest feature"
NOTHING = -1
"""No token there, no feature active."""


@dataclass(frozen=True, eq=False)
class TrivialGrouping:
    """A class per context, by something that all contexts of a class share."""

    name: str
    classes: Int[np.ndarray, " context"]
    """Numbers from 0; a context of which there is nothing to share is in a class of its own, below 0."""
    shared: Sequence[tuple[int, ...]]
    """What the contexts of each class share: a token, two of them, or the column of a feature."""

    def compared(self, members: Int[np.ndarray, " member"]) -> tuple[int, float, float]:
        """The class of most members, its Jaccard overlap with a cluster, and the part of the members in it.

        A class with an overlap of ½ or more can only be that of most members. Class −1: no member has any.
        """
        mine = self.classes[members]
        numbers, both = np.unique(mine[mine >= 0], return_counts=True)
        if not len(numbers):
            return NOTHING, 0.0, 0.0
        sizes = self._sizes[numbers]
        best = int(np.lexsort((sizes, -both))[0])
        overlap = both[best] / (len(members) + sizes[best] - both[best])
        return int(numbers[best]), float(overlap), float(both[best] / len(members))

    @cached_property
    def _sizes(self) -> Int[np.ndarray, " class"]:
        return np.bincount(self.classes[self.classes >= 0], minlength=len(self.shared))


def token_groupings(
    answers: Int[np.ndarray, " context"], ends: Int[np.ndarray, "context two"]
) -> list[TrivialGrouping]:
    """Same answer token, same last token, same last two tokens.

    Args:
        ends: the last two tokens of each context, ``NOTHING`` before its first.
    """
    columns = {ANSWER: answers[:, None], LAST: ends[:, 1:], BIGRAM: ends}
    return [_grouping(name, column) for name, column in columns.items()]


def feature_grouping(strongest: Int[np.ndarray, " context"]) -> TrivialGrouping:
    """Same strongest feature; ``NOTHING`` where none is active."""
    return _grouping(FEATURE, strongest[:, None])


def _grouping(name: str, values: Int[np.ndarray, "context place"]) -> TrivialGrouping:
    shared, classes = np.unique(values, axis=0, return_inverse=True)
    classes = classes.reshape(-1).astype(np.int64)
    nothing = (values == NOTHING).all(axis=1)
    classes[nothing] = NOTHING - np.arange(int(nothing.sum()))
    return TrivialGrouping(name, classes, [tuple(row) for row in shared.tolist()])


def last_two(
    ids: Int[np.ndarray, " token"], starts: Int[np.ndarray, " start"]
) -> Int[np.ndarray, "context two"]:
    """The last two tokens of contexts that lie end to end; ``NOTHING`` before a context's first token."""
    first, end = starts[:-1], starts[1:]
    found = np.full((len(first), 2), NOTHING, np.int64)
    for column, back in ((1, 1), (0, 2)):
        there = end - back >= first
        found[there, column] = ids[end[there] - back]
    return found


def strongest_columns(rows: Rows) -> Int[np.ndarray, " row"]:
    """The column with the largest absolute value of each row; ``NOTHING`` for a row of zeros."""
    if not sparse.issparse(rows):
        size = np.abs(rows)
        return np.where(size.max(axis=1, initial=0) > 0, size.argmax(axis=1), NOTHING)
    found = np.full(rows.shape[0], NOTHING, np.int64)
    size = np.abs(rows.data)
    for row in np.flatnonzero(np.diff(rows.indptr)):
        inside = slice(rows.indptr[row], rows.indptr[row + 1])
        best = int(size[inside].argmax())
        if size[inside][best] > 0:
            found[row] = rows.indices[inside][best]
    return found
