"""SHIFT on the bundled biographies: the whole table, curves, SCR and TPP.

    python -m benchmarks.shift --preset full --json FILE

``small`` is one seed on fewer texts, ``full`` five seeds on all of them. Every step is made with the program's own
``shift demo``, which goes on where it was if it is stopped: its run folder is ``--work``.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.results import write
from circuitscope.cli.shift.compare import show_comparison
from circuitscope.cli.shift.dictionaries import scr_tpp_table
from circuitscope.config import ShiftDemoConfig, ShiftDictionariesConfig
from circuitscope.pipeline.shift import run_score_dictionaries, run_shift_demo
from circuitscope.results import to_plain

out = Console()


@dataclass(frozen=True)
class Preset:
    """How much is measured."""

    seeds: int
    limit: int | None
    site: str
    """Of SCR and TPP; empty for every residual site."""


PRESETS = {"small": Preset(1, 512, "resid_2"), "full": Preset(5, None, "")}


def main() -> None:
    options = parse()
    preset = PRESETS[options.preset]
    run = options.work / options.preset
    if options.afresh:
        shutil.rmtree(run, ignore_errors=True)
    made = run_shift_demo(ShiftDemoConfig(out=str(run), seeds=preset.seeds, limit=preset.limit))
    scored = run_score_dictionaries(ShiftDictionariesConfig(site=preset.site, limit=preset.limit))
    show_comparison(made.comparison)
    out.print(scr_tpp_table(scored))
    if options.json:
        command = f"python -m benchmarks.shift --preset {options.preset}"
        figures = {**to_plain(made.comparison), "dictionaries": to_plain(scored)}
        write(options.json, command=command, preset=options.preset, **figures)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="small", help="default: small")
    parser.add_argument("--json", type=Path, help="file to write the figures into")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build") / "shift",
        help="folder of the run (default: build/shift)",
    )
    parser.add_argument("--afresh", action="store_true", help="begin anew, whatever is in the folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
