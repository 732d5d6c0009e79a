"""How long circuitscope takes, against a naive implementation of the published procedure, and how that grows.

    python -m benchmarks.speed --preset tiny --json FILE

Both sides run in turns in one process on the same model, dictionaries and pairs, and their numbers are compared.
Seconds are the best of some tries; memory is the peak above model and dictionaries.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import clock, results
from benchmarks.speed.growth import measure_growth
from benchmarks.speed.presets import PRESETS, Preset, make_world, preset_named
from benchmarks.speed.works import Works, make_works
from circuitscope.errors import CircuitscopeError

out = Console()


def main() -> None:
    options = parse()
    logging.getLogger("circuitscope").setLevel(logging.ERROR)
    try:
        preset = preset_named(options.preset, options.features)
    except CircuitscopeError as error:
        raise SystemExit(str(error)) from error
    rows, rate = measure(preset, options.dtype, options.tries or preset.tries)
    growth = [] if options.no_growth else measure_growth(preset.growth)
    show(preset, rows, growth)
    if options.json:
        results.write(
            options.json,
            command=command(options),
            preset=preset.name,
            features=preset.features,
            matrix_gflops=rate,
            rows=rows,
            growth=growth,
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset", choices=list(PRESETS), default="tiny", help="what to measure on")
    parser.add_argument("--features", type=int, help="features per dictionary, instead of the preset's")
    parser.add_argument("--dtype", default="float32", help="number format (default: float32)")
    parser.add_argument("--tries", type=int, help="runs of each work, of which the fastest counts")
    parser.add_argument("--no-growth", action="store_true", help="leave out how time and memory grow")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


def command(options: argparse.Namespace) -> str:
    words = ["python -m benchmarks.speed", f"--preset {options.preset}"]
    words += [f"--features {options.features}"] if options.features else []
    words += [f"--dtype {options.dtype}"] if options.dtype != "float32" else []
    words += [f"--tries {options.tries}"] if options.tries else []
    return " ".join([*words, *(["--no-growth"] if options.no_growth else [])])


def measure(preset: Preset, dtype: str, tries: int) -> tuple[list[dict[str, Any]], float]:
    """Every work of both sides, in turns; and the machine's rate of matrix products in GFLOP/s."""
    world = make_world(preset, dtype)
    works = make_works(world, preset)
    rate = clock.matrix_rate(world.model.device, world.model.dtype)
    ours: dict[str, list[clock.Cost]] = {work.name: [] for work in works.rows}
    theirs: dict[str, list[clock.Cost]] = {name: [] for name in works.naive}
    differences: dict[str, float] = {}
    for _ in range(tries):
        for name, naive_work in works.naive.items():
            out.print(f"  {name}: naive", style="dim")
            theirs[name].append(clock.run(naive_work))
            for work in (work for work in works.rows if work.naive == name):
                ours[work.name].append(clock.run(work.ours))
                if work.differs and work.name not in differences:
                    pair = ours[work.name][-1].result, theirs[name][-1].result
                    differences[work.name] = work.differs(*pair)
            # results can be gigabytes, and only their times are needed from here on
            _forget(theirs[name], ours, works, name)
    for work in works.rows:
        if work.naive is None:
            ours[work.name] = [clock.run(work.ours) for _ in range(max(tries, 2))]
    return [_row(work.name, works, ours, theirs, differences, rate) for work in works.rows], rate


def _forget(costs: list[clock.Cost], ours: dict[str, list[clock.Cost]], works: Works, name: str) -> None:
    for group in (costs, *(ours[work.name] for work in works.rows if work.naive == name)):
        group[-1] = clock.Cost(group[-1].seconds, group[-1].peak_mb, None)


def _row(
    name: str,
    works: Works,
    ours: dict[str, list[clock.Cost]],
    theirs: dict[str, list[clock.Cost]],
    differences: dict[str, float],
    rate: float,
) -> dict[str, Any]:
    (work,) = (work for work in works.rows if work.name == name)
    seconds, peak = _best(ours[name])
    naive_seconds, naive_peak = _best(theirs[work.naive]) if work.naive else (None, None)
    gflop = clock.gflop(work.ours)
    return {
        "work": name,
        "ours_s": seconds,
        "naive_s": naive_seconds,
        "ratio": naive_seconds / seconds if naive_seconds else None,
        "ours_peak_mb": peak,
        "naive_peak_mb": naive_peak,
        "gflop": gflop,
        "share_of_peak": gflop / seconds / rate,
        "difference": differences.get(name),
        "downstream_rows": works.downstream.get(work.naive or ""),
    }


def _best(costs: list[clock.Cost]) -> tuple[float, float | None]:
    """The shortest time and the smallest peak of some tries."""
    peaks = [cost.peak_mb for cost in costs if cost.peak_mb is not None]
    return min(cost.seconds for cost in costs), min(peaks) if peaks else None


def show(preset: Preset, rows: list[dict[str, Any]], growth: list[dict[str, Any]]) -> None:
    from benchmarks.speed.tables import growth_cells, row_cells

    out.print(f"{preset.name}, {preset.features} features, {torch.get_num_threads()} threads")
    table = Table(*row_cells(None))
    for row in rows:
        table.add_row(*row_cells(row))
    out.print(table)
    if growth:
        table = Table(*growth_cells(None))
        for entry in growth:
            table.add_row(*growth_cells(entry))
        out.print(table)


if __name__ == "__main__":
    main()
