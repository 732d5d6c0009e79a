"""circuitscope report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from circuitscope.cli.console import progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.config import ReportConfig

RUN_OR_RUNS = Annotated[
    Path, typer.Argument(help="A run folder that discover wrote, or a folder of these.", metavar="RUN")
]


def register(app: typer.Typer) -> None:
    app.command("report")(report)


@configured(ReportConfig, leading={"run": RUN_OR_RUNS, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def report(config: ReportConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Write a run as one HTML page for a reader: what was asked, what was found, what the features mean.

    The page needs no network and can be mailed; report.json beside it has the same content for programs. In a folder
    of run folders, every run whose page is missing or out of date gets one, and one page links to them all.
    """
    from circuitscope import pipeline

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_report

        show_dry_run(lambda show: dry_run_report(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        page = pipeline.run_report(run, config, overwrite=overwrite, progress=show)
    say(f"written to {page}")
