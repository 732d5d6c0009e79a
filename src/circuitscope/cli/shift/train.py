"""circuitscope shift train"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.console import progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.shift.arguments import RUN
from circuitscope.config import ShiftTrainConfig
from circuitscope.runs import CLASSIFIER


def register(app: typer.Typer) -> None:
    app.command("train")(train)


@configured(ShiftTrainConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def train(config: ShiftTrainConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Train a classifier on ambiguous texts: the first step of a SHIFT.

    In these texts the label, which is meant, and the attribute, which is not, always agree. Later steps read from
    RUN which model, dictionaries and texts to use.
    """
    from circuitscope.pipeline.shift import run_shift_train

    if dry_run:
        from circuitscope.pipeline.dry_run.shift import dry_run_train

        show_dry_run(lambda show: dry_run_train(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        classifier = run_shift_train(run, config, overwrite=overwrite, progress=show)
    say(f"a classifier at {classifier.site}, {classifier.pooling} pooling, written to {CLASSIFIER.in_(run)}")
    say(f"next: circuitscope shift effects {run}")
