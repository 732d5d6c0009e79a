"""circuitscope evaluate"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.console import out, progress
from circuitscope.cli.options import OVERWRITE, RUN, configured
from circuitscope.cli.tables import evaluation_parts
from circuitscope.config import EvaluateConfig


def register(app: typer.Typer) -> None:
    app.command("evaluate")(evaluate)


@configured(EvaluateConfig, leading={"run": RUN, "overwrite": OVERWRITE})
def evaluate(config: EvaluateConfig, run: Path, overwrite: bool) -> None:
    """Measure faithfulness and completeness of a run's circuit on held-out examples."""
    from circuitscope import pipeline

    with progress() as show:
        result = pipeline.run_evaluate(run, config, overwrite=overwrite, progress=show)
    for part in evaluation_parts(result):
        out.print(part)
