"""discover as a stage: from a config to a run folder, and what it would take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from circuitscope.bundled import BUNDLED
from circuitscope.config import DiscoverConfig
from circuitscope.dictionaries import missing_dictionaries
from circuitscope.discovery import Work, discover_circuit, refuse_impossible
from circuitscope.pipeline.behaviour import behaviour_of
from circuitscope.results import Circuit, load, save
from circuitscope.runs import CIRCUIT, looks_like_path, refuse_existing
from circuitscope.sources import Loaded, open_named
from circuitscope.work import Partial, Progress, silent


@dataclass(frozen=True)
class PreparedDiscovery:
    """A discovery that is ready to start."""

    out: Path
    config: DiscoverConfig
    loaded: Loaded
    overwrite: bool
    progress: Progress


def run_discover(config: DiscoverConfig, *, overwrite: bool = False, progress: Progress = silent) -> Circuit:
    """Discover a circuit and write its run folder; continues where a killed run stopped."""
    prepared = prepare_discover(config, overwrite=overwrite, progress=progress)
    return finish_discover(prepared, discover_step(prepared))


def prepare_discover(
    config: DiscoverConfig, *, overwrite: bool = False, progress: Progress = silent
) -> PreparedDiscovery:
    """Check that the run may be written, and load model, dictionaries and task."""
    out = Path(config.out).expanduser()
    refuse_existing(out, overwrite=overwrite, kind=CIRCUIT)
    return PreparedDiscovery(out, config, _open(config, progress), overwrite, progress)


def discover_step(prepared: PreparedDiscovery) -> Circuit:
    """Discover the circuit; finished batches are kept beside the run folder."""
    work = Work(lambda plan: Partial.beside(prepared.out, plan), prepared.progress)
    config = prepared.config
    return discover_circuit(prepared.loaded, config.settings, work, seed=config.seed)


def finish_discover(prepared: PreparedDiscovery, circuit: Circuit) -> Circuit:
    """Write the run folder, and delete what was kept on the way."""
    save(circuit, prepared.out, overwrite=prepared.overwrite)
    Partial.discard(prepared.out)
    return load(prepared.out)


def _open(config: DiscoverConfig, progress: Progress) -> Loaded:
    """Load model, dictionaries and task, after refusing what cannot be."""
    behaviour = behaviour_of(config)
    refuse_impossible(config, behaviour)
    return open_named(
        config.model,
        config.dictionaries,
        behaviour,
        device=config.device,
        dtype=config.dtype,
        progress=progress,
    )


def missing_downloads(config: DiscoverConfig) -> dict[str, int | None]:
    """What a discovery would fetch from the hub first, with sizes in bytes; None where the hub does not say."""
    return {**_missing_model(config.model), **missing_dictionaries(config.dictionaries)}


def _missing_model(source: str) -> dict[str, int | None]:
    if source == BUNDLED or looks_like_path(source):
        return {}
    from huggingface_hub import HfApi, snapshot_download

    try:
        snapshot_download(source, local_files_only=True)
        return {}
    except OSError:
        pass
    try:
        files = HfApi().model_info(source, files_metadata=True).siblings or []
        return {source: sum(file.size or 0 for file in files)}
    except Exception:  # no network or no such repository: loading says which
        return {source: None}
