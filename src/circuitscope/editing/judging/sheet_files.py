"""Rows of a sheet in a file: CSV for spreadsheets, JSON lines for programs, by the file's ending.

A row is a mapping from column to a plain value: in CSV all of them are text, in JSON lines contexts and tokens are
lists. Rows are counted as a spreadsheet counts them (the line of headings is row 1), or as lines of JSON.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from circuitscope.errors import BadFile, BadInput
from circuitscope.runs import json_object, write_file

COLUMNS = (
    *("site", "feature", "effect", "verdict", "note", "contexts", "promoted", "suppressed"),
    *("who", "when", "task", "dictionary"),
)
"""In this order; what a person fills in is beside the effect."""
CSV, JSON_LINES = ".csv", (".jsonl", ".ndjson", ".json")
Row = Mapping[str, Any]

_AS_CSV = "save it from the spreadsheet as CSV in UTF-8, with the columns that it had"
_ANEW = "correct that row, or write the sheet again with circuitscope shift judge"


def is_csv(path: Path) -> bool:
    """Whether a sheet's ending says CSV; raises BadInput if it says neither format."""
    ending = path.suffix.lower()
    if ending != CSV and ending not in JSON_LINES:
        raise BadInput(
            f"the sheet {path} ends in {ending or 'nothing'}",
            expected=f"{CSV} for a spreadsheet, or {JSON_LINES[0]} for JSON lines",
            mend="give the file one of these endings",
        )
    return ending == CSV


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a sheet whole or not at all."""
    write_file(path, (_csv_of(rows) if is_csv(path) else _json_lines_of(rows)).encode())


def _csv_of(rows: Sequence[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return "\ufeff" + text.getvalue()  # the mark by which spreadsheets know UTF-8


def _json_lines_of(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """(number, row) of a sheet; every row has all columns and no other.

    Raises:
        BadFile: it is missing, not in UTF-8, or a row is damaged; the message names the row.
    """
    as_csv = is_csv(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadFile(f"the sheet {path} cannot be read: {error.strerror}", mend="check the path") from error
    except UnicodeDecodeError as error:
        raise BadFile(
            f"the sheet {path} is not in UTF-8: {error.reason} at byte {error.start}",
            expected="a sheet that circuitscope shift judge wrote",
            mend=_AS_CSV if as_csv else "save it in UTF-8",
        ) from error
    return (_csv_rows if as_csv else _json_rows)(path, text)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    first = text.split("\n", 1)[0]
    delimiter = next((mark for mark in ";\t" if first.count(mark) >= len(COLUMNS) - 1), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    number = 0
    try:
        for cells in reader:
            number += 1
            if columns is None:
                columns = [cell.strip() for cell in cells]
                _check_columns(path, columns)
            elif any(cells):
                yield number, _as_row(path, number, columns, cells)
    except csv.Error as error:
        raise BadFile(
            f"the sheet {path} is damaged in row {number + 1}: {error}",
            expected="cells with line breaks, commas or quotes in quotes, which are doubled inside",
            mend=_ANEW,
        ) from error
    if columns is None:
        _check_columns(path, [])


def _as_row(path: Path, number: int, columns: Sequence[str], cells: Sequence[str]) -> Row:
    if any(cells[len(columns) :]) or len(cells) < len(columns):
        where = (
            "lacks column " + columns[len(cells)]
            if len(cells) < len(columns)
            else "has cells after the last column"
        )
        raise BadFile(
            f"row {number} of the sheet {path} has {len(cells)} cells: it {where}",
            expected=f"{len(columns)} cells, one per column",
            mend=_ANEW,
        )
    return dict(zip(columns, cells, strict=False))


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json_object(line, f"row {number} of the sheet {path}")
        except BadFile as error:
            raise BadFile(
                f"the sheet {path} is damaged in row {number}: {error.got}",
                expected="one JSON object per line",
                mend=_ANEW,
            ) from error
        _check_columns(path, list(row), f"row {number} of the sheet {path}")
        yield number, row


def _check_columns(path: Path, columns: Sequence[str], what: str = "") -> None:
    what = what or f"the sheet {path}"
    missing = [name for name in COLUMNS if name not in columns]
    unknown = [repr(name) for name in columns if name not in COLUMNS or columns.count(name) > 1]
    if missing or unknown:
        said = [f"lacks the columns {', '.join(missing)}"] * bool(missing)
        said += [f"has the columns {', '.join(unknown)}, which it should not have"] * bool(unknown)
        raise BadFile(
            f"{what} {' and '.join(said)}",
            expected=", ".join(COLUMNS),
            mend="put back the columns as circuitscope shift judge wrote them; remarks belong in note",
        )
