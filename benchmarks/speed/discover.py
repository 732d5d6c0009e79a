"""What a whole ``circuitscope discover`` costs: time, memory, and the circuit alone.

    python -m benchmarks.speed.discover --model M --dictionaries D --task T

1. The command runs in a process of its own: wall time and peak memory, loading and writing included.
2. The same discovery runs here, after loading: the time of its two passes, and the number of downstream rows
   whose in-edges are computed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from circuitscope import Circuit
from circuitscope.discovery import discover, edge_pass
from circuitscope.sources import open_named
from circuitscope.work import Partial

out = Console()


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as scratch:
        whole = run_command(options, Path(scratch) / "run")
        here = run_here(options, Path(scratch) / "here")
    table = Table("measured", "figure")
    table.add_row("whole command, wall time", f"{whole.wall:.1f} s")
    table.add_row("whole command, processor time", f"{whole.processor:.1f} s")
    table.add_row("whole command, peak memory", f"{whole.peak / 1e9:.2f} GB")
    table.add_row("nodes", f"{len(here.circuit.nodes)} of {len(here.circuit.candidates or ())} candidates")
    table.add_row("edges", f"{len(here.circuit.edges)}")
    table.add_row("downstream rows", f"{here.rows}")
    table.add_row("loading, wall time", f"{here.loading:.2f} s")
    table.add_row("circuit alone, wall time", f"{here.nodes + here.edges:.2f} s")
    table.add_row("circuit alone, processor time", f"{here.processor:.2f} s")
    table.add_row("  node pass, wall time", f"{here.nodes:.2f} s")
    table.add_row("  edge pass, wall time", f"{here.edges:.2f} s")
    table.add_row("  of which edge effects, processor time", f"{here.effects:.3f} s")
    table.add_row("threads", f"{torch.get_num_threads()}")
    out.print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, help="model folder, such as benchmarks.pythia_shape writes")
    parser.add_argument("--dictionaries", required=True, help="folder of dictionaries")
    parser.add_argument("--task", required=True, help="task file or folder")
    parser.add_argument("--examples", type=int, default=8, help="examples (default: 8)")
    parser.add_argument("--nodes", type=int, default=100, help="nodes to keep (default: 100)")
    return parser.parse_args()


@dataclass(frozen=True)
class Whole:
    """What the command took: seconds, and the peak of resident memory in bytes."""

    wall: float
    processor: float
    peak: int


def run_command(options: argparse.Namespace, folder: Path) -> Whole:
    """Run the command as a user types it. Its memory includes the dictionaries' mapped files."""
    command = [sys.executable, "-c", "from circuitscope.cli import main; main()", "discover"]
    for name, value in {**vars(options), "out": folder}.items():
        command += [f"--{name}", str(value)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return Whole(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit)


@dataclass(frozen=True)
class Here:
    """What the discovery in this process took, in seconds."""

    circuit: Circuit
    loading: float
    nodes: float
    edges: float
    effects: float
    processor: float
    rows: int


def run_here(options: argparse.Namespace, folder: Path) -> Here:
    """Load once, then discover with a clock on each part."""
    started = time.perf_counter()
    parts = open_named(options.model, options.dictionaries, options.task, device="cpu", dtype="float32")
    loading = time.perf_counter() - started
    moments: dict[str, float] = {}

    def mark(done: int, total: int, what: str) -> None:
        moments[what] = time.perf_counter()

    with counted_rows() as calls:
        started, used = time.perf_counter(), time.process_time()
        circuit = discover(
            parts.model,
            parts.dictionaries,
            parts.task,
            examples=options.examples,
            nodes=options.nodes,
            partial=lambda plan: Partial.beside(folder, plan),
            progress=mark,
        )
        finished = time.perf_counter()
    return Here(
        circuit,
        loading,
        moments["nodes"] - started,
        finished - moments["nodes"],
        sum(seconds for _, seconds in calls),
        time.process_time() - used,
        sum(rows for rows, _ in calls),
    )


@contextmanager
def counted_rows() -> Iterator[list[tuple[int, float]]]:
    """Collect (downstream rows, seconds of processor time) of the second pass's calls of ``edge_effects``."""
    calls: list[tuple[int, float]] = []
    module: Any = edge_pass
    real: Callable[..., Any] = module.edge_effects

    def counting(
        model: Any, dictionaries: Any, effects: Any, rows: Mapping[Any, Any], **settings: Any
    ) -> Any:
        started = time.process_time()
        found = real(model, dictionaries, effects, rows, **settings)
        calls.append((sum(map(len, rows.values())), time.process_time() - started))
        return found

    module.edge_effects = counting
    try:
        yield calls
    finally:
        module.edge_effects = real


if __name__ == "__main__":
    main()
