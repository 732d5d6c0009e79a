"""circuitscope shift demo"""

from __future__ import annotations

import typer

from circuitscope.cli.console import progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.shift.compare import show_comparison
from circuitscope.config import ShiftDemoConfig


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


@configured(ShiftDemoConfig, leading={"overwrite": OVERWRITE, "dry_run": DRY_RUN})
def demo(config: ShiftDemoConfig, overwrite: bool, dry_run: bool) -> None:
    """Show SHIFT on the model that comes with circuitscope, with the sheet of verdicts that comes with it, too.

    A classifier learns professor or nurse from texts in which all professors are men and all nurses are women. For
    each feature that it uses, the sheet says whether it is about the profession, and why. Needs no network.
    """
    from circuitscope.pipeline.shift import run_shift_demo

    if dry_run:
        from circuitscope.pipeline.dry_run.shift import dry_run_shift_demo

        show_dry_run(lambda show: dry_run_shift_demo(config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        made = run_shift_demo(config, overwrite=overwrite, progress=show)
    show_comparison(made.comparison)
    say(f"verdicts and their reasons: {made.sheet}")
    say(f"every step is in {made.run}; to judge it yourself:")
    say(f"  circuitscope shift judge {made.run} --sheet {made.run}/mine.csv --interactive")
