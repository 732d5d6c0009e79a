"""Vectors: one row per context, memory-mapped. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy import sparse

from circuitscope.behaviours.vectors.columns import ColumnPart, VectorColumns
from circuitscope.behaviours.vectors.scaling import ScaledVectors, scaled
from circuitscope.behaviours.vectors.store import DATA, INDICES, INDPTR, ROWS, VectorRows
from circuitscope.errors import BadFile, BadInput
from circuitscope.runs import VECTORS, read_manifest

KIND = VECTORS.kind
IDS = "context_ids.npy"


@dataclass(frozen=True, eq=False, repr=False)
class Vectors:
    """Vectors of contexts; rows are read from the disk when they are asked for."""

    kind: str
    """``effects``, ``activations``, ``activations+effects``, ``dense`` or ``gradients``."""
    columns: VectorColumns
    """What each column stands for."""
    context_ids: Int[np.ndarray, " row"]
    """The context of each row, by its number."""
    zeros: tuple[int, ...]
    """The contexts whose vector is all zeros, by their numbers: they are similar to nothing."""
    parts: tuple[np.ndarray, ...]
    """Dense rows; or the values, the columns and the beginnings of sparse ones."""
    made_from: dict[str, str] = field(default_factory=dict)
    """``model_hash``, ``dictionaries_hash`` and ``contexts_hash``; nothing for vectors that were made in Python."""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.context_ids), self.columns.count

    def __len__(self) -> int:
        return len(self.context_ids)

    @property
    def is_sparse(self) -> bool:
        return len(self.parts) > 1

    @property
    def nbytes(self) -> int:
        """What they take on the disk."""
        return sum(part.nbytes for part in self.parts)

    def __repr__(self) -> str:
        how = f"{len(self.parts[0]):,} entries" if self.is_sparse else "dense"
        empty = f", {len(self.zeros)} of them zero" if self.zeros else ""
        return f"Vectors({self.kind}: {self.shape[0]:,} × {self.shape[1]:,}, {how}{empty})"

    def rows(self, start: int = 0, stop: int | None = None) -> VectorRows:
        """Some rows: an array, or compressed sparse rows; float32, and read-only where they are views of the file."""
        first, end, _ = slice(start, stop).indices(len(self))
        if not self.is_sparse:
            return self.parts[0][first:end]
        data, indices, indptr = self.parts
        at = np.asarray(indptr[first : max(end, first) + 1])
        inside = slice(int(at[0]), int(at[-1]))
        return sparse.csr_matrix(
            (data[inside], indices[inside], at - at[0]), shape=(len(at) - 1, self.columns.count)
        )

    def chunks(self, size: int | None = None) -> Iterator[VectorRows]:
        """All rows in order, ``size`` at a time; by default as many as take about 64 MiB."""
        step = size or max(1, int(2**26 * len(self) / max(self.nbytes, 1)))
        for start in range(0, len(self), step):
            yield self.rows(start, start + step)

    def prepared(self, scale: str = "auto", *, rank: int = 256, seed: int = 0) -> ScaledVectors:
        """What goes before the cosine: rows of length 1, so that a product of two is their cosine.

        Raw vectors share a few loud directions, which say little about which contexts belong together.

        Args:
            scale: ``whiten`` centres, and scales the principal directions to equal variance, with shrinkage;
                ``idf`` weights each column by log(1 + rows / rows where it is not 0), for sparse vectors; ``none``
                leaves directions as they are; ``auto`` is whiten for dense vectors and idf for sparse ones.
            rank: with ``whiten``, keep at most this many directions.
            seed: with ``whiten``, of the search for them where there are many columns.

        Raises:
            BadInput: there is no such scale, or it does not fit.
        """
        return scaled(self, scale, rank=rank, seed=seed)

    def refuse_changed(self, **hashes: str) -> None:
        """Raise BadInput if a model, dictionaries or contexts are not those that the vectors were made from.

        Args:
            hashes: of what is there now: ``model_hash``, ``dictionaries_hash``, ``contexts_hash``.
        """
        for name, found in hashes.items():
            if name in self.made_from and self.made_from[name] != found:
                raise BadInput(
                    f"the {name.removesuffix('_hash')} changed after these vectors were made",
                    expected=f"content {self.made_from[name][:12]}…",
                    mend="restore what they were made from, or make the vectors again",
                )

    @cached_property
    def row_of(self) -> dict[int, int]:
        """The row of each context by its number."""
        return {int(number): row for row, number in enumerate(self.context_ids)}

    @classmethod
    def of(
        cls,
        rows: VectorRows,
        *,
        kind: str = "dense",
        columns: VectorColumns | None = None,
        context_ids: Sequence[int] | None = None,
    ) -> Vectors:
        """Vectors from rows in memory, such as synthetic ones."""
        n_rows, width = rows.shape
        named = columns or VectorColumns((ColumnPart(kind, "", width),))
        ids = np.arange(n_rows) if context_ids is None else np.asarray(context_ids, dtype=np.int64)
        if sparse.issparse(rows):
            whole = sparse.csr_matrix(rows, dtype=np.float32)
            parts: tuple[np.ndarray, ...] = (whole.data, whole.indices, whole.indptr.astype(np.int64))
            empty = np.asarray(abs(whole).sum(axis=1)).ravel() == 0
        else:
            parts = (np.asarray(rows, dtype=np.float32),)
            empty = ~parts[0].any(axis=1)
        return cls(kind, named, ids, tuple(ids[empty].tolist()), parts)

    @classmethod
    def read(cls, folder: str | Path) -> Vectors:
        """The vectors in a folder; their rows are not read yet.

        Raises:
            BadFile: the folder has none, or a file is cut short.
        """
        place = Path(folder).expanduser()
        manifest = read_manifest(place, KIND, check_files=False)  # hashing gigabytes would take minutes
        said: dict[str, Any] = manifest["vectors"]
        rows, width = said["shape"]
        columns = VectorColumns.from_plain(said["columns"])
        ids = _array(place / IDS, rows)
        if said["is_sparse"]:
            indptr = _array(place / INDPTR, rows + 1)
            parts: tuple[np.ndarray, ...] = (
                *(_array(place / name, int(indptr[-1])) for name in (DATA, INDICES)),
                indptr,
            )
        else:
            parts = (_array(place / ROWS, rows, width),)
        hashes = {name: str(manifest[name]) for name in ("model_hash", "dictionaries_hash", "contexts_hash")}
        return cls(said["kind"], columns, ids, tuple(said["zeros"]), parts, hashes)


def _array(path: Path, *shape: int) -> np.ndarray:
    """A memory-mapped array of a shape that is known."""
    try:
        found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadFile(
            f"{path} cannot be read: {error}", expected="a complete array", mend="make the vectors again"
        ) from error
    if found.shape != shape:
        raise BadFile(
            f"{path} has the shape {found.shape}",
            expected=f"{shape}, as its manifest says",
            mend="make the vectors again",
        )
    return found
