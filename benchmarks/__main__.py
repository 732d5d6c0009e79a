"""Every benchmark, one after the other: their tables on screen, their figures as JSON, all tables in one page.

    python -m benchmarks --preset small --out build/bench     (what `make bench` does)
    python -m benchmarks --preset full --out benchmarks/results

Each benchmark is a command of its own, which its JSON and the page name.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.results import compose

out = Console()

Commands = dict[str, list[str]]
"""Name of the JSON file -> the module and its options."""

SMALL: Commands = {
    "speed-tiny": ["benchmarks.speed", "--preset", "tiny"],
    "speed-bundled": ["benchmarks.speed", "--preset", "bundled", "--no-growth"],
    "approximation": ["benchmarks.approximation", "--preset", "small"],
    "recovery": ["benchmarks.recovery", "--preset", "small"],
    "recovery-pruning": ["benchmarks.recovery.pruning", "--preset", "small"],
    "shift": ["benchmarks.shift", "--preset", "small", "--afresh"],
    "behaviours-growth": ["benchmarks.behaviours.growth", "--preset", "small"],
}

FULL: Commands = {
    "speed-bundled": ["benchmarks.speed", "--preset", "bundled", "--no-growth"],
    "speed-pythia-70m": ["benchmarks.speed", "--preset", "pythia-70m"],
    "speed-pythia-70m-8192": [
        "benchmarks.speed",
        "--preset",
        "pythia-70m",
        "--features",
        "8192",
        "--no-growth",
    ],
    "approximation": ["benchmarks.approximation", "--preset", "full"],
    "recovery": ["benchmarks.recovery", "--preset", "full"],
    "recovery-pruning": ["benchmarks.recovery.pruning", "--preset", "full"],
    "shift": ["benchmarks.shift", "--preset", "full", "--afresh"],
    "behaviours-growth": ["benchmarks.behaviours.growth", "--preset", "full"],
}

WITH_GPU: Commands = {
    "speed-gemma-2-2b": ["benchmarks.speed", "--preset", "gemma-2-2b", "--dtype", "bfloat16", "--no-growth"],
}


def main() -> None:
    options = parse()
    commands = dict(SMALL if options.preset == "small" else FULL)
    if options.preset == "full" and torch.cuda.is_available():
        commands |= WITH_GPU
    if options.only:
        commands = {name: command for name, command in commands.items() if name in options.only}
    for name, command in commands.items():
        run(command, options.out / f"{name}.json")
    page = options.out / "RESULTS.md" if options.preset == "small" else Path(__file__).parent / "RESULTS.md"
    page.write_text(compose(options.out), encoding="utf-8")
    out.print(f"all tables: {page}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset", choices=("small", "full"), default="small", help="how much to measure")
    parser.add_argument("--out", type=Path, required=True, help="folder for the JSON files")
    parser.add_argument(
        "--only", nargs="*", choices=sorted({**SMALL, **FULL, **WITH_GPU}), help="some of them"
    )
    return parser.parse_args()


def run(command: list[str], file: Path) -> None:
    module, *settings = command
    out.rule(" ".join(["python -m", module, *settings]))
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", module, *settings, "--json", str(file)], check=True)
    out.print(f"took {time.perf_counter() - started:.0f} s", style="dim")


if __name__ == "__main__":
    main()
