"""circuitscope sweep"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, RUN, configured
from circuitscope.cli.tables import needed_table
from circuitscope.config import SweepConfig
from circuitscope.runs import SWEEP


def register(app: typer.Typer) -> None:
    app.command("sweep")(sweep)


@configured(SweepConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def sweep(config: SweepConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Measure faithfulness and completeness against circuit size, for features, neurons and random circuits."""
    from circuitscope import pipeline

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_sweep

        show_dry_run(lambda show: dry_run_sweep(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        result = pipeline.run_sweep(run, config, overwrite=overwrite, progress=show)
    out.print(needed_table(result))
    say(f"curves: {SWEEP.in_(run) / 'sweep.png'}, sweep.csv and sweep.json beside it")
