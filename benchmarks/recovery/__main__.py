"""Are circuits that are known found again?

    python -m benchmarks.recovery --preset small --json recovery.json

* planted: transformers whose weights are set by hand, so that their circuit is known by construction; precision and
  recall of nodes and edges, for every method (``planted``);
* language: hidden variables of the bundled language; whether a circuit's strongest features tell them, and
  whether setting them turns the model's answer (``language``).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.recovery import language, planted
from benchmarks.recovery.tables import all_tables
from benchmarks.results import write

PARTS = {"planted": planted.measure, "language": language.measure}
PRESETS = ("small", "full")
out, progress = Console(), Console(stderr=True)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    figures: dict[str, list[dict[str, Any]]] = {}
    for name in options.only or PARTS:
        figures[name] = []
        with progress.status(name) as status:
            for row in PARTS[name](options.preset):
                figures[name].append(row)
                status.update(f"{name}: {len(figures[name])} done")
    show(figures)
    if options.json:
        parts = " ".join(f"--only {name}" for name in options.only or ())
        command = f"python -m benchmarks.recovery --preset {options.preset} {parts}".strip()
        write(options.json, command=command, preset=options.preset, **figures)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recovery",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--preset", choices=PRESETS, default=PRESETS[0])
    parser.add_argument("--only", choices=tuple(PARTS), action="append", help="one of the two parts")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args(arguments)


def show(figures: dict[str, Any]) -> None:
    """Every table on screen."""
    for heading, sentence, header, rows in all_tables(figures):
        table = Table(*header, title=heading, caption=sentence, caption_justify="left")
        for row in rows:
            table.add_row(*row)
        out.print(table)


if __name__ == "__main__":
    main()
