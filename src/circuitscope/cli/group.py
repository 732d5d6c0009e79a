"""circuitscope group"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, RUN, configured
from circuitscope.cli.tables import signed
from circuitscope.config import GroupConfig
from circuitscope.runs import GROUP

if TYPE_CHECKING:
    from circuitscope.results import Groups

MOST_ROWS = 24
"""More are hard to read; the rest is named in a line."""


def register(app: typer.Typer) -> None:
    app.command("group")(group)


@configured(GroupConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def group(config: GroupConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Group the features of a run's circuit by what they do, and name the groups.

    Features of the same sign, at the same position and in nearby layers are joined if they are active on the same
    texts, write in the same direction and have the same edges. plot --groups, report and export show the groups.
    """
    from circuitscope import pipeline

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_group

        show_dry_run(lambda show: dry_run_group(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        found = pipeline.run_group(run, config, overwrite=overwrite, progress=show)
    out.print(groups_table(found))
    rest = weaker_groups(found)
    if rest:
        out.print(f"{len(rest)} weaker groups: " + escape("; ".join(rest)), highlight=False)
    say(f"written to {GROUP.in_(run)}; to see them: circuitscope plot {run} --groups")


def _order(groups: Groups) -> list[int]:
    return sorted(range(len(groups.groups)), key=lambda index: -abs(groups.groups[index].effect))


def weaker_groups(groups: Groups) -> list[str]:
    """The names of the groups that the table leaves out, the strongest first."""
    from circuitscope.pages.words import signed as effect_words

    found = [groups.groups[index] for index in _order(groups)[MOST_ROWS:]]
    return [f"{item.name} {effect_words(item.effect)}" for item in found]


def groups_table(groups: Groups) -> Table:
    """A row for each of the strongest groups, in the order of computation."""
    from circuitscope.grouping import layers_of

    nodes = sum(len(item.members) for item in groups.groups)
    table = Table(
        box=SIMPLE_HEAD,  # with little padding: a name is long
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"{nodes} nodes in {len(groups.groups)} groups"
        + (f", the {MOST_ROWS} strongest" if len(groups.groups) > MOST_ROWS else ""),
        caption="± is the sum of the members' standard errors, an upper bound on the group's own",
    )
    table.add_column("place", no_wrap=True)
    table.add_column("group")
    table.add_column("nodes", justify="right")
    table.add_column("summed effect", justify="right", no_wrap=True)
    for index in sorted(_order(groups)[:MOST_ROWS]):
        item = groups.groups[index]
        place = layers_of(item.sites) + ("" if item.position is None else f"@{item.position}")
        name = f"{item.where} {item.aim}".strip()
        table.add_row(place, escape(name), str(len(item.members)), signed(item.effect, item.stderr, digits=2))
    return table
