"""How time and memory of a discovery grow with what is asked: one quantity doubled at a time.

    python -m benchmarks.speed.growth

Every line is a process of its own that makes a random model with random dictionaries, then runs both passes of
a discovery. Times are processor time; memory is the peak above what was there before (Linux only).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import logging
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.shapes import Shape, random_dictionaries, random_model, random_pairs
from benchmarks.speed.discover import counted_rows
from circuitscope.discovery import Partial
from circuitscope.discovery.edge_pass import edge_pass
from circuitscope.discovery.job import Job
from circuitscope.discovery.node_pass import node_pass
from circuitscope.discovery.select import select_nodes
from circuitscope.effects.replayer import DEFAULT_BUDGET
from circuitscope.tasks import make_inputs, metric_named

out = Console()


@dataclass(frozen=True)
class Case:
    """The quantities that are doubled."""

    examples: int = 8
    tokens: int = 16
    features: int = 4096
    layers: int = 4
    nodes: int = 100


@dataclass(frozen=True)
class Cost:
    """What a case took: seconds of the two passes, bytes above the start, downstream rows."""

    node_pass: float
    edge_pass: float
    edge_effects: float
    peak: int
    rows: int


def main() -> None:
    options = parse()
    base = Case(**{name: getattr(options, name) for name in asdict(Case())})
    table = Table("case", "node pass", "edge pass", "of which edge effects", "rows", "memory")
    for name, case in cases(base, options.doublings):
        cost = in_own_process(case, options.width, options.active)
        table.add_row(
            name,
            f"{cost.node_pass:.2f} s",
            f"{cost.edge_pass:.2f} s",
            f"{cost.edge_effects:.3f} s",
            f"{cost.rows}",
            f"{cost.peak / 1e6:.0f} MB",
        )
    out.print(
        f"width {options.width}, {options.active} features active per token, "
        f"{torch.get_num_threads()} threads"
    )
    out.print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, value in asdict(Case()).items():
        parser.add_argument(
            f"--{name}", type=int, default=value, help=f"{name} of the base (default: {value})"
        )
    parser.add_argument("--width", type=int, default=128, help="width of the residual stream (default: 128)")
    parser.add_argument("--active", type=int, default=50, help="active features per token (default: 50)")
    parser.add_argument("--doublings", type=int, default=2, help="how often each is doubled (default: 2)")
    return parser.parse_args()


def cases(base: Case, doublings: int) -> list[tuple[str, Case]]:
    """The base, then each quantity doubled by itself."""
    words = ", ".join(f"{value} {name}" for name, value in asdict(base).items())
    found = [(words, base)]
    for name, value in asdict(base).items():
        for times in (2**step for step in range(1, doublings + 1)):
            found.append((f"{value * times} {name}", replace(base, **{name: value * times})))
    return found


def in_own_process(case: Case, width: int, active: int) -> Cost:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, case, width, active).result()


def measure(case: Case, width: int, active: int) -> Cost:
    """Run both passes, after a small run that warms everything up."""
    logging.getLogger("circuitscope").setLevel(
        logging.ERROR
    )  # three points are for equal work, not precision
    shape = Shape(case.layers, width, max(1, width // 64), vocab=512)
    model = random_model(shape)
    pairs = random_pairs(case.examples, case.tokens, shape.vocab)
    dictionaries = random_dictionaries(
        model, make_inputs(pairs[:8], has_bos=False).clean, case.features, active
    )
    job = Job(
        model,
        dictionaries,
        metric_named("logit-difference", pairs=True),
        tuple(pairs),
        has_bos=False,
        keep_positions=False,
        method="ig",
        rule="gauss",
        points=3,
        batch_size=case.examples,
        budget=DEFAULT_BUDGET,
    )
    node_pass(replace(job, examples=job.examples[:1]))
    with tempfile.TemporaryDirectory() as scratch:
        return both_passes(
            replace(job, partial=Partial.beside(Path(scratch) / "run", job.plan())), case.nodes
        )


def both_passes(job: Job, nodes: int) -> Cost:
    before = restart_peak()
    started = time.process_time()
    found = node_pass(job)
    rows, _ = select_nodes(found.nodes, None, nodes)
    between = time.process_time()
    with counted_rows() as calls:
        edge_pass(job, found.nodes.take(rows), "clean")
    finished = time.process_time()
    return Cost(
        between - started,
        finished - between,
        sum(seconds for _, seconds in calls),
        peak_memory() - before,
        sum(count for count, _ in calls),
    )


def restart_peak() -> int:
    """Give back what is free and forget the peak so far; returns what is in memory now."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def peak_memory() -> int:
    """The most bytes that were resident since the peak was last forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) * 1024


if __name__ == "__main__":
    main()
