"""What the steps of a search for behaviours would take: tried on a few documents, contexts or vectors."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from circuitscope.behaviours.clusters import unit_rows_of
from circuitscope.behaviours.contexts import ContextCounts, search
from circuitscope.behaviours.vectors import VectorJob, fill
from circuitscope.config import (
    BehavioursClusterConfig,
    BehavioursContextsConfig,
    BehavioursVectorsConfig,
    VectorSettings,
    part_of,
)
from circuitscope.pipeline.behaviours.cluster import prepare_cluster
from circuitscope.pipeline.behaviours.contexts import open_search
from circuitscope.pipeline.behaviours.vectors import prepare_vectors
from circuitscope.pipeline.dry_run.measure import PEAK, peak_memory, timed
from circuitscope.results import DryRun, WorkPart
from circuitscope.runs import CONTEXTS
from circuitscope.tasks.texts import open_texts
from circuitscope.work import InMemory, Progress, silent, step

DOCUMENTS, SOME_CONTEXTS, SOME_ROWS = 64, 32, 64
"""How much is tried."""


def dry_run_contexts(
    folder: Path, config: BehavioursContextsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_behaviours_contexts`` would take; writes nothing."""
    run, with_ = open_search(folder, config, overwrite=overwrite, progress=progress)
    text = open_texts(config.texts, text_field=config.text_field)
    documents = list(islice(text, DOCUMENTS))

    def tried() -> ContextCounts:
        found = ContextCounts()
        for _, arrays in search(with_, documents, InMemory(), silent):
            found += ContextCounts.of(arrays)
        return found

    with step(progress, "a trial"):
        counts, seconds = timed(tried)
    size = sum(len(document.encode()) for document in documents)
    of_text = None if not text.size or not size else text.size / size
    of_contexts = None if not config.contexts or not counts.kept else config.contexts / counts.kept
    times = min((share for share in (of_text, of_contexts) if share is not None), default=1.0)
    notes = [
        "the search ends sooner if the text does" if of_text is None else "the text is read once, as it comes"
    ]
    if not counts.kept:
        notes.append(f"none of the first {len(documents)} documents has a context; --loss may be too low")
    return DryRun(
        parts=(
            WorkPart("search", round(times * len(documents)), "documents", times * seconds, at_most=True),
        ),
        measured=f"{len(documents)} documents with {counts.kept} contexts took {seconds:.2g} s",
        memory=peak_memory(run.model),
        memory_is=PEAK,
        writes=(str(CONTEXTS.in_(folder)),),
        about={"contexts": f"{config.contexts:,}" if config.contexts else "as many as the text has"},
        notes=tuple(notes),
    )


def dry_run_vectors(
    folder: Path, config: BehavioursVectorsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_behaviours_vectors`` would take; writes nothing into the run."""
    prepared = prepare_vectors(folder, config, overwrite=overwrite, progress=progress)
    run, settings = prepared.run, part_of(config, VectorSettings)
    contexts = run.contexts()
    job = VectorJob(run.model, run.dictionaries, contexts.first(SOME_CONTEXTS), settings)

    def tried() -> int:
        with TemporaryDirectory() as place:
            store = job.store_in(Path(place))
            fill(job, store, silent)
            return sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file())

    with step(progress, "a trial"):
        size, seconds = timed(tried)
    times = len(contexts) / len(job.contexts)
    return DryRun(
        parts=(WorkPart("vectors", len(contexts), "contexts", times * seconds),),
        measured=f"{len(job.contexts)} contexts took {seconds:.2g} s",
        memory=peak_memory(run.model),
        memory_is=PEAK,
        writes=(str(prepared.folder),),
        about={"kind": config.kind},
        notes=(f"about {times * size / 2**20:.0f} MiB on disk",),
    )


def dry_run_cluster(
    folder: Path, config: BehavioursClusterConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_behaviours_cluster`` would take; writes nothing."""
    prepared = prepare_cluster(folder, config, overwrite=overwrite, progress=progress)
    with step(progress, "a trial"):
        unit, preparing = timed(lambda: unit_rows_of(prepared.vectors, prepared.job.settings))
        some = unit.rows[:SOME_ROWS]
        _, product = timed(lambda: some @ unit.rows.T)
    count = len(unit)
    return DryRun(
        parts=(
            WorkPart("preparing", count, "vectors", preparing),
            WorkPart("neighbours", count, "vectors, each beside all", product * count / some.shape[0]),
        ),
        measured=f"preparing them took {preparing:.2g} s, {some.shape[0]} beside all {product:.2g} s",
        memory=2 * _bytes(unit.rows),
        memory_is="the vectors twice, as they are prepared",
        writes=(str(prepared.stage.in_(folder)),),
        about={"method": config.method},
        notes=(
            "the clustering itself comes on top, and its stability a second and a third time; it is not tried",
        ),
    )


def _bytes(rows: object) -> int:
    parts = [getattr(rows, name, None) for name in ("data", "indices", "indptr")]
    dense = getattr(rows, "nbytes", None)
    return int(dense if dense is not None else sum(part.nbytes for part in parts if part is not None))
