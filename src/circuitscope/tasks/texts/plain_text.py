"""open_texts: from the names of sources to documents, one at a time, that can be read again from the start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from circuitscope.bundled import BUNDLED
from circuitscope.tasks.language import documents
from circuitscope.tasks.texts.files import documents_in
from circuitscope.tasks.texts.sources import TextFile, files_of

BUNDLED_DOCUMENTS, BUNDLED_SEED = 200_000, 2
"""Documents of the bundled language, which are made as they are read; the model was trained with another seed."""


@dataclass(frozen=True)
class PlainText:
    """A text in one file or many; iterating reads it from the start."""

    sources: tuple[str, ...]
    """As the user named them; none for the bundled language."""
    files: tuple[TextFile, ...]
    field: str | None = None

    def __iter__(self) -> Iterator[str]:
        if not self.files:
            yield from (item.text for item in documents(BUNDLED_DOCUMENTS, BUNDLED_SEED))
        for file in self.files:
            yield from documents_in(file.fetched(), self.field)

    @property
    def size(self) -> int:
        """Bytes of all files; 0 where that is not known."""
        return sum(file.size for file in self.files)


def open_texts(sources: str | Path | Sequence[str | Path], *, text_field: str | None = None) -> PlainText:
    """The documents of plain text; nothing but the names of files is read yet.

    Args:
        sources: ``bundled``, a file, a folder, the id of a data set on the hub, or several of these. A plain text is
            divided into documents by ``<|endoftext|>``; a parquet, JSON-lines or CSV file has one in each row. A
            folder is read in the order of its files' names. Of a data set on the hub the train split is read, one
            file after the other, and no more of them is fetched than is read.
        text_field: the field with the text, if it is not ``text``, ``content`` or ``story``.

    Raises:
        BadInput: there is no such file or folder.
        BadFile: a folder or a data set has no file of text, or the hub has no such data set.
    """
    named = [sources] if isinstance(sources, str | Path) else list(sources)
    if [str(item) for item in named] == [BUNDLED]:
        return PlainText((), ())
    files = tuple(file for item in named for file in files_of(item))
    return PlainText(tuple(map(str, named)), files, text_field or None)
