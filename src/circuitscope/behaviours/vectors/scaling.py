"""What goes before the cosine: whitening, idf weights, or nothing but length 1.

*Whitening* (of dense vectors). With centred rows x and covariance C = V Λ Vᵀ, a row becomes
(x V) / √((1 − s) Λ + s μ), where μ is the mean variance of a column and s the shrinkage of Ledoit and Wolf (2004),
which grows as rows get few. Only the strongest directions are kept. With few columns C is made and taken apart as
it is; with many, its strongest directions are found by subspace iteration (Halko, Martinsson and Tropp 2011), which
needs only products with the rows.

*idf* (of sparse vectors). Column i counts log(1 + n / n_i), where n_i of n rows are not 0 there.

Kinds of column that stand beside each other (activations and effects) are each brought to the same length first, so
that neither drowns the other. Effects and gradients are brought to length 1 before they are centred. Rows are read a
chunk at a time, and memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy import sparse

from circuitscope.behaviours.vectors.store import VectorRows
from circuitscope.errors import BadInput, argument

if TYPE_CHECKING:
    from circuitscope.behaviours.vectors.vectors import Vectors

SCALES = ("auto", "whiten", "idf", "none")
SIZE_SAYS_NOTHING = ("effects", "gradients")
"""Kinds whose rows are brought to length 1 before they are centred: they are as large as 1 − p(answer), which differs
from context to context by orders of magnitude, so that small ones would all come to lie where minus the mean lies."""
EXACT = 2048
"""Up to this many columns the covariance itself is made."""
_MORE, _ROUNDS = 16, 4
"""Directions that are followed besides those that are kept, and rounds of the subspace iteration."""


@dataclass(frozen=True)
class ScaledVectors:
    """Rows of length 1; a vector of zeros stays one."""

    scale: str
    """``whiten``, ``idf`` or ``none``."""
    shape: tuple[int, int]
    is_sparse: bool
    _vectors: Vectors
    _change: Callable[[VectorRows], VectorRows]

    def __len__(self) -> int:
        return self.shape[0]

    def rows(self, start: int = 0, stop: int | None = None) -> VectorRows:
        """Some rows: an array, or compressed sparse rows; float32."""
        return self._change(self._vectors.rows(start, stop))

    def chunks(self, size: int | None = None) -> Iterator[VectorRows]:
        """All rows in order, ``size`` at a time."""
        for rows in self._vectors.chunks(size):
            yield self._change(rows)


def scaled(vectors: Vectors, scale: str, *, rank: int, seed: int) -> ScaledVectors:
    """See ``Vectors.prepared``."""
    if scale not in SCALES:
        raise BadInput(argument("scale", scale), expected=" or ".join(SCALES))
    if rank < 1:
        raise BadInput(argument("rank", rank), expected="a whole number of at least 1")
    if scale == "auto":
        scale = "idf" if vectors.is_sparse else "whiten"
    if scale == "idf" and not vectors.is_sparse:
        raise BadInput(
            f"{argument('scale', scale)} for dense vectors",
            expected="sparse vectors: idf counts in how many rows a column is not 0",
            mend=f"{argument('scale', 'whiten')}",
        )
    groups = tuple(vectors.columns.by_kind.values())
    width, is_sparse = vectors.shape[1], vectors.is_sparse
    if scale == "whiten":
        whitening = _whitening(vectors, rank, seed)
        width, is_sparse = whitening.directions.shape[1], False
        change: Callable[[VectorRows], VectorRows] = whitening.of
    elif scale == "idf":
        change = partial(_by_idf, weights=_idf(vectors), groups=groups)
    else:
        change = partial(_only_length, groups=groups)
    return ScaledVectors(scale, (len(vectors), width), is_sparse, vectors, change)


# -- lengths -------------------------------------------------------------------------------------------------


def _lengths(rows: VectorRows) -> Float[np.ndarray, " row"]:
    squares = (
        rows.multiply(rows).sum(axis=1)
        if sparse.issparse(rows)
        else np.square(rows, dtype=np.float64).sum(axis=1)
    )
    found: np.ndarray = np.sqrt(np.asarray(squares, dtype=np.float64)).ravel()
    return found


def _times(rows: VectorRows, factors: Float[np.ndarray, " row"]) -> VectorRows:
    if sparse.issparse(rows):
        return sparse.csr_matrix(sparse.diags(factors) @ rows, dtype=np.float32)
    return (rows * factors[:, None]).astype(np.float32)


def _unit(rows: VectorRows) -> VectorRows:
    """Each row over its length; rows of zeros stay."""
    lengths = _lengths(rows)
    return _times(rows, np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0))


def _balanced(rows: VectorRows, groups: tuple[slice, ...]) -> VectorRows:
    """Each kind of column at the same length, row by row."""
    if len(groups) == 1:
        return rows
    parts = [_unit(rows[:, group]) for group in groups]
    return sparse.hstack(parts, format="csr") if sparse.issparse(rows) else np.concatenate(parts, axis=1)


def _only_length(rows: VectorRows, groups: tuple[slice, ...]) -> VectorRows:
    return _unit(_balanced(rows, groups))


# -- idf -----------------------------------------------------------------------------------------------------


def _idf(vectors: Vectors) -> Float[np.ndarray, " column"]:
    n, width = vectors.shape
    present = np.zeros(width, dtype=np.int64)
    for rows in vectors.chunks():
        present += np.bincount(rows.indices, minlength=width)
    return np.log1p(n / np.maximum(present, 1))


def _weighted(rows: VectorRows, weights: Float[np.ndarray, " column"]) -> VectorRows:
    data = (rows.data * weights[rows.indices]).astype(np.float32)
    return sparse.csr_matrix((data, rows.indices, rows.indptr), shape=rows.shape)


def _by_idf(rows: VectorRows, weights: Float[np.ndarray, " column"], groups: tuple[slice, ...]) -> VectorRows:
    return _only_length(_weighted(rows, weights), groups)


# -- whitening -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Levelled:
    """Kinds of column brought to about the same length before the rows are centred."""

    kinds: tuple[tuple[str, slice], ...]
    typical: tuple[float, ...]
    """The root mean square length of each kind's rows."""

    @classmethod
    def of_vectors(cls, vectors: Vectors) -> _Levelled:
        kinds = tuple(vectors.columns.by_kind.items())
        squares = np.zeros(len(kinds))
        for rows in vectors.chunks():
            squares += [float((_lengths(rows[:, columns]) ** 2).sum()) for _, columns in kinds]
        return cls(kinds, tuple(np.sqrt(squares / max(len(vectors), 1)).tolist()))

    def of(self, rows: VectorRows) -> VectorRows:
        parts = []
        for (kind, columns), typical in zip(self.kinds, self.typical, strict=True):
            part = rows[:, columns]
            parts.append(
                _unit(part) if kind in SIZE_SAYS_NOTHING else part * np.float32(1 / (typical or 1.0))
            )
        if len(parts) == 1:
            return parts[0]
        return sparse.hstack(parts, format="csr") if sparse.issparse(rows) else np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class _Whitening:
    """x → (x − mean) · directions, then length 1; zero rows stay zero."""

    mean: Float[np.ndarray, " column"]
    directions: Float[np.ndarray, "column kept"]
    levelled: _Levelled

    def of(self, rows: VectorRows) -> np.ndarray:
        balanced = self.levelled.of(rows)
        if sparse.issparse(balanced):
            moved = np.asarray(balanced @ self.directions - self.mean @ self.directions)
        else:
            moved = (balanced - self.mean.astype(np.float32)) @ self.directions.astype(np.float32)
        moved[_lengths(rows) == 0] = 0.0
        found: np.ndarray = _unit(moved)
        return found


