"""circuitscope discover"""

from __future__ import annotations

from typing import Annotated

import typer

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.tables import circuit_table, summary
from circuitscope.config import DiscoverConfig

DRY_RUN = (
    Annotated[
        bool, typer.Option("--dry-run", help="Only estimate time, memory and download; write nothing.")
    ],
    False,
)


def register(app: typer.Typer) -> None:
    app.command("discover")(discover)


@configured(DiscoverConfig, leading={"overwrite": OVERWRITE, "dry_run": DRY_RUN})
def discover(config: DiscoverConfig, overwrite: bool, dry_run: bool) -> None:
    """Discover the circuit of a behaviour and write it as a run folder.

    A killed run continues from its last finished batch when the same command is given again.
    """
    from circuitscope import pipeline

    if dry_run:
        _estimate(config)
        return
    with progress() as show:
        circuit = pipeline.run_discover(config, overwrite=overwrite, progress=show)
    out.print(summary(circuit))
    out.print(circuit_table(circuit, 10))
    say(f"written to {config.out}; next:")
    for verb in ("evaluate", "sweep", "paths", "plot", "report"):
        say(f"  circuitscope {verb} {config.out}")


def _estimate(config: DiscoverConfig) -> None:
    from circuitscope import pipeline

    downloads = pipeline.missing_downloads(config)
    if downloads:
        for source, size in downloads.items():
            known = "of unknown size" if size is None else f"{size / 2**30:.1f} GiB at most"
            out.print(f"download    {source}: {known}")
        out.print("time        not known until then: a trial needs the model")
        return
    with progress() as show:
        estimate = pipeline.estimate_discover(config, progress=show)
    out.print(f"examples    {estimate.examples}")
    out.print(f"sites       {estimate.sites}, with {estimate.features:,} features in all")
    out.print(f"time        about {estimate.seconds:.0f} s here, from a trial of the first batch")
    out.print(f"memory      about {estimate.memory / 2**30:.1f} GiB: the weights and the budget of --memory")
    out.print("download    nothing: the model and the dictionaries are on this disk")
    if estimate.finished:
        out.print(f"unfinished  {estimate.finished} batches of an earlier run are already done")
