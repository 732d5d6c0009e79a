"""circuitscope shift effects"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.shift.arguments import RUN
from circuitscope.cli.tables import circuit_table, summary
from circuitscope.config import ShiftEffectsConfig
from circuitscope.runs import CLASSIFIER_CIRCUIT


def register(app: typer.Typer) -> None:
    app.command("effects")(effects)


@configured(ShiftEffectsConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def effects(config: ShiftEffectsConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Find the features that the classifier uses: its circuit.

    An effect above 0 promotes the true class. A killed command continues from its last finished batch.
    """
    from circuitscope.pipeline.shift import run_shift_effects

    if dry_run:
        from circuitscope.pipeline.dry_run.shift import dry_run_effects

        show_dry_run(lambda show: dry_run_effects(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        circuit = run_shift_effects(run, config, overwrite=overwrite, progress=show)
    out.print(summary(circuit))
    out.print(circuit_table(circuit, 10))
    classes = " or ".join(circuit.made_by.task.classes)
    say(f"the true class is each text's own, {classes}; an effect above 0 makes the classifier surer of it")
    say(f"written to {CLASSIFIER_CIRCUIT.in_(run)}; next: circuitscope shift judge {run}")
