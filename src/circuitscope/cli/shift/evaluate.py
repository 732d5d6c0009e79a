"""circuitscope shift evaluate"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.shift.arguments import RUN
from circuitscope.cli.shift.tables import scores_table
from circuitscope.config import ShiftEvaluateConfig
from circuitscope.runs import SCORES


def register(app: typer.Typer) -> None:
    app.command("evaluate")(evaluate)


@configured(ShiftEvaluateConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def evaluate(config: ShiftEvaluateConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Score the classifier on held-out texts: as it is, with features removed, and trained again.

    Scores whichever of these the run has, on balanced texts, where label and attribute come apart, and on ambiguous
    ones.
    """
    from circuitscope.pipeline.shift import run_shift_evaluate

    if dry_run:
        from circuitscope.pipeline.dry_run.shift import dry_run_evaluate

        show_dry_run(lambda show: dry_run_evaluate(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        result = run_shift_evaluate(run, config, overwrite=overwrite, progress=show)
    for texts in dict.fromkeys(row.texts for row in result.rows):
        out.print(scores_table(result, texts))
    say(f"written to {SCORES.in_(run)}")
