"""GrowingArray: an array on the disk that rows are added to; once it is complete, numpy opens it memory-mapped."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from circuitscope.runs import explained_disk

_MAGIC, _HEADER = b"\x93NUMPY\x01\x00", 128
"""Version 1.0 of numpy's format, with a header that is always as long, so that it can be written again in place."""


class GrowingArray:
    """One ``.npy`` file; its first axis grows."""

    def __init__(self, path: Path, dtype: str, shape: tuple[int, ...] = ()) -> None:
        """Args:
        shape: of a row; a number if it is empty.
        """
        self.path, self.dtype, self.shape = path, np.dtype(dtype), shape
        self._row = self.dtype.itemsize * int(np.prod(shape, dtype=np.int64))

    def begin(self, length: int) -> bool:
        """Go on after ``length`` rows, and forget what comes after them; whether that many are there."""
        with explained_disk(self.path):
            if not self.path.is_file():
                if length:
                    return False
                self.path.write_bytes(self._header(0))
                return True
            size = _HEADER + length * self._row
            if self.path.stat().st_size < size:
                return False
            os.truncate(self.path, size)
        return True

    def append(self, rows: np.ndarray) -> None:
        """Add rows; they are on the disk when it returns."""
        data = np.ascontiguousarray(rows, dtype=self.dtype)
        with explained_disk(self.path), self.path.open("ab") as file:
            file.write(data.data)
            file.flush()
            os.fsync(file.fileno())

    def finish(self, length: int) -> None:
        """Say in the header how many rows there are."""
        with explained_disk(self.path), self.path.open("r+b") as file:
            file.write(self._header(length))
            file.flush()
            os.fsync(file.fileno())

    def _header(self, length: int) -> bytes:
        described = {"descr": self.dtype.str, "fortran_order": False, "shape": (length, *self.shape)}
        text = str(described).encode()
        room = _HEADER - len(_MAGIC) - 2
        return _MAGIC + room.to_bytes(2, "little") + text.ljust(room - 1) + b"\n"
