"""vectors: what each context of a run becomes before contexts are compared."""

from __future__ import annotations

from pathlib import Path

from circuitscope.behaviours import Vectors
from circuitscope.behaviours.vectors import RowStore, VectorJob, fill, put_into
from circuitscope.config import BehavioursVectorsConfig, VectorSettings, part_of
from circuitscope.pipeline.behaviours.prepared import PreparedBehaviours
from circuitscope.pipeline.behaviours.run import open_behaviours
from circuitscope.runs import CONTEXTS, VECTORS, made_from, need_behaviours, refuse_existing
from circuitscope.work import Progress, silent


def run_behaviours_vectors(
    folder: Path, config: BehavioursVectorsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Vectors:
    """Make vectors of a run's contexts; writes ``vectors/NAME/``.

    A stopped step continues after its last chunk of contexts when it is called again.
    """
    prepared = prepare_vectors(folder, config, overwrite=overwrite, progress=progress)
    job, store = vectors_step(prepared)
    finish_vectors(prepared, job, store)
    return Vectors.read(prepared.folder)


def prepare_vectors(
    folder: Path, config: BehavioursVectorsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> PreparedBehaviours[BehavioursVectorsConfig]:
    """Check that there are contexts, and load model and dictionaries."""
    stage = VECTORS.called(config.called)
    refuse_existing(stage.in_(folder), overwrite=overwrite, kind=stage.kind)
    need_behaviours(folder, CONTEXTS)
    run = open_behaviours(folder, device=config.device, progress=progress)
    return PreparedBehaviours(stage, run, config, made_from(folder, stage), overwrite, progress)


def vectors_step(prepared: PreparedBehaviours[BehavioursVectorsConfig]) -> tuple[VectorJob, RowStore]:
    """Make the rows, and keep them as they are made."""
    run = prepared.run
    settings = part_of(prepared.config, VectorSettings)
    job = VectorJob(run.model, run.dictionaries, run.contexts(), settings)
    store = job.store_in(prepared.partial(job.plan()).folder)
    fill(job, store, prepared.progress)
    return job, store


def finish_vectors(
    prepared: PreparedBehaviours[BehavioursVectorsConfig], job: VectorJob, store: RowStore
) -> None:
    """Write ``vectors/NAME/``."""
    prepared.write(lambda draft: put_into(draft, job, store))
