"""circuitscope behaviours cluster"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from circuitscope.cli.behaviours.arguments import RUN
from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.config import BehavioursClusterConfig
from circuitscope.runs import CLUSTERS

if TYPE_CHECKING:
    from circuitscope.results import Clusters

MOST_ROWS = 20
"""The largest clusters; a run may have thousands."""
UNKNOWN = "–"


def register(app: typer.Typer) -> None:
    app.command("cluster")(cluster)


@configured(BehavioursClusterConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def cluster(config: BehavioursClusterConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Find contexts that belong together, because their vectors point the same way.

    Each cluster is measured, named, and marked if it merely equals the contexts with the same answer token, last
    token, last bigram or strongest feature. Give the command again with another --method or --vectors: each result
    has a folder of its own.
    """
    from circuitscope.pipeline.behaviours import run_behaviours_cluster

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_cluster

        show_dry_run(lambda show: dry_run_cluster(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        found, name = run_behaviours_cluster(run, config, overwrite=overwrite, progress=show)
    if len(found.counts) > 1:
        out.print(counts_table(found))
    out.print(clusters_table(found))
    for doubt in found.doubts():
        out.print(f"• {doubt}", highlight=False)
    say(f"{found!r}, written to {CLUSTERS.called(name).in_(run)}")


def counts_table(found: Clusters) -> Table:
    """The numbers of clusters that were compared; the one that was taken is marked."""
    table = Table(title="numbers of clusters", caption="* was taken")
    table.add_column("asked for")
    for name in ("found", "in several documents", "stability", "conductance"):
        table.add_column(name, justify="right")
    for row in found.counts:
        taken = " *" * (row.asked == found.taken)
        numbers = (f"{row.found:,}", f"{row.implicated:,}", _number(row.stability), _number(row.conductance))
        table.add_row(f"{row.asked:,}{taken}", *numbers)
    return table


def clusters_table(found: Clusters) -> Table:
    """The largest clusters, and the part of all clusters that equal a trivial grouping."""
    by_grouping = ", ".join(f"{name} {share:.0%}" for name, share in found.shares_by_grouping().items())
    table = Table(
        box=SIMPLE_HEAD,  # with little padding: a name is long
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"{len(found):,} clusters" + f", the {MOST_ROWS} largest" * (len(found) > MOST_ROWS),
        caption=f"{found.trivial_share:.0%} of all equal a trivial grouping ({by_grouping}): "
        f"a Jaccard overlap of {found.equal_at:g} or more",
    )
    table.add_column("cluster")
    for name in ("size", "cohesion", "conductance", "stability"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("equals")
    for one in found.clusters[:MOST_ROWS]:
        numbers = (_number(value) for value in (one.cohesion, one.conductance, one.stability))
        table.add_row(escape(one.name), f"{len(one):,}", *numbers, ", ".join(one.equals))
    return table


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"
