"""cluster: which contexts of a run belong together, by their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from circuitscope.behaviours import Contexts, Vectors
from circuitscope.behaviours.clusters import ClusterJob, clusters_of, job_of, names_of, unit_rows_of
from circuitscope.config import BehavioursClusterConfig, ClusterSettings, part_of
from circuitscope.model import load_tokenizer
from circuitscope.results import Clusters, to_plain
from circuitscope.runs import (
    BEHAVIOURS,
    CLUSTERS,
    CONTEXTS,
    VECTORS,
    Stage,
    made_from,
    need_behaviours,
    need_one_of,
    read_manifest,
    refuse_existing,
    write_json,
    write_stage,
)
from circuitscope.work import Progress, silent, step


@dataclass(frozen=True)
class PreparedClustering:
    """Contexts and vectors that are ready to be clustered."""

    folder: Path
    """The run."""
    stage: Stage
    config: BehavioursClusterConfig
    job: ClusterJob
    vectors: Vectors
    origins: Mapping[str, str]
    """What the clusters are made from, as it was when the step began."""
    overwrite: bool
    progress: Progress


def run_behaviours_cluster(
    folder: Path, config: BehavioursClusterConfig, *, overwrite: bool = False, progress: Progress = silent
) -> tuple[Clusters, str]:
    """Cluster a run's contexts; writes ``clusters/NAME/``.

    Returns:
        The clusters, and their name.
    """
    prepared = prepare_cluster(folder, config, overwrite=overwrite, progress=progress)
    found = cluster_step(prepared)
    return found, finish_cluster(prepared, found).name


def prepare_cluster(
    folder: Path, config: BehavioursClusterConfig, *, overwrite: bool = False, progress: Progress = silent
) -> PreparedClustering:
    """Check that there are contexts and vectors, and open them; loads the tokenizer, but no model.

    Raises:
        BadInput: a step before this one is missing or out of date, or the clusters are there already.
    """
    need_behaviours(folder, CONTEXTS)
    name = need_one_of(folder, VECTORS, config.vectors)
    vectors = VECTORS.called(name)
    stage = CLUSTERS.called(config.called(name), made_from=(CONTEXTS.name, vectors.name))
    refuse_existing(stage.in_(folder), overwrite=overwrite, kind=stage.kind)
    need_behaviours(folder, vectors)
    opened = Vectors.read(vectors.in_(folder))
    about = read_manifest(folder, BEHAVIOURS)["config"]
    with step(progress, "loading the tokenizer"):
        names = names_of(load_tokenizer(about["model"]))
    settings = part_of(config, ClusterSettings)
    job = job_of(opened, Contexts.read(folder), settings, names=names, labels={}, called=name)
    return PreparedClustering(
        folder, stage, config, job, opened, made_from(folder, stage), overwrite, progress
    )


def cluster_step(prepared: PreparedClustering) -> Clusters:
    """Find the clusters, measure them and name them."""
    rows = unit_rows_of(prepared.vectors, prepared.job.settings)
    return clusters_of(rows, prepared.job, progress=prepared.progress)


def finish_cluster(prepared: PreparedClustering, found: Clusters) -> Path:
    """Write ``clusters/NAME/``."""

    def write(draft: Path) -> None:
        write_json(draft / prepared.stage.file, to_plain(found))

    return write_stage(
        prepared.folder,
        prepared.stage,
        write,
        asdict(prepared.config),
        origins=prepared.origins,
        overwrite=prepared.overwrite,
    )