def _whitening(vectors: Vectors, rank: int, seed: int) -> _Whitening:
    n, width = vectors.shape
    levelled = _Levelled.of_vectors(vectors)

    def chunks() -> Iterator[VectorRows]:
        for rows in vectors.chunks():
            yield levelled.of(rows)

    mean = np.zeros(width)
    for rows in chunks():
        mean += np.asarray(rows.sum(axis=0, dtype=np.float64)).ravel() / n
    variances, directions = _principal(chunks, mean, n, min(rank, width, max(n - 1, 1)), seed)
    total, fourth = _moments(chunks, mean, n)
    level = total / width
    shrinkage = _shrinkage(variances, total, fourth, n, width)
    scale = np.sqrt((1 - shrinkage) * variances + shrinkage * level)
    usable = scale > 1e-6 * max(scale.max(initial=0.0), np.finfo(np.float32).tiny)
    return _Whitening(mean, directions[:, usable] / scale[usable], levelled)


def _principal(
    chunks: Callable[[], Iterator[VectorRows]], mean: np.ndarray, n: int, rank: int, seed: int
) -> tuple[Float[np.ndarray, " kept"], Float[np.ndarray, "column kept"]]:
    """The largest variances and their directions."""
    width = len(mean)
    if width <= EXACT:
        basis = np.eye(width)
        reduced = _covariance(chunks, mean, n)
    else:
        basis = np.random.default_rng(seed).standard_normal((width, min(rank + _MORE, width)))
        for _ in range(_ROUNDS):
            basis = np.linalg.qr(_covariance_times(chunks, mean, n, basis))[0]
        reduced = basis.T @ _covariance_times(chunks, mean, n, basis)
    values, inner = np.linalg.eigh((reduced + reduced.T) / 2)
    strongest = np.argsort(values)[::-1][:rank]
    return np.maximum(values[strongest], 0.0), basis @ inner[:, strongest]


