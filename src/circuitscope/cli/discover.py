"""circuitscope discover"""

from __future__ import annotations

import typer

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_downloads, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.tables import circuit_table, summary
from circuitscope.config import DiscoverConfig


def register(app: typer.Typer) -> None:
    app.command("discover")(discover)


@configured(DiscoverConfig, leading={"overwrite": OVERWRITE, "dry_run": DRY_RUN})
def discover(config: DiscoverConfig, overwrite: bool, dry_run: bool) -> None:
    """Discover the circuit of a behaviour and write it as a run folder.

    A killed run continues from its last finished batch when the same command is given again.
    """
    from circuitscope import pipeline

    if dry_run:
        _estimate(config, overwrite)
        return
    with progress() as show:
        circuit = pipeline.run_discover(config, overwrite=overwrite, progress=show)
    out.print(summary(circuit))
    out.print(circuit_table(circuit, 10))
    say(f"written to {config.out}; next:")
    for verb in ("evaluate", "sweep", "paths", "plot", "report"):
        say(f"  circuitscope {verb} {config.out}")


def _estimate(config: DiscoverConfig, overwrite: bool) -> None:
    from circuitscope import pipeline
    from circuitscope.pipeline.dry_run import dry_run_discover

    downloads = pipeline.missing_downloads(config)
    if downloads:
        show_downloads(downloads)
        return
    show_dry_run(lambda show: dry_run_discover(config, overwrite=overwrite, progress=show))
