"""circuitscope behaviours contexts"""

from __future__ import annotations

from pathlib import Path

import typer
from rich.table import Table

from circuitscope.cli.behaviours.arguments import RUN
from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.config import BehavioursContextsConfig
from circuitscope.runs import CONTEXTS


def register(app: typer.Typer) -> None:
    app.command("contexts")(contexts)


@configured(BehavioursContextsConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def contexts(config: BehavioursContextsConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Find tokens of a text that the model predicts well, and that induction does not explain: the first step.

    The text is read a document at a time, and no further than is needed. A stopped command continues where it
    was when it is given again. Later steps read from RUN which model and dictionaries to use.
    """
    from circuitscope.pipeline.behaviours import run_behaviours_contexts

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_contexts

        show_dry_run(lambda show: dry_run_contexts(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        found, counts = run_behaviours_contexts(run, config, overwrite=overwrite, progress=show)
    out.print(_left_out(counts.documents, counts.tokens, counts.reasons()))
    say(f"{found!r}, written to {CONTEXTS.in_(run)}")
    say(f"next: circuitscope behaviours vectors {run}")


def _left_out(documents: int, tokens: int, reasons: list[tuple[str, int]]) -> Table:
    """What was looked at and what was left out."""
    table = Table(title=f"{tokens:,} tokens of {documents:,} documents")
    table.add_column("left out")
    table.add_column("how many", justify="right")
    for reason, count in reasons:
        table.add_row(reason, f"{count:,}")
    return table
