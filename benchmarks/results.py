"""What every benchmark writes: a JSON file with the machine and the command that made it, and tables in Markdown.

    python -m benchmarks.results

puts the tables of every file in ``benchmarks/results/`` into ``RESULTS.md`` again, without measuring anything.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent / "results"
PAGE = Path(__file__).parent / "RESULTS.md"

TABLES = {
    "speed": "benchmarks.speed.tables",
    "approximation": "benchmarks.approximation.tables",
    "recovery": "benchmarks.recovery.tables",
    "recovery-pruning": "benchmarks.recovery.pruning",
    "shift": "benchmarks.shift.tables",
    "behaviours-growth": "benchmarks.behaviours.growth",
}
"""Which module makes the tables of a file, by the beginning of its name; the longest that fits counts."""

HEADINGS = {
    "speed": "Speed",
    "approximation": "Approximation",
    "recovery": "Recovery of known circuits",
    "shift": "SHIFT",
    "behaviours": "Finding behaviours",
}
"""The parts of the page, in order, by the beginning of the names of their files."""


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(path: Path, *, command: str, preset: str, **figures: Any) -> None:
    """Write one benchmark's figures, with what made them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"preset": preset, "command": command, "machine": machine(), **figures}
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; every cell is text already."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join(lines) + "\n"


def compose(folder: Path) -> str:
    """One page with the tables of every JSON file in a folder, the command that made each above it."""
    parts = [
        "# Results\n",
        "Written by `python -m benchmarks.results` from the figures in `benchmarks/results/`; "
        "`python -m benchmarks --preset full --out benchmarks/results` measures all of them anew.\n",
    ]
    for beginning, heading in HEADINGS.items():
        files = sorted(folder.glob(f"{beginning}*.json"), key=lambda file: file.stem)
        if files:
            parts.append(f"## {heading}\n")
        parts += [_section(file) for file in files]
    return "\n".join(parts)


def _section(file: Path) -> str:
    figures = json.loads(file.read_text(encoding="utf-8"))
    name = max((start for start in TABLES if file.stem.startswith(start)), key=len)
    made = import_module(TABLES[name]).tables(figures)
    return f"`{figures['command']}`: {_machine_words(figures['machine'])}\n\n{made}"


def _machine_words(where: dict[str, Any]) -> str:
    processor = where["gpu"] or f"{where['cores']} cores of {where['processor']}, {where['threads']} threads"
    return f"{processor}; torch {where['torch']}, Python {where['python']}."


if __name__ == "__main__":
    PAGE.write_text(compose(FOLDER), encoding="utf-8")
