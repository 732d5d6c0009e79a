"""effects: the circuit of a run's classifier."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from circuitscope.config import EffectsConfig, ShiftEffectsConfig
from circuitscope.discovery import Work
from circuitscope.editing import classifier_circuit, made_from, need
from circuitscope.pipeline.shift.run import open_shift
from circuitscope.results import Circuit, load, save
from circuitscope.runs import CIRCUIT, refuse_existing
from circuitscope.work import Partial, Progress, silent

STEP = "circuit"


def run_shift_effects(
    folder: Path, config: ShiftEffectsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Circuit:
    """Discover the circuit of a run's classifier; writes the run folder ``circuit/`` into it.

    A discovery that was killed goes on from its last finished batch.
    """
    refuse_existing(folder / STEP, overwrite=overwrite, kind=CIRCUIT)
    need(folder, "classifier")
    run = open_shift(folder, device=config.device, progress=progress)
    settings = {item.name: getattr(config, item.name) for item in fields(EffectsConfig)}
    circuit = classifier_circuit(
        run.classifier(),
        run.dictionaries,
        run.task,
        **settings,
        work=Work(lambda plan: Partial.beside(folder / STEP, plan), progress),
    )
    save(circuit, folder / STEP, overwrite=overwrite, origins=made_from(folder, "classifier"))
    Partial.discard(folder / STEP)
    return load(folder / STEP)
