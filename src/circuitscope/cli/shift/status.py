"""circuitscope shift status"""

from __future__ import annotations

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from circuitscope.cli.console import out, say
from circuitscope.cli.shift.arguments import RUN
from circuitscope.editing import StepStatus, config_of, next_command, statuses


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(run: RUN) -> None:
    """Show which steps of a SHIFT are done, which are out of date, and what comes next; loads no model."""
    steps = statuses(run)
    config = config_of(run)
    say(f"{run}: {config['data']} on {config['model']} with {config['dictionaries']}")
    out.print(steps_table(steps))
    coming = next_command(run, steps)
    say("all steps are done" if coming is None else f"next: {coming}")


def steps_table(steps: list[StepStatus]) -> Table:
    """A row per step."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("step", "state", "made"):
        table.add_column(heading, no_wrap=True)
    for item in steps:
        state = item.state + (f": {item.changed} was made again" if item.changed else "")
        table.add_row(item.verb, state, item.made)
    return table
