"""circuitscope shift retrain"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.console import progress, say
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.shift.arguments import RUN
from circuitscope.config import ShiftRetrainConfig
from circuitscope.runs import RETRAINED


def register(app: typer.Typer) -> None:
    app.command("retrain")(retrain)


@configured(ShiftRetrainConfig, leading={"run": RUN, "overwrite": OVERWRITE})
def retrain(config: ShiftRetrainConfig, run: Path, overwrite: bool) -> None:
    """Train the classifier again on the same ambiguous texts, with the removed features ablated."""
    from circuitscope.pipeline.shift import run_shift_retrain

    with progress() as show:
        run_shift_retrain(run, config, overwrite=overwrite, progress=show)
    say(f"written to {RETRAINED.in_(run)}; next: circuitscope shift evaluate {run}")
