"""A text as portions of documents: the units in which it is searched, and found again after a stop.

A portion is named by its number and by a hash of everything up to it, so what was found in a text that has changed
since is never taken for what is there now. Memory holds one portion; which documents came before is known by their
hashes, which a temporary database holds on the disk.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from circuitscope.errors import expect

MOST_DOCUMENTS, MOST_CHARACTERS = 256, 200_000
"""Where a portion ends; a long document is a portion of its own."""


@dataclass(frozen=True)
class Portion:
    """Some documents that follow each other."""

    name: str
    documents: tuple[tuple[int, str], ...]
    """The number and the text of each document that had not come before."""
    seen: int
    """Documents that are not empty, those that had come before included."""
    empty: int
    size: int
    """Bytes, as UTF-8."""


class Earlier:
    """Which documents have come before, by hashes on the disk."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("")  # a temporary file, which sqlite removes itself
        self._base.execute("CREATE TABLE seen (hash BLOB PRIMARY KEY) WITHOUT ROWID")

    def __enter__(self) -> Earlier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    def is_new(self, digest: bytes) -> bool:
        """Whether a document with this hash has not come before; from now on it has."""
        done = self._base.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,))
        return done.rowcount == 1


def portions_of(documents: Iterable[str]) -> Iterator[Portion]:
    """The documents in order, a portion at a time."""
    with Earlier() as earlier:
        chain = hashlib.sha256()
        number, count, first = 0, 0, _Open()
        for document in documents:
            expect(document, str, f"document {count}")
            text = document.strip()
            first.size += len(document.encode(errors="replace"))
            if not text:
                first.empty += 1
                chain.update(b"nothing")
                continue
            digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
            chain.update(digest)
            first.seen += 1
            if earlier.is_new(digest):
                first.documents.append((count, text))
                first.characters += len(text)
            count += 1
            if first.is_full:
                yield first.closed(number, chain.hexdigest())
                number, first = number + 1, _Open()
        if first.seen or first.empty:
            yield first.closed(number, chain.hexdigest())


class _Open:
    """A portion that is being filled."""

    def __init__(self) -> None:
        self.documents: list[tuple[int, str]] = []
        self.seen = self.empty = self.size = self.characters = 0

    @property
    def is_full(self) -> bool:
        return self.seen >= MOST_DOCUMENTS or self.characters >= MOST_CHARACTERS

    def closed(self, number: int, chain: str) -> Portion:
        name = f"portion-{number:06d}-{chain[:16]}"
        return Portion(name, tuple(self.documents), self.seen, self.empty, self.size)
