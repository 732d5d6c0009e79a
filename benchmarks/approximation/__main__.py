"""How wrong fast node and edge effects are, and what they cost.

    python -m benchmarks.approximation --preset small --json FILE

* The quadrature error is what a rule with few points makes of ig's integral: its difference from 64 Gauss points.
* The method error is what a method makes of the exact effect of single nodes, which replaces one node and leaves
  the others. The two are kept apart; 64 Gauss points have a method error too.
* Edges are compared with an exact edge effect of their own (``edges.py``).

``small`` is the bundled model on two agreement structures. ``full`` is all four structures with more examples and
edges, and stories260K on two behaviours, if the shared folder has it; its dictionaries are trained into ``--work``.
Errors are in float64, seconds are processor time in float32, of all examples together, in one thread.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers.utils import logging

from benchmarks.approximation.behaviours import Source, bundled, stories
from benchmarks.approximation.edges import measure_edges
from benchmarks.approximation.nodes import measure_nodes
from benchmarks.approximation.tables import sections
from benchmarks.results import write

out = Console(width=None if sys.stdout.isatty() else 180)


@dataclass(frozen=True)
class Preset:
    """How much is measured."""

    examples: int
    edge_examples: int
    edge_nodes: int
    """Nodes at tokens per example."""
    structures: tuple[str, ...]
    stories: bool


PRESETS = {
    "small": Preset(4, 4, 40, ("simple", "across_rc"), stories=False),
    "full": Preset(8, 8, 80, ("simple", "across_pp", "within_rc", "across_rc"), stories=True),
}


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    preset = PRESETS[options.preset]
    sources: list[Source] = [bundled(preset.structures)]
    skipped: list[str] = []
    if preset.stories:
        other = stories(options.work, out.print)
        (skipped if isinstance(other, str) else sources).append(other)  # type: ignore[arg-type]
    for reason in skipped:
        out.print(reason)
    figures = measure(sources, preset, out.print)
    figures = rounded({**figures, "skipped": skipped})
    command = f"python -m benchmarks.approximation --preset {options.preset}"
    if options.json:
        write(options.json, command=command, preset=options.preset, **figures)
    for section in sections(figures):
        out.print(section.rich)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="small", help="default: small")
    parser.add_argument("--json", type=Path, help="file to write the figures into")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build") / "stories",
        help="folder for trained dictionaries (default: build/stories)",
    )
    return parser.parse_args(sys.argv[1:])


def measure(sources: list[Source], preset: Preset, say: Callable[[str], None]) -> dict[str, Any]:
    """All figures of a preset."""
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for source in sources:
        pairs = zip(
            source.settings(preset.examples, "float64"),
            source.settings(preset.examples, "float32"),
            strict=True,
        )
        for setting, quick in pairs:
            say(f"nodes: {setting.model_name}, {setting.behaviour}")
            nodes += measure_nodes(setting, quick, lambda what: None)
        for setting in source.settings(preset.edge_examples, "float64"):
            say(f"edges: {setting.model_name}, {setting.behaviour}")
            edges += measure_edges(setting, preset.edge_nodes, lambda what: None)
    return {"nodes": nodes, "edges": edges}


def rounded(value: Any) -> Any:
    """Four digits of every number are enough, and make a smaller file."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
