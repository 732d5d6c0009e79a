"""circuitscope behaviours vectors"""

from __future__ import annotations

from pathlib import Path

import typer

from circuitscope.cli.behaviours.arguments import RUN
from circuitscope.cli.console import progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.config import BehavioursVectorsConfig
from circuitscope.runs import VECTORS

MOST_NAMED = 8


def register(app: typer.Typer) -> None:
    app.command("vectors")(vectors)


@configured(BehavioursVectorsConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def vectors(config: BehavioursVectorsConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Make a vector of each context, so that contexts can be compared by how the model predicts their answers.

    Give the command again with another --kind, --sites or --positions: each result has a folder of its own. A stopped
    command continues where it was when it is given again.
    """
    from circuitscope.pipeline.behaviours import run_behaviours_vectors

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_vectors

        show_dry_run(lambda show: dry_run_vectors(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        made = run_behaviours_vectors(run, config, overwrite=overwrite, progress=show)
    if made.zeros:
        named = ", ".join(map(str, made.zeros[:MOST_NAMED])) + ", …" * (len(made.zeros) > MOST_NAMED)
        say(f"{len(made.zeros)} vectors are all zeros, and similar to nothing: contexts {named}")
    say(f"{made!r}, {made.nbytes / 2**20:.1f} MiB, written to {VECTORS.called(config.called).in_(run)}")
