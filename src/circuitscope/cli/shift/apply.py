"""circuitscope shift apply"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.console import progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.shift.arguments import RUN, SHEET
from circuitscope.config import ShiftApplyConfig
from circuitscope.runs import REMOVED


def register(app: typer.Typer) -> None:
    app.command("apply")(apply)


@configured(
    ShiftApplyConfig, leading={"run": RUN, "sheet": SHEET, "overwrite": OVERWRITE, "dry_run": DRY_RUN}
)
def apply(config: ShiftApplyConfig, run: Path, sheet: Path, overwrite: bool, dry_run: bool) -> None:
    """Apply the verdicts of a finished sheet: what it strikes is removed from now on, and the rest stays.

    Features whose verdict is unsure stay. The verdicts are kept in the workspace, with who gave them and when.
    """
    from circuitscope.pipeline.shift import run_shift_apply

    if dry_run:
        from circuitscope.pipeline.dry_run.shift import dry_run_apply

        show_dry_run(lambda show: dry_run_apply(run, sheet, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        applied = run_shift_apply(run, sheet, config, overwrite=overwrite, progress=show)
    said = ", ".join(f"{count} {verdict}" for verdict, count in applied.verdicts.items() if verdict)
    say(f"{said}; {applied.new} of these verdicts are new")
    say(f"{len(applied.removal)} features removed, written to {REMOVED.in_(run)}")
    say(f"next: circuitscope shift retrain {run}, or circuitscope shift evaluate {run}")
