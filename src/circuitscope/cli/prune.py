"""circuitscope prune"""

from __future__ import annotations

from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, RUN, configured
from circuitscope.config import PruneConfig
from circuitscope.results import PruneResult, Score, coverage_text, free_layers_text
from circuitscope.runs import PRUNE


def register(app: typer.Typer) -> None:
    app.command("prune")(prune)


@configured(PruneConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def prune(config: PruneConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Find the smallest circuit that keeps a faithfulness, and compare it with thresholding.

    Nodes are selected on one split and measured on the other. RUN/prune/circuit is a run folder of its own.
    This takes a few hundred ablated runs: a quarter of a minute for the demo's circuit on two CPU cores, minutes for
    larger models, and a few times as long with --compare. Ctrl-C and --time keep the smallest circuit found so far.
    """
    from circuitscope import pipeline

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_prune

        show_dry_run(lambda show: dry_run_prune(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        found = pipeline.run_prune(run, config, overwrite=overwrite, progress=show)
    out.print(prune_table(found.result))
    if found.result.ended:
        say(ended_sentence(found.result))
    say(chosen_sentence(found.result))
    say(f"next: circuitscope evaluate {PRUNE.run_in(run)}")


def prune_table(result: PruneResult) -> Table:
    """A row per level and method."""
    free = result.free_layers
    layers = free_layers_text(free) + " (and embed)" * (free > 0)
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"nodes needed, {result.task}, {layers}",
        caption=f"Faithfulness of nodes selected on {result.examples} {result.split} examples; {result.held_out} "
        "examples are only measured on. Strongest N: thresholding with as many nodes, measured on those. "
        f"{coverage_text(result.coverage).capitalize()}; – where nothing was found.",
    )
    table.add_column("to keep", justify="right")
    table.add_column("by", no_wrap=True)
    for heading in ("nodes", result.split, f"held-out {result.held_out}", "strongest N", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for level in result.levels:
        for row in (row for row in result.rows if row.level == level):
            table.add_row(
                f"{level:.3g}",
                row.method,
                "–" if row.nodes is None else str(row.nodes),
                _value(row.faithfulness),
                _score(row.held_out),
                _value(row.same_size),
                f"{row.seconds:.1f}",
            )
        table.add_section()
    return table


def _value(score: Score | None) -> str:
    if score is None:
        return "–"
    return "undefined" if score.value is None else f"{score.value:.2f}"


def _score(score: Score | None) -> str:
    text = _value(score)
    if score is None or score.value is None:
        return text
    return f"{text} [dim]{score.low:.2f}…{score.high:.2f}[/]"


def ended_sentence(result: PruneResult) -> str:
    """Why there is less in the table than was asked for."""
    why = "the time is over" if result.ended == "time" else "stopped by Ctrl-C"
    return f"{why}: this is the smallest circuit found by then; a longer search may find a smaller one"


def chosen_sentence(result: PruneResult) -> str:
    """What was written, and what it keeps on examples that did not select it."""
    chosen, simple = result.row(result.chosen), result.row("thresholding")
    held_out = chosen.held_out
    below = held_out is not None and held_out.high is not None and held_out.high < result.asked
    if result.chosen == "flow":
        text = f"{chosen.nodes} nodes that are not free carry {result.asked:.0%} of the flow; they keep "
        return (
            f"{text}{_value(chosen.faithfulness)} on {result.split}, {_value(held_out)} on held-out "
            f"{result.held_out}"
            + ("" if simple.nodes is None else f"; thresholding needs {simple.nodes} for {result.asked:g}")
        )
    return (
        f"{chosen.nodes} nodes ({result.chosen}) keep {_value(chosen.faithfulness)} on "
        f"{result.split}, {_value(held_out)} on held-out {result.held_out}"
        + ", less than was asked for: the choice partly fits its own examples" * below
        + f"; thresholding needs {simple.nodes}" * (result.chosen != simple.method)
    )
