"""Contexts: tokens that a model predicts well, each with what it read before.

Nothing here needs torch, so contexts open where there is no model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from circuitscope.errors import BadInput


@dataclass(frozen=True, eq=False, repr=False)
class Contexts:
    """Contexts with their answers, one row each; their tokens lie end to end in one array."""

    context_ids: Int[np.ndarray, " context"]
    """The number of each context, from 0, which it keeps in every subset; in ascending order."""
    documents: Int[np.ndarray, " context"]
    """Which document of the text it is from: its number from 0 among those that are not empty."""
    positions: Int[np.ndarray, " context"]
    """Where in its document the answer stands: its number from 0 among the document's own tokens."""
    answers: Int[np.ndarray, " context"]
    """The token that comes next."""
    losses: Float[np.ndarray, " context"]
    """−log p(answer) after the context's tokens, in nats."""
    ids: Int[np.ndarray, " token"]
    """The tokens of all contexts, each just as the model read it (BOS included), up to the one before the answer."""
    starts: Int[np.ndarray, " start"]
    """Where each context begins in ``ids``; one more number than contexts, since the last one ends there."""
    has_bos: bool
    """Whether every context begins with a BOS."""

    def __len__(self) -> int:
        return len(self.context_ids)

    def __repr__(self) -> str:
        if not len(self):
            return "Contexts(none)"
        documents, answers = len(np.unique(self.documents)), len(np.unique(self.answers))
        return (
            f"Contexts({len(self):,} of {documents:,} documents, {answers:,} different answers, "
            f"loss {self.losses.min():.3f} to {self.losses.max():.3f})"
        )

    def tokens(self, row: int) -> list[int]:
        """The tokens of one context, as the model reads them."""
        if not 0 <= row < len(self):
            raise BadInput(
                f"row {row} of {len(self)} contexts", expected="a number from 0 to one less than that"
            )
        found: list[int] = self.ids[self.starts[row] : self.starts[row + 1]].tolist()
        return found

    @property
    def lengths(self) -> Int[np.ndarray, " context"]:
        """How many tokens each context has, BOS included."""
        return np.diff(self.starts)

    def rows_of(self, ids: Iterable[int]) -> Int[np.ndarray, " row"]:
        """The rows of some contexts by their numbers, in the order given.

        Raises:
            BadInput: there is no such context.
        """
        wanted = np.fromiter(ids, dtype=np.int64)
        rows = np.searchsorted(self.context_ids, wanted)
        found = rows < len(self)
        found[found] = self.context_ids[rows[found]] == wanted[found]
        if not found.all():
            raise BadInput(
                f"there is no context {wanted[~found][0]}",
                expected=f"one of the {len(self)} that there are",
                mend="these numbers belong to other contexts",
            )
        return rows

    def subset(self, ids: Iterable[int]) -> Contexts:
        """Some contexts by their numbers, in ascending order; numbers that come twice are taken once.

        Raises:
            BadInput: there is no such context.
        """
        return self._take(np.unique(self.rows_of(ids)))

    def first(self, count: int) -> Contexts:
        """The first ``count`` contexts, or all if there are fewer."""
        return self._take(np.arange(min(count, len(self))))

    def _take(self, rows: Int[np.ndarray, " row"]) -> Contexts:
        parts = [self.ids[self.starts[row] : self.starts[row + 1]] for row in rows]
        columns = (self.context_ids, self.documents, self.positions, self.answers, self.losses)
        numbers, documents, positions, answers, losses = (column[rows] for column in columns)
        ids, starts = np.concatenate([self.ids[:0], *parts]), starts_of(map(len, parts))
        return Contexts(numbers, documents, positions, answers, losses, ids, starts, self.has_bos)

    def texts(self, tokenizer: Any) -> list[str]:
        """Each context as text, without BOS and without its answer."""
        skip = int(self.has_bos)
        return [tokenizer.decode(self.tokens(row)[skip:]) for row in range(len(self))]

    def answer_texts(self, tokenizer: Any) -> list[str]:
        """Each answer as text."""
        return [tokenizer.decode([answer]) for answer in self.answers.tolist()]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all columns: what later results were made from."""
        digest = hashlib.sha256(str(self.has_bos).encode())
        for item in fields(self):
            if item.name != "has_bos":
                column = getattr(self, item.name)
                digest.update(f"{item.name} {column.dtype}".encode())
                digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Save them in a folder of their own, whole or not at all; ``read`` opens it.

        Raises:
            BadInput: there is such a folder, and ``overwrite`` is not given.
            OutOfSpace: the disk is full.
        """
        from circuitscope.behaviours.contexts.files import write_contexts_folder

        write_contexts_folder(Path(folder).expanduser(), self, overwrite=overwrite)

    @classmethod
    def read(cls, folder: str | Path) -> Contexts:
        """The contexts of a run, of its folder ``contexts``, or of a folder that ``write`` wrote.

        Raises:
            BadFile: there are none, or the file was damaged.
        """
        from circuitscope.behaviours.contexts.files import read_contexts_file

        return read_contexts_file(Path(folder).expanduser())


def starts_of(lengths: Iterable[int] | Int[np.ndarray, " piece"]) -> Int[np.ndarray, " start"]:
    """Where pieces of these lengths begin when they lie end to end, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(np.fromiter(lengths, dtype=np.int64))]).astype(np.int64)


Columns = dict[str, np.ndarray]
"""``documents``, ``positions``, ``answers``, ``losses``, ``lengths`` and ``ids`` of some contexts, in order."""


def joined(parts: Sequence[Columns], *, has_bos: bool) -> Contexts:
    """Columns of contexts, one part after the other, as contexts numbered from 0."""
    names = ("documents", "positions", "answers", "losses", "ids", "lengths")
    every = {name: np.concatenate([part[name] for part in parts]) for name in names}
    lengths = every.pop("lengths")
    return Contexts(np.arange(len(lengths)), **every, starts=starts_of(lengths), has_bos=has_bos)
