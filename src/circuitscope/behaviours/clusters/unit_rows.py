"""UnitRows: vectors scaled to length 1, so that an inner product is a cosine; what has no direction is left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from circuitscope.errors import BadInput, NothingFound

Rows: TypeAlias = Any
"""A matrix with a row per vector: numpy's array or scipy's compressed sparse rows."""
EXACT = 10_000
"""Up to this many vectors everything is compared with everything; beyond, faiss finds what is near."""
WIDTH = 256
"""Sparse rows that an algorithm needs dense become this wide."""
_PART = 4096
_DIGITS = 5


@dataclass(frozen=True, eq=False)
class UnitRows:
    """Vectors of length 1, dense or sparse, in float32."""

    rows: Rows
    """(vector, column)"""
    kept: Int[np.ndarray, " vector"]
    """Which row of what was given each one is."""
    zeros: int
    """How many rows were left out, because they were all zero."""

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    @property
    def is_sparse(self) -> bool:
        return bool(sparse.issparse(self.rows))

    @classmethod
    def of(cls, vectors: Rows) -> UnitRows:
        """Scale vectors to length 1; takes a copy in float32, and little more.

        Raises:
            BadInput: they are not a matrix, or hold NaN or infinity.
            NothingFound: all of them are zero, or there are none.
        """
        if getattr(vectors, "ndim", 2) != 2:
            raise BadInput(f"vectors of shape {vectors.shape}", expected="a matrix with a row per context")
        count = int(vectors.shape[0])
        return cls.of_chunks((vectors[start : start + _PART] for start in range(0, count, _PART)), count)

    @classmethod
    def of_chunks(cls, chunks: Iterable[Rows], count: int) -> UnitRows:
        """The same for ``count`` vectors that come some at a time."""
        kept: list[np.ndarray] = []
        sparse_parts: list[Rows] = []
        dense, filled, seen = np.zeros((0, 0), np.float32), 0, 0
        for chunk in chunks:
            directed, scaled = _scaled(chunk, seen)
            kept.append(seen + directed)
            seen += int(chunk.shape[0])
            if sparse.issparse(scaled):
                sparse_parts.append(scaled)
                continue
            if not len(dense):
                dense = np.empty((count, chunk.shape[1]), np.float32)
            dense[filled : filled + len(directed)] = scaled
            filled += len(directed)
        rows = np.concatenate([np.zeros(0, np.int64), *kept])
        if not len(rows):
            raise NothingFound(
                f"all {count} vectors are zero" if count else "there are no vectors",
                expected="vectors with a direction",
                mend="take other sites or another kind of vector",
            )
        whole = sparse.vstack(sparse_parts, format="csr") if sparse_parts else dense[:filled]
        return cls(whole, rows, count - len(rows))

    @cached_property
    def distinct(self) -> int:
        """How many of them differ."""
        return len({_digest(self.rows, row) for row in range(len(self))})

    @property
    def duplicates(self) -> int:
        """How many are equal to an earlier one."""
        return len(self) - self.distinct

    def dense(self, seed: int = 0) -> Float[np.ndarray, "vector column"]:
        """Rows as an array; wide sparse ones in their ``WIDTH`` strongest directions, again of length 1.

        The directions are those of a truncated singular value decomposition (scikit-learn).
        """
        if not self.is_sparse:
            return np.asarray(self.rows)
        if self.rows.shape[1] <= 2 * WIDTH:
            return np.asarray(self.rows.toarray())
        from sklearn.decomposition import TruncatedSVD

        width = min(WIDTH, len(self))
        narrow = TruncatedSVD(width, random_state=seed).fit_transform(self.rows).astype(np.float32)
        lengths = np.linalg.norm(narrow, axis=1, keepdims=True)
        return np.asarray(np.divide(narrow, lengths, out=np.zeros_like(narrow), where=lengths > 0))

    def take(self, rows: Int[np.ndarray, " row"]) -> UnitRows:
        """Some of them."""
        return UnitRows(self.rows[rows], self.kept[rows], 0)

    def sum_of(self, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, " column"]:
        """The sum of some rows, in float64."""
        total = np.zeros(self.rows.shape[1])
        for start in range(0, len(rows), _PART):
            part = self.rows[rows[start : start + _PART]]
            total += np.asarray(part.sum(axis=0, dtype=np.float64)).ravel()
        return total


def _lengths(part: Rows) -> Float[np.ndarray, " row"]:
    with np.errstate(over="ignore", invalid="ignore"):
        if sparse.issparse(part):
            squares: np.ndarray = np.asarray(part.astype(np.float64).multiply(part).sum(axis=1)).ravel()
            return np.asarray(np.sqrt(squares))
        return np.asarray(np.linalg.norm(np.asarray(part, np.float64), axis=1))


def _scaled(part: Rows, first: int) -> tuple[Int[np.ndarray, " kept"], Rows]:
    """Which of some rows have a direction, and these, of length 1; the first has the number ``first``."""
    lengths = _lengths(part)
    if not np.isfinite(lengths).all():
        raise BadInput(
            f"vector {first + int(np.flatnonzero(~np.isfinite(lengths))[0])} holds NaN or infinity",
            expected="finite numbers",
            mend="begin again with float32, in which nothing overflows",
        )
    kept = np.flatnonzero(lengths > 0)
    inverse = 1 / lengths[kept]
    if not sparse.issparse(part):
        return kept, (part[kept] * inverse[:, None]).astype(np.float32)
    rows = sparse.csr_matrix(part[kept], dtype=np.float32, copy=True)
    rows.data *= np.repeat(inverse, np.diff(rows.indptr)).astype(np.float32)
    rows.sum_duplicates()
    return kept, rows


def _digest(rows: Any, row: int) -> bytes:
    """What tells one row from another, but for what rounding does to copies of different length."""
    if sparse.issparse(rows):
        inside = slice(rows.indptr[row], rows.indptr[row + 1])
        columns, values = rows.indices[inside], rows.data[inside]
    else:
        columns, values = np.zeros(0), rows[row]
    rounded = values.round(_DIGITS) + np.float32(0)  # no -0
    return hashlib.blake2b(columns.tobytes() + rounded.tobytes(), digest_size=16).digest()
