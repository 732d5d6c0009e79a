"""The demonstration: circuits of four behaviours of the bundled model, measured and reported.

Every stage of every behaviour is a folder; what is there already is not made again, so a demonstration that was
stopped goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from circuitscope.config import DemoConfig, DiscoverConfig, EvaluateConfig, ReportConfig, SweepConfig
from circuitscope.errors import BadInput
from circuitscope.pipeline.discover import run_discover
from circuitscope.pipeline.evaluate import run_evaluate, run_sweep
from circuitscope.pipeline.report import complete_reports
from circuitscope.results import Circuit, Sweep, load, read_sweep
from circuitscope.runs import (
    EVALUATION,
    MANIFEST,
    SWEEP,
    Stage,
    is_there,
    outdated_by,
)
from circuitscope.tasks.agreement import STRUCTURES
from circuitscope.work import Progress, silent

SIZES = 14
"""Circuit sizes that a curve is measured at."""


@dataclass(frozen=True)
class Shown:
    """One behaviour of the demonstration."""

    structure: str
    run: Path
    circuit: Circuit
    """With its evaluation."""
    sweep: Sweep


def run_demo(
    config: DemoConfig, *, overwrite: bool = False, progress: Progress = silent
) -> tuple[list[Shown], Path]:
    """Discover, evaluate and sweep the four agreement structures; returns them and the report's page."""
    out = Path(config.out).expanduser()
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file", expected="a folder", mend="choose another --out")
    shown = [_show(structure, out / structure, config, overwrite, progress) for structure in STRUCTURES]
    # A run that was made anew has lost its report; those of the others stay.
    report = complete_reports(out, ReportConfig(device=config.device), progress=progress)
    return shown, report


def _show(structure: str, run: Path, config: DemoConfig, overwrite: bool, progress: Progress) -> Shown:
    def step(done: int, total: int, what: str) -> None:
        progress(done, total, f"{structure}: {what}")

    if overwrite or not (run / MANIFEST).is_file():
        settings = DiscoverConfig(
            task=f"agreement/{structure}",
            out=str(run),
            nodes=config.nodes,
            examples=config.examples,
            device=config.device,
        )
        run_discover(settings, overwrite=run.exists(), progress=step)
    else:
        _refuse_other_settings(run, config)
    if _lacks(run, EVALUATION):
        run_evaluate(run, EvaluateConfig(device=config.device), overwrite=True, progress=step)
    if _lacks(run, SWEEP):
        sweep = SweepConfig(device=config.device, sizes=SIZES, random=1)
        run_sweep(run, sweep, overwrite=True, progress=step)
    return Shown(structure, run, load(run), read_sweep(SWEEP.in_(run)))


def _lacks(run: Path, stage: Stage) -> bool:
    """Whether a stage has not been made, or not from what is there now."""
    return not is_there(run, stage) or outdated_by(run, stage) is not None


def _refuse_other_settings(run: Path, config: DemoConfig) -> None:
    made_with = load(run).made_by.settings
    for name in ("nodes", "examples"):
        if getattr(made_with, name) != getattr(config, name):
            raise BadInput(
                f"{run} was made with {name} = {getattr(made_with, name)}",
                expected=f"{name} = {getattr(config, name)}, as asked for now",
                mend="say --overwrite to make it anew, or choose another --out",
            )
