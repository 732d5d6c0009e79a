"""Rows of a parquet, JSON-lines or CSV file: text, label and attribute, unchanged."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from circuitscope.errors import BadFile
from circuitscope.runs import read_json_lines

SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")

Row = tuple[Any, ...]
"""The values of the fields asked for, in their order."""


def field_names(path: Path) -> list[str]:
    """The fields of a file; for JSON lines, those of the first line."""
    with reading(path):
        if path.suffix == ".parquet":
            import pyarrow.parquet

            return list(pyarrow.parquet.read_schema(path).names)
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                return next(csv.reader(file), [])
        return next((list(value) for _, value in read_json_lines(path)), [])


def read_rows(path: Path, fields: Sequence[str]) -> Iterator[Row]:
    """Every row's values of some fields.

    Raises:
        BadFile: the file cannot be read, or a row lacks a field; names the line.
    """
    rows = {".parquet": _parquet, ".csv": _csv}.get(path.suffix, _json_lines)
    with reading(path):
        yield from rows(path, fields)


def _parquet(path: Path, fields: Sequence[str]) -> Iterator[Row]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=list(fields)):
            columns = (batch.column(name).to_pylist() for name in fields)
            yield from zip(*columns, strict=True)


def _csv(path: Path, fields: Sequence[str]) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            yield _picked(row, fields, f"{path}, line {reader.line_num}")


def _json_lines(path: Path, fields: Sequence[str]) -> Iterator[Row]:
    for number, value in read_json_lines(path):
        yield _picked(value, fields, f"{path}, line {number}")


def _picked(row: dict[str, Any], fields: Sequence[str], where: str) -> Row:
    missing = [name for name in fields if row.get(name) is None]
    if missing:
        raise BadFile(
            f"{where} has no {' and no '.join(missing)}",
            expected=f"the fields {', '.join(fields)} in every row",
            mend="correct the row",
        )
    return tuple(row[name] for name in fields)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is read into one error that names it."""
    try:
        yield
    except Exception as error:
        # pyarrow is imported only where a parquet file is read, so its errors are recognised by where they come from.
        if not isinstance(error, OSError | UnicodeDecodeError | csv.Error) and not _of_pyarrow(error):
            raise
        raise BadFile(
            f"the texts {path} cannot be read: {error}",
            expected="a parquet, JSON-lines or CSV file in UTF-8",
            mend="check the file",
        ) from error


def _of_pyarrow(error: Exception) -> bool:
    return type(error).__module__.startswith("pyarrow")
