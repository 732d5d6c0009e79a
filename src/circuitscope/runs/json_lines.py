"""JSON lines, as every reader of them reads: one value per line, lines end with a line feed.

Strings may hold U+2028, U+2029 and U+0085, which end a line for Python's ``splitlines`` but not in JSON. A byte order
mark and carriage returns before the line feed are left out, and so are empty lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from circuitscope.errors import BadFile, refuse_half_characters


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number of each line from 1, and its object.

    Raises:
        BadFile: a line is not a JSON object, or holds text that is not text; names the line.
        OSError, UnicodeDecodeError: the file cannot be read, which the caller explains.
    """
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, json_object(line, f"{path}, line {number}")


def json_object(line: str, where: str) -> dict[str, Any]:
    """The object in one line."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadFile(
            f"{where} is not JSON: {error}", expected="one object per line", mend="correct the line"
        ) from error
    if not isinstance(value, dict):
        raise BadFile(
            f"{where} is a {type(value).__name__}", expected="one object per line", mend="correct the line"
        )
    refuse_half_characters(json.dumps(value, ensure_ascii=False), where, BadFile)
    return value