def _covariance(
    chunks: Callable[[], Iterator[VectorRows]], mean: np.ndarray, n: int
) -> Float[np.ndarray, "column column"]:
    found = np.zeros((len(mean), len(mean)))
    for rows in chunks():
        centred = (rows.toarray() if sparse.issparse(rows) else rows) - mean
        found += centred.T @ centred
    return found / n


def _covariance_times(
    chunks: Callable[[], Iterator[VectorRows]], mean: np.ndarray, n: int, basis: np.ndarray
) -> np.ndarray:
    """C · basis, without C. Products with dense rows are in float32, as the rows are, and are summed in float64."""
    found = np.zeros_like(basis)
    small = basis.astype(np.float32)
    along = mean @ basis
    for rows in chunks():
        if sparse.issparse(rows):
            part = rows @ basis - along
            found += rows.T @ part - np.outer(mean, part.sum(axis=0))
        else:
            centred = rows - mean.astype(np.float32)
            found += centred.T @ (centred @ small)
    return found / n


def _moments(chunks: Callable[[], Iterator[VectorRows]], mean: np.ndarray, n: int) -> tuple[float, float]:
    """The mean of |x|² and of |x|⁴ over centred rows."""
    second = fourth = 0.0
    constant = float(mean @ mean)
    for rows in chunks():
        squares = np.maximum(_lengths(rows) ** 2 - 2 * np.asarray(rows @ mean).ravel() + constant, 0.0)
        second += float(squares.sum())
        fourth += float((squares**2).sum())
    return second / n, fourth / n


def _shrinkage(variances: np.ndarray, total: float, fourth: float, n: int, width: int) -> float:
    """How far the variances are drawn to their mean (Ledoit and Wolf 2004)."""
    rest = max(total - float(variances.sum()), 0.0)
    square = float((variances**2).sum()) + rest**2 / max(
        width - len(variances), 1
    )  # |C|², the rest taken as level
    spread = square - total**2 / width
    noise = max(fourth - square, 0.0) / n
    return 1.0 if spread <= 0 else min(noise / spread, 1.0)
