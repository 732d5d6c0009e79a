"""The documents of one file, read one at a time: memory holds one of them, however large the file.

A plain text is divided by ``<|endoftext|>``. A parquet, JSON-lines or CSV file has a document per row.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from circuitscope.errors import BadFile, argument
from circuitscope.tasks.labelled.records import SUFFIXES as TABLES
from circuitscope.tasks.labelled.records import field_names, read_rows, reading
from circuitscope.tasks.language import SEPARATOR

TEXTS = (".txt", ".text")
"""Endings of plain texts in a folder; a file that is named is one whatever its ending, if it is not a table."""
USUAL_FIELDS = ("text", "content", "story")
LONGEST = 2**20
"""Characters; a longer document is cut at a white space into documents of its own."""
_CHUNK = 2**18


def documents_in(path: Path, field: str | None = None) -> Iterator[str]:
    """Every document of a file, as it stands there; empty ones too.

    Args:
        field: of a table; by default the usual one.

    Raises:
        BadFile: the file cannot be read, is not UTF-8, or has no such field.
    """
    found = _rows(path, field) if path.suffix in TABLES else _divided(path)
    for document in found:
        yield from _cut(document)


def _rows(path: Path, field: str | None) -> Iterator[str]:
    have = field_names(path)
    name = field or next((usual for usual in USUAL_FIELDS if usual in have), None)
    if not have and not field:
        return
    if name is None or name not in have:
        raise BadFile(
            f"{path} has the fields {', '.join(have)}, but no {field or USUAL_FIELDS[0]}",
            expected="a field with one document in each row",
            mend=f"name it: {argument('text_field')}",
        )
    for (value,) in read_rows(path, [name]):
        yield str(value)


def _divided(path: Path) -> Iterator[str]:
    """The parts of a plain text between separators; a part that grows too long is handed out in pieces."""
    with reading(path), path.open(encoding="utf-8-sig") as file:
        held = ""
        while chunk := file.read(_CHUNK):
            *whole, held = (held + chunk).split(SEPARATOR)
            yield from whole
            while len(held) > LONGEST + len(SEPARATOR):  # the end may be half a separator
                first, held = _first_piece(held)
                yield first
        yield held


def _cut(document: str) -> Iterator[str]:
    while len(document) > LONGEST:
        first, document = _first_piece(document)
        yield first
    yield document


def _first_piece(document: str) -> tuple[str, str]:
    """At most ``LONGEST`` characters, up to the last white space among them, and the rest."""
    head = document[:LONGEST]
    end = max(head.rfind(space) for space in (" ", "\n", "\t"))
    end = end if end > 0 else LONGEST
    return document[:end], document[end:]
