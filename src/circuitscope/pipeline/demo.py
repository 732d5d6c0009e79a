"""The demonstration: circuits of four behaviours of the bundled model, measured and reported.

Every stage of every behaviour is a folder; what already exists is not made again, so a stopped demonstration
continues where it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from circuitscope.config import (
    DemoConfig,
    DiscoverConfig,
    EvaluateConfig,
    ReportConfig,
    SweepConfig,
    WorkersConfig,
    part_of,
)
from circuitscope.errors import BadInput, argument
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
    refuse_unwritable,
)
from circuitscope.tasks.agreement import STRUCTURES
from circuitscope.work import NOTHING_SHARED, Progress, Unit, engine_for, refuse_failures, shown, silent

SIZES = 14
"""How many circuit sizes a curve is measured at."""


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
        raise BadInput(f"{out} is a file", expected="a folder", mend=f"choose another {argument('out')}")
    refuse_unwritable(out)
    units = [
        Unit(
            structure,
            partial(_make, structure=structure, run=out / structure, config=config, overwrite=overwrite),
        )
        for structure in STRUCTURES
    ]
    engine = engine_for(config.workers, config.engine, config.address)
    outcomes = list(engine.run(NOTHING_SHARED, units, progress=progress, what="behaviours"))
    refuse_failures(outcomes, "behaviours")
    # A run that was made again has lost its report; those of the others stay.
    settings = ReportConfig(device=config.device, **asdict(part_of(config, WorkersConfig)))
    report = complete_reports(out, settings, progress=progress)
    return [_show(structure, out / structure) for structure in STRUCTURES], report


def missing_behaviours(config: DemoConfig, *, overwrite: bool) -> list[str]:
    """The structures that ``run_demo`` would make something of."""
    out = Path(config.out).expanduser()
    refuse_unwritable(out / "a behaviour")
    return [
        structure
        for structure in STRUCTURES
        if overwrite
        or not (out / structure / MANIFEST).is_file()
        or _lacks(out / structure, EVALUATION)
        or _lacks(out / structure, SWEEP)
    ]


def _make(_: None, *, structure: str, run: Path, config: DemoConfig, overwrite: bool) -> None:
    """Make the run of a behaviour, or what it lacks."""
    with shown() as tell:
        if overwrite or not (run / MANIFEST).is_file():
            settings = DiscoverConfig(
                task=f"agreement/{structure}",
                out=str(run),
                nodes=config.nodes,
                examples=config.examples,
                device=config.device,
            )
            run_discover(settings, overwrite=run.exists(), progress=tell)
        else:
            _refuse_other_settings(run, config)
        if _lacks(run, EVALUATION):
            run_evaluate(run, EvaluateConfig(device=config.device), overwrite=True, progress=tell)
        if _lacks(run, SWEEP):
            sweep = SweepConfig(device=config.device, sizes=SIZES, random=1)
            run_sweep(run, sweep, overwrite=True, progress=tell)


def _lacks(run: Path, stage: Stage) -> bool:
    """Whether a stage has not been made, or was not made from what is there now."""
    return not is_there(run, stage) or outdated_by(run, stage) is not None


def _show(structure: str, run: Path) -> Shown:
    return Shown(structure, run, load(run), read_sweep(SWEEP.in_(run)))


def _refuse_other_settings(run: Path, config: DemoConfig) -> None:
    made_with = load(run).made_by.settings
    for name in ("nodes", "examples"):
        if getattr(made_with, name) != getattr(config, name):
            raise BadInput(
                f"{run} was made with {name} = {getattr(made_with, name)}",
                expected=f"{name} = {getattr(config, name)}, as asked for now",
                mend=f"add {argument('overwrite', True)} to make it again, or choose another {argument('out')}",
            )
