"""--dry-run: what a command would take, printed the same way for every verb."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from circuitscope.cli.console import progress, say
from circuitscope.work import Progress

if TYPE_CHECKING:
    from circuitscope.results import DryRun

DRY_RUN = (
    Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only count the work and estimate time and memory, from a short trial; write nothing.",
        ),
    ],
    False,
)


def show_dry_run(find: Callable[[Progress], DryRun]) -> None:
    """Find out what a command would take, and print it."""
    with progress() as show:
        found = find(show)
    for name, text in found.about.items():
        _line(name, text)
    wide = max((len(part.what) for part in found.parts), default=0)
    for number, part in enumerate(found.parts):
        most = "at most " if part.at_most else ""
        _line(
            "" if number else "work",
            f"{part.what:<{wide}}  {most}{part.count:,} {part.unit}, {duration(part.seconds)}",
        )
    if found.parts:
        most = "at most " if found.at_most else ""
        _line("time", f"{most}{duration(found.seconds)} here, and loading; an estimate: {found.measured}")
    else:
        _line("time", found.measured)
    _line("memory", f"about {found.memory / 2**30:.1f} GiB: {found.memory_is}")
    _line("download", "nothing: what is needed is on this disk")
    _line("writes", ", ".join(found.writes) or "nothing")
    for note in found.notes:
        _line("note", note)


def show_downloads(downloads: Mapping[str, int | None]) -> None:
    """Print what would have to be fetched before anything can be timed."""
    for source, size in downloads.items():
        known = "of unknown size" if size is None else f"{size / 2**30:.1f} GiB at most"
        _line("download", f"{source}: {known}")
    _line("time", "not known until then: a trial needs the model")


def _line(name: str, text: str) -> None:
    say(f"{name:<11} {text}")


def duration(seconds: float) -> str:
    """``about 12 s``, ``about 5 min``, ``about 3 h``, ``under 1 s``."""
    if seconds < 1:
        return "under 1 s"
    for length, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if seconds < 120 * length or unit == "h":
            return f"about {seconds / length:.0f} {unit}"
    raise AssertionError
