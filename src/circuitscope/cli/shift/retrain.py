"""circuitscope shift retrain"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.console import progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.shift.arguments import RUN
from circuitscope.config import ShiftRetrainConfig
from circuitscope.runs import RETRAINED


def register(app: typer.Typer) -> None:
    app.command("retrain")(retrain)


@configured(ShiftRetrainConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def retrain(config: ShiftRetrainConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Train the classifier again on the same ambiguous texts, with the removed features ablated."""
    from circuitscope.pipeline.shift import run_shift_retrain

    if dry_run:
        from circuitscope.pipeline.dry_run.shift import dry_run_retrain

        show_dry_run(lambda show: dry_run_retrain(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        run_shift_retrain(run, config, overwrite=overwrite, progress=show)
    say(f"written to {RETRAINED.in_(run)}; next: circuitscope shift evaluate {run}")
