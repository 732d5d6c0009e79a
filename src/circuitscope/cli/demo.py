"""circuitscope demo"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.config import DemoConfig

if TYPE_CHECKING:
    from circuitscope.pipeline import Shown


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


@configured(DemoConfig, leading={"overwrite": OVERWRITE})
def demo(config: DemoConfig, overwrite: bool) -> None:
    """Show what circuitscope does, on the model that comes with it: four circuits, measured and reported.

    Takes two minutes on two processor cores and needs no network. What is in the folder already is not made again.
    """
    from circuitscope import pipeline

    with progress() as show:
        shown, report = pipeline.run_demo(config, overwrite=overwrite, progress=show)
    out.print(demo_table(shown))
    say(f"report: {report}")
    say("next:")
    say(f"  circuitscope show {config.out}/across_rc")
    say("  circuitscope discover --task agreement/across_rc --node-threshold 0.2 --out runs/mine")
    say("  circuitscope inspect --model MODEL --dictionaries FOLDER   # a model and dictionaries of yours")


def demo_table(shown: Sequence[Shown]) -> Table:
    """A column per behaviour."""
    first = shown[0].sweep
    table = Table(
        title=f"subject-verb agreement in the bundled model, on nouns that discovery never saw "
        f"({first['free_layers']} free layers)",
        caption="faithfulness: 1 is the whole model's behaviour; completeness: 0 means that nothing of it is left "
        "outside the circuit; – where a curve never gets there",
    )
    table.add_column("")
    for item in shown:
        table.add_column(item.structure, justify="right")
    for name, cell in _rows(first).items():
        table.add_row(name, *(cell(item) for item in shown))
    return table


def _rows(sweep: Any) -> dict[str, Callable[[Shown], str]]:
    rows: dict[str, Callable[[Shown], str]] = {
        "nodes, edges": lambda item: f"{len(item.circuit.nodes)}, {len(item.circuit.edges)}",
        "nodes counted": lambda item: str(_scores(item)["nodes"]),
        "faithfulness": lambda item: _value(_scores(item)["faithfulness"]),
        "completeness": lambda item: _value(_scores(item)["completeness"]),
    }
    for number, curve in enumerate(sweep["curves"]):
        rows[f"{_levels(sweep)} need: {curve['name']}"] = lambda item, number=number: _needed(item, number)  # type: ignore[misc]
    return rows


def _scores(item: Shown) -> Any:
    assert item.circuit.evaluation is not None
    return item.circuit.evaluation["scores"][0]


def _value(score: Any) -> str:
    return "undefined" if score["value"] is None else f"{score['value']:.2f}"


def _levels(sweep: Any) -> str:
    return " / ".join(f"{level:.0%}" for level in sweep["levels"])


def _needed(item: Shown, number: int) -> str:
    needed = item.sweep["curves"][number]["needed"]
    cells = [needed[f"{level:g}"] for level in item.sweep["levels"]]
    return " / ".join("–" if cell is None else f"{cell:.0f}" for cell in cells)
