"""effects: the circuit of a run's classifier."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from circuitscope.config import ShiftEffectsConfig
from circuitscope.editing import classifier_circuit, made_from, need
from circuitscope.pipeline.open_run import save
from circuitscope.pipeline.shift.run import open_shift
from circuitscope.results import KIND, Circuit, load
from circuitscope.runs import refuse_existing
from circuitscope.work import Partial, Progress, silent

STEP = "circuit"


def run_shift_effects(
    folder: Path, config: ShiftEffectsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Circuit:
    """Discover the circuit of a run's classifier; writes the run folder ``circuit/`` into it.

    A discovery that was killed goes on from its last finished batch.
    """
    refuse_existing(folder / STEP, overwrite=overwrite, kind=KIND)
    need(folder, "classifier")
    run = open_shift(folder, device=config.device, progress=progress)
    settings = {name: value for name, value in asdict(config).items() if name != "device"}
    circuit = classifier_circuit(
        run.classifier(),
        run.dictionaries,
        run.task,
        **settings,
        partial=lambda plan: Partial.beside(folder / STEP, plan),
        progress=progress,
    )
    made_with = {**run.config, **settings}  # no task: discover and evaluate know none of labelled texts
    save(
        circuit,
        folder / STEP,
        config={**made_with, "made_from": made_from(folder, "classifier")},
        overwrite=overwrite,
    )
    Partial.discard(folder / STEP)
    return load(folder / STEP)
