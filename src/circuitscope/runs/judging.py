"""RUN/judging: where the sheet of verdicts on a run's circuit is, and who judges.

The sheet itself is a file that a person works on; it is wherever that person wants it. What is written here says
which circuit it was made for, so that ``status`` knows when it no longer fits, and how much is left to judge.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuitscope.runs.origins import Manifests
from circuitscope.runs.stages import JUDGING
from circuitscope.runs.writing import write_stage

SHEET = "sheet.csv"
"""The sheet of a run, in its folder, unless another file is named."""


@dataclass(frozen=True)
class Sheet:
    """The sheet of a run."""

    path: Path
    judge: str
    """``person``, ``words`` or ``endpoint``."""

    def verdicts(self) -> tuple[int, int] | None:
        """(blank, all) of its verdicts; None if it cannot be read. A cheap look: ``read_sheet`` checks every row."""
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
            found = [str(row.get("verdict") or "").strip() for row in _rows(text, self.path.suffix.lower())]
        except (OSError, ValueError, csv.Error, AttributeError):
            return None
        return found.count(""), len(found)


def _rows(text: str, ending: str) -> Iterator[Mapping[str, Any]]:
    if ending != ".csv":
        yield from (json.loads(line) for line in text.split("\n") if line.strip())
        return
    heading = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=heading.count)
    yield from csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)


def write_judging(run: Path, sheet: Path, judge: str) -> None:
    """Record the sheet of a run; an earlier record is replaced, an earlier sheet is not touched.

    Args:
        judge: ``person``, ``words`` or ``endpoint``.
    """
    place, home = sheet.resolve(), run.resolve()
    inside = place.is_relative_to(home)  # so that a run that is moved keeps its sheet
    shown = str(place.relative_to(home)) if inside else str(place)
    write_stage(run, JUDGING, lambda draft: {"sheet": shown, "judge": judge}, overwrite=True)


def sheet_of(run: Path) -> Sheet | None:
    """The sheet of a run; None if it has not been judged yet."""
    look = Manifests(run)
    if not look.has(JUDGING.name):
        return None
    manifest = look.of(JUDGING.name)
    place = str(manifest.get("sheet") or SHEET)
    return Sheet(
        run / place,  # an absolute path stays as it is
        str(manifest.get("judge") or ""),
    )
