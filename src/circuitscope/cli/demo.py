"""circuitscope demo"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.config import DemoConfig
from circuitscope.results import CircuitScores, Score

if TYPE_CHECKING:
    from circuitscope.pipeline import Shown


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


@configured(DemoConfig, leading={"overwrite": OVERWRITE, "dry_run": DRY_RUN})
def demo(config: DemoConfig, overwrite: bool, dry_run: bool) -> None:
    """Show what circuitscope does, on the model that comes with it: four circuits, measured and reported.

    Takes about a minute on two processor cores and needs no network. What is already in the folder is not made again.
    """
    from circuitscope import pipeline

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_demo

        show_dry_run(lambda show: dry_run_demo(config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        shown, report = pipeline.run_demo(config, overwrite=overwrite, progress=show)
    out.print(demo_table(shown))
    say(f"report: {report}")
    program = _program()
    say("next:")
    say(f"  {program} show {config.out}/across_rc")
    say(f"  {program} plot {config.out}/across_rc --nodes 30")
    say(f"  {program} discover --task agreement/across_rc --node-threshold 0.2 --out runs/mine")


def _program() -> str:
    """How the program can be called again: by its name if the shell finds it, otherwise as it was called."""
    if shutil.which("circuitscope"):
        return "circuitscope"
    called = Path(sys.argv[0])
    return "python -m circuitscope" if called.name == "__main__.py" else os.path.relpath(called)


def demo_table(shown: Sequence[Shown]) -> Table:
    """A column per behaviour."""
    sweep = shown[0].sweep
    free = sweep.free_layers
    layers = "layer" if free == 1 else f"{free} layers"
    levels = "/".join(f"{level:.0%}" for level in sweep.levels)
    table = Table(
        box=SIMPLE_HEAD,  # with little padding, narrow enough for 80 columns
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title="subject-verb agreement in the bundled model",
        caption=f"Measured on nouns that discovery never saw, with the first {layers} and embed free. Faithfulness: "
        "1 is the whole model's behaviour. Completeness: 0 means that none of it is left outside the circuit.",
    )
    table.add_column("", no_wrap=True)
    for item in shown:
        table.add_column(item.structure, justify="right")
    for name, cell in _ROWS.items():
        table.add_row(name, *map(cell, shown))
    table.add_section()
    table.add_row(f"nodes for {levels}")
    for number, curve in enumerate(sweep.curves):
        table.add_row(f"  {curve.name}", *(_needed(item, number) for item in shown))
    return table


def _scores(item: Shown) -> CircuitScores:
    assert item.circuit.evaluation is not None
    return item.circuit.evaluation.scores[0]


def _value(score: Score) -> str:
    return "undefined" if score.value is None else f"{score.value:.2f}"


def _needed(item: Shown, number: int) -> str:
    curve = item.sweep.curves[number]
    cells = [curve.needed_for(level) for level in item.sweep.levels]
    return "/".join("–" if cell is None else f"{cell:.0f}" for cell in cells)


_ROWS: dict[str, Callable[[Shown], str]] = {
    "nodes, edges": lambda item: f"{len(item.circuit.nodes)}, {len(item.circuit.edges)}",
    "nodes not free": lambda item: str(_scores(item).nodes),
    "faithfulness": lambda item: _value(_scores(item).faithfulness),
    "completeness": lambda item: _value(_scores(item).completeness),
}
