"""circuitscope status"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from circuitscope.cli.console import out, say
from circuitscope.runs import (
    MANIFEST,
    OUT_OF_DATE,
    TO_DO,
    UNFINISHED,
    Collection,
    RunStatus,
    StageStatus,
    open_collection,
    status,
)

_STATES = {OUT_OF_DATE: "yellow", UNFINISHED: "yellow", TO_DO: "dim"}


def register(app: typer.Typer) -> None:
    app.command("status")(show_status)


def show_status(
    run: Annotated[Path, typer.Argument(help="A run folder, or a folder of these.", metavar="RUN")],
    search: Annotated[
        str,
        typer.Option(
            "--search",
            help="In a folder of runs, show only those with all of these words in their name, task, model or "
            "dictionaries.",
        ),
    ] = "",
) -> None:
    """Show which stages of a run are done, which are out of date and why, and what comes next; loads no model.

    A folder of runs is shown as one line per run.
    """
    if run.is_dir() and not (run / MANIFEST).is_file():
        found = open_collection(run).search(search)
        if len(found) or search:
            out.print(collection_table(found))
            return
    found_status = status(run)
    say(f"{run}: {found_status.about}")
    out.print(stages_table(found_status))
    say(f"next: {found_status.next}" if found_status.next else "nothing is left to do")


def stages_table(found: RunStatus) -> Table:
    """A row per stage."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("state")
    table.add_column("made", no_wrap=True)
    for item in found.stages:
        table.add_row(item.stage, _state(item), item.made)
    return table


def _state(item: StageStatus) -> str:
    said = escape(item.state + (f": {item.note}" if item.note else ""))
    style = _STATES.get(item.state)
    return f"[{style}]{said}[/]" if style else said


def collection_table(found: Collection) -> Table:
    """A row per run, with the stages that need attention."""
    runs = f"{len(found)} run{'' if len(found) == 1 else 's'}"
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=f"{runs} in {found.folder}")
    table.add_column("run", overflow="fold")
    table.add_column("task", overflow="fold")
    table.add_column("model", overflow="fold")
    table.add_column("nodes", justify="right", no_wrap=True)
    table.add_column("faithfulness", justify="right", no_wrap=True)
    table.add_column("state")
    for entry in found:
        table.add_row(
            escape(entry.name),
            escape(entry.about.task),
            escape(entry.about.model),
            "–" if entry.nodes is None else f"{entry.nodes:,}",
            "–" if entry.faithfulness is None else f"{entry.faithfulness:.2f}",
            _summary(status(entry.path)),
        )
    return table


def _summary(found: RunStatus) -> str:
    """What is wrong with a run, or else how far along it is, in a few words."""
    for state in (OUT_OF_DATE, UNFINISHED):
        named = [item.stage for item in found.stages if item.state == state]
        if named:
            return f"[{_STATES[state]}]{state}: {escape(', '.join(named))}[/]"
    done = [item.stage for item in found.stages if item.state != TO_DO]
    return escape(", ".join(done)) if done else "[dim]nothing made from it yet[/]"
