"""circuitscope shift status: circuitscope status, beside the other verbs of SHIFT"""

from __future__ import annotations

import typer

from circuitscope.cli.shift.arguments import RUN
from circuitscope.cli.status import show_status
from circuitscope.runs import need_shift


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(run: RUN) -> None:
    """Show which steps of a SHIFT are done, which are out of date, and what comes next; loads no model."""
    need_shift(run)
    show_status(run)
