"""effects: the circuit of a run's classifier."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from circuitscope.config import EffectsConfig, ShiftEffectsConfig
from circuitscope.discovery import Work
from circuitscope.editing import classifier_circuit
from circuitscope.pipeline.shift.prepared import Prepared, prepare
from circuitscope.results import Circuit, load, save
from circuitscope.runs import CLASSIFIER, CLASSIFIER_CIRCUIT
from circuitscope.work import Partial, Progress, silent


def run_shift_effects(
    folder: Path, config: ShiftEffectsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Circuit:
    """Discover the circuit of a run's classifier; writes the run folder ``circuit/`` into it.

    A killed discovery continues from its last finished batch.
    """
    prepared = prepare_effects(folder, config, overwrite=overwrite, progress=progress)
    finish_effects(prepared, effects_step(prepared))
    return load(prepared.folder)


def prepare_effects(
    folder: Path, config: ShiftEffectsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Prepared[ShiftEffectsConfig]:
    """Check that there is a classifier, and load what it works on."""
    return prepare(
        folder,
        CLASSIFIER_CIRCUIT,
        config,
        (CLASSIFIER,),
        config.device,
        overwrite=overwrite,
        progress=progress,
    )


def effects_step(prepared: Prepared[ShiftEffectsConfig]) -> Circuit:
    """Discover the circuit."""
    run, config = prepared.run, prepared.config
    settings = {item.name: getattr(config, item.name) for item in fields(EffectsConfig)}
    return classifier_circuit(
        run.classifier(),
        run.dictionaries,
        run.task,
        **settings,
        work=Work(prepared.partial, prepared.progress),
    )


def finish_effects(prepared: Prepared[ShiftEffectsConfig], circuit: Circuit) -> None:
    """Write ``circuit/``, a run folder of its own."""
    save(circuit, prepared.folder, origins=prepared.origins, overwrite=prepared.overwrite)
    Partial.discard(prepared.folder)
