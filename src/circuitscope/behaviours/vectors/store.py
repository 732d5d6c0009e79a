"""RowStore: rows while they are made, a chunk at a time, so that a stopped step goes on after the last chunk.

Dense rows are one array, sparse ones the three of compressed sparse rows. How much of the files counts is written
after each chunk; what a kill left beyond that is cut off. Finished files are linked into the result's folder, not
copied.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from circuitscope.behaviours.vectors.growing import GrowingArray
from circuitscope.errors import BadFile
from circuitscope.runs import read_json, write_json

STATE = "state.json"
ROWS, DATA, INDICES, INDPTR = "rows.npy", "data.npy", "indices.npy", "indptr.npy"
"""Dense rows; the values, the columns and the beginnings of sparse ones."""

VectorRows: TypeAlias = Any
"""An array (row × column), or scipy's compressed sparse rows; float32."""


class RowStore:
    """Rows of vectors in a folder that is not a result yet."""

    def __init__(self, folder: Path, *, width: int, is_sparse: bool) -> None:
        self.folder, self.is_sparse = folder, is_sparse
        self.files: dict[str, GrowingArray]
        if is_sparse:
            parts = {DATA: "<f4", INDICES: "<i8" if width > np.iinfo(np.int32).max else "<i4", INDPTR: "<i8"}
            self.files = {name: GrowingArray(folder / name, dtype) for name, dtype in parts.items()}
        else:
            self.files = {ROWS: GrowingArray(folder / ROWS, "<f4", (width,))}
        self.rows, self.entries, self.zeros = self._continued()

    def append(self, rows: VectorRows) -> None:
        """Add some rows; from now on they are kept."""
        if sparse.issparse(rows):
            self.files[DATA].append(rows.data)
            self.files[INDICES].append(rows.indices)
            self.files[INDPTR].append(self.entries + rows.indptr[1:].astype(np.int64))
            empty = np.asarray(abs(rows).sum(axis=1)).ravel() == 0
            self.entries += int(rows.nnz)
        else:
            self.files[ROWS].append(rows)
            empty = ~np.asarray(rows).any(axis=1)
        self.zeros += (self.rows + np.flatnonzero(empty)).tolist()
        self.rows += int(rows.shape[0])
        write_json(self.folder / STATE, {"rows": self.rows, "entries": self.entries, "zeros": self.zeros})

    def link_into(self, folder: Path) -> None:
        """Put the finished files into another folder; here they stay until this one is removed."""
        for name, file in self.files.items():
            file.finish(self._length(name, self.rows, self.entries))
            try:
                os.link(file.path, folder / name)
            except OSError:  # a file system without links
                shutil.copyfile(file.path, folder / name)

    def _continued(self) -> tuple[int, int, list[int]]:
        """Rows, entries and the numbers of empty rows of what is kept; nothing if it cannot be gone on with."""
        rows, entries, zeros = self._state()
        if all(file.begin(self._length(name, rows, entries)) for name, file in self.files.items()):
            return rows, entries, zeros
        for file in self.files.values():  # the machine went down before they reached the disk
            file.path.unlink(missing_ok=True)
        (self.folder / STATE).unlink(missing_ok=True)
        return self._continued()

    def _state(self) -> tuple[int, int, list[int]]:
        try:
            state: dict[str, Any] = read_json(self.folder / STATE)
            return int(state["rows"]), int(state["entries"]), [int(row) for row in state["zeros"]]
        except (BadFile, KeyError, TypeError, ValueError):
            for file in self.files.values():
                file.path.unlink(missing_ok=True)
            if self.is_sparse:  # where the first row begins
                self.files[INDPTR].begin(0)
                self.files[INDPTR].append(np.zeros(1))
            return 0, 0, []

    @staticmethod
    def _length(name: str, rows: int, entries: int) -> int:
        return {ROWS: rows, INDPTR: rows + 1}.get(name, entries)
