"""circuitscope evaluate"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.console import out, progress
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, RUN, configured
from circuitscope.cli.tables import evaluation_parts
from circuitscope.config import EvaluateConfig


def register(app: typer.Typer) -> None:
    app.command("evaluate")(evaluate)


@configured(EvaluateConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def evaluate(config: EvaluateConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Measure faithfulness and completeness of a run's circuit on held-out examples."""
    from circuitscope import pipeline

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_evaluate

        show_dry_run(lambda show: dry_run_evaluate(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        result = pipeline.run_evaluate(run, config, overwrite=overwrite, progress=show)
    for part in evaluation_parts(result):
        out.print(part)
