"""How many nodes a behaviour needs: thresholding, greedy elimination and learned masks on the bundled model.

    python -m benchmarks.recovery.pruning --preset small --json pruning.json

For each agreement structure: discover on 100 training examples, then look for the smallest circuit that keeps 50, 75
and 90 % on 300. Faithfulness on 40 held-out examples, whose nouns no method saw, is measured beside it, and so is
that of thresholding with as many nodes. ``small`` takes one structure, ``full`` all four.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import circuitscope as cs
from benchmarks.results import markdown_table, write
from circuitscope.tasks.agreement import STRUCTURES

PRESETS = {"small": ("within_rc",), "full": STRUCTURES}
NODES = 100
LEVELS = (0.5, 0.75, 0.9)
out, progress = Console(), Console(stderr=True)

Figures = Mapping[str, Any]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    rows: list[dict[str, Any]] = []
    for structure in PRESETS[options.preset]:
        with progress.status(structure):
            rows += measure(structure)
    show({"pruning": rows})
    if options.json:
        command = f"python -m benchmarks.recovery.pruning --preset {options.preset}"
        write(options.json, command=command, preset=options.preset, pruning=rows)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recovery.pruning",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--preset", choices=tuple(PRESETS), default="small")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args(arguments)


def measure(structure: str) -> list[dict[str, Any]]:
    """A row per method and level."""
    model = cs.load_model("bundled", device="cpu")
    dictionaries = cs.load_dictionaries("bundled", model)
    task = cs.load_task(f"agreement/{structure}", model)
    circuit = cs.discover(model, dictionaries, task, nodes=NODES, progress=False)
    started = time.process_time()
    result = cs.prune(circuit, model, dictionaries, task, compare=True, progress=False).result
    seconds = time.process_time() - started
    return [
        {
            "structure": structure,
            "method": row.method,
            "level": row.level,
            "nodes": row.nodes,
            "faithfulness": row.faithfulness and row.faithfulness.value,
            "deviation": row.faithfulness and row.faithfulness.deviation,
            "held_out": row.held_out and row.held_out.value,
            "held_out_low": row.held_out and row.held_out.low,
            "held_out_high": row.held_out and row.held_out.high,
            "held_out_thresholding": row.same_size and row.same_size.value,
            "seconds": row.seconds,
            "processor_seconds_in_all": seconds,
        }
        for row in result.rows
    ]


def tables(figures: Figures) -> str:
    """The figures as Markdown."""
    heading, sentence, header, rows = nodes_needed(figures["pruning"])
    first = f"### {heading}\n\n{sentence}\n\n{markdown_table(header, rows)}"
    heading, sentence, header, rows = held_out(figures["pruning"])
    return f"{first}\n### {heading}\n\n{sentence}\n\n{markdown_table(header, rows)}"


def nodes_needed(rows: Sequence[Figures]) -> tuple[str, str, list[str], list[list[str]]]:
    """Structures × methods: nodes for each level."""
    header = ["structure", "method", *(f"nodes for {level:.0%}" for level in LEVELS), "seconds for 90 %"]
    cells = []
    for structure, method in _groups(rows):
        by_level = {
            row["level"]: row for row in rows if (row["structure"], row["method"]) == (structure, method)
        }
        counts = [
            "–" if by_level[level]["nodes"] is None else str(by_level[level]["nodes"]) for level in LEVELS
        ]
        cells.append([structure, method, *counts, f"{by_level[0.9]['seconds']:.1f}"])
    return (
        "Nodes needed, by how they are chosen",
        "The fewest nodes found that keep a faithfulness on the 300 training examples that choose them.",
        header,
        cells,
    )


def held_out(rows: Sequence[Figures]) -> tuple[str, str, list[str], list[list[str]]]:
    """The same sets on examples with other nouns."""
    header = [
        "structure", "method", "to keep", "nodes", "training", "held out", "95 % interval",
        "thresholding, as many nodes, held out", "deviation of a training example",
    ]  # fmt: skip
    cells = [
        [
            row["structure"],
            row["method"],
            f"{row['level']:.0%}",
            str(row["nodes"]),
            _score(row["faithfulness"]),
            _score(row["held_out"]),
            f"{_score(row['held_out_low'])} … {_score(row['held_out_high'])}",
            _score(row["held_out_thresholding"]),
            _score(row["deviation"]),
        ]
        for row in rows
        if row["nodes"] is not None
    ]
    return (
        "Do the smaller circuits hold on other nouns?",
        "Faithfulness of each set on the examples that chose it and on 40 whose nouns are new. Where the second is "
        "lower, the set was partly chosen for its examples.",
        header,
        cells,
    )


def _groups(rows: Sequence[Figures]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["structure"], row["method"]) for row in rows))


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def show(figures: Figures) -> None:
    """Every table on screen."""
    for heading, sentence, header, rows in (nodes_needed(figures["pruning"]), held_out(figures["pruning"])):
        table = Table(*header, title=heading, caption=sentence, caption_justify="left")
        for row in rows:
            table.add_row(*row)
        out.print(table)


if __name__ == "__main__":
    main()
