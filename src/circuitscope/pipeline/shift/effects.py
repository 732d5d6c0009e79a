"""effects: the circuit of a run's classifier."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from circuitscope.config import ShiftEffectsConfig
from circuitscope.editing import classifier_circuit
from circuitscope.pipeline.open_run import save
from circuitscope.pipeline.shift.prepared import Prepared, prepare
from circuitscope.results import Circuit, load
from circuitscope.runs import CLASSIFIER, CLASSIFIER_CIRCUIT
from circuitscope.work import Partial, Progress, silent


def run_shift_effects(
    folder: Path, config: ShiftEffectsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Circuit:
    """Discover the circuit of a run's classifier; writes the run folder ``circuit/`` into it.

    A discovery that was killed goes on from its last finished batch.
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
    run = prepared.run
    return classifier_circuit(
        run.classifier(),
        run.dictionaries,
        run.task,
        **_settings(prepared.config),
        partial=prepared.partial,
        progress=prepared.progress,
    )


def finish_effects(prepared: Prepared[ShiftEffectsConfig], circuit: Circuit) -> None:
    """Write ``circuit/``, a run folder of its own."""
    # no task: discover and evaluate know none of labelled texts
    config = {**prepared.run.config, **_settings(prepared.config)}
    save(circuit, prepared.folder, config=config, origins=prepared.origins, overwrite=prepared.overwrite)
    Partial.discard(prepared.folder)


def _settings(config: ShiftEffectsConfig) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if name != "device"}
