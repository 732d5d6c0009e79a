"""discover as a stage: from a config to a run folder, and what it would take."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from circuitscope.config import DiscoverConfig, parse_bytes
from circuitscope.dictionaries import hub
from circuitscope.dictionaries import source as named
from circuitscope.discovery import discover
from circuitscope.pipeline.open_run import Loaded, load_parts, portable, save
from circuitscope.results import KIND, Circuit, load
from circuitscope.runs import refuse_existing
from circuitscope.work import Partial, Progress, partial_folder, silent


def run_discover(config: DiscoverConfig, *, overwrite: bool = False, progress: Progress = silent) -> Circuit:
    """Discover a circuit and write its run folder; goes on where a killed run stopped."""
    out = Path(config.out).expanduser()
    refuse_existing(out, overwrite=overwrite, kind=KIND)
    parts = _parts(config, progress)
    circuit = discover(
        parts.model,
        parts.dictionaries,
        parts.task,
        **_settings(config),
        partial=lambda plan: Partial.beside(out, plan),
        progress=progress,
    )
    save(circuit, out, config=portable(asdict(config), "model", "task"), overwrite=overwrite)
    Partial.discard(out)
    return load(out)


def _parts(config: DiscoverConfig, progress: Progress) -> Loaded:
    return load_parts(
        config.model,
        config.dictionaries,
        config.task,
        device=config.device,
        dtype=config.dtype,
        progress=progress,
    )


def _settings(config: DiscoverConfig) -> dict[str, Any]:
    """The config's fields that are arguments of ``discover``."""
    elsewhere = ("model", "dictionaries", "task", "out", "device", "dtype", "seed")
    return {name: value for name, value in asdict(config).items() if name not in elsewhere}


@dataclass(frozen=True)
class Estimate:
    """What a discovery would take, from a trial on its first examples."""

    examples: int
    sites: int
    features: int
    seconds: float
    memory: int
    """Bytes: weights of model and dictionaries, and the memory budget."""
    finished: int
    """Batches of an earlier, unfinished run that would be used again."""


def missing_downloads(config: DiscoverConfig) -> dict[str, int | None]:
    """What a discovery would fetch from the hub first, with sizes in bytes; None where the hub does not say."""
    wanted = _missing_model(config.model)
    for part in named.parts(config.dictionaries):
        if part.on_hub and (size := hub.missing(part.place, part.inside)) != 0:
            wanted[str(part)] = size
    return wanted


def _missing_model(source: str) -> dict[str, int | None]:
    if Path(source).expanduser().exists() or source.count("/") != 1:
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
    except Exception:  # no network, no such repository: loading says which
        return {source: None}


def estimate_discover(config: DiscoverConfig, *, progress: Progress = silent) -> Estimate:
    """Time a discovery's first batch; writes nothing."""
    parts = _parts(config, progress)
    trial = min(config.batch_size, config.examples)
    settings = {**_settings(config), "examples": trial, "nodes": 1, "node_threshold": None}
    started = time.perf_counter()
    circuit = discover(parts.model, parts.dictionaries, parts.task, **settings, progress=progress)
    seconds = time.perf_counter() - started
    bos = "yes" if circuit.info["bos"] else "no"
    usable, _ = parts.task.encode(
        config.split, parts.model.tokenizer, bos=bos == "yes", limit=config.examples
    )
    weights: list[Tensor] = list(parts.model.hf.parameters())
    weights += [w for item in parts.dictionaries.values() for w in item.weights().values()]
    done = len(list(partial_folder(Path(config.out).expanduser()).glob("nodes-*.safetensors")))
    return Estimate(
        len(usable),
        len(parts.dictionaries),
        sum(item.n_features for item in parts.dictionaries.values()),
        seconds * len(usable) / max(1, int(circuit.info["examples"])),
        sum(weight.numel() * weight.element_size() for weight in weights) + parse_bytes(config.memory),
        done,
    )
