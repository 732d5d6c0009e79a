"""The only place that chains stages: from a config to a folder on disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from circuitscope.circuit import KIND, Circuit, load, write_circuit
from circuitscope.config import DiscoverConfig, EvaluateConfig, SweepConfig, TrainConfig, parse_bytes
from circuitscope.dictionaries import Dictionaries, load_dictionaries
from circuitscope.discovery import Partial, discover
from circuitscope.discovery.job import Progress, fingerprint
from circuitscope.discovery.partial import partial_folder
from circuitscope.errors import BadInput
from circuitscope.evaluation import evaluate, sweep
from circuitscope.model import LanguageModel, load_model
from circuitscope.store import new_folder, read_manifest, refuse_existing, write_json, write_manifest
from circuitscope.tasks import Task, load_task


def silent(done: int, total: int, what: str) -> None:
    """A progress that nobody watches."""


@dataclass(frozen=True)
class Loaded:
    """What every stage works on."""

    model: LanguageModel
    dictionaries: Dictionaries
    task: Task


def load_parts(
    model: str, dictionaries: str, task: str, *, device: str, dtype: str, progress: Progress = silent
) -> Loaded:
    """Load a model, its dictionaries and a task by name."""
    progress(0, 3, "loading the model")
    language_model = load_model(model, device=device, dtype=dtype)
    progress(1, 3, "loading the dictionaries")
    loaded = load_dictionaries(dictionaries, language_model)
    progress(2, 3, "loading the task")
    return Loaded(language_model, loaded, load_task(task, language_model))


# -- discover ------------------------------------------------------------------------------------------


def run_discover(config: DiscoverConfig, *, overwrite: bool = False, progress: Progress = silent) -> Circuit:
    """Discover a circuit and write its run folder; goes on where a killed run stopped."""
    out = Path(config.out).expanduser()
    refuse_existing(out, overwrite=overwrite)
    parts = _parts(config, progress)
    circuit = discover(
        parts.model,
        parts.dictionaries,
        parts.task,
        **_settings(config),
        partial=lambda plan: Partial.beside(out, plan),
        progress=progress,
    )
    save(circuit, out, config=_portable(config), overwrite=overwrite)
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


def _portable(config: DiscoverConfig) -> dict[str, Any]:
    """The config with local folders in full, so that later stages find them from anywhere."""
    values = asdict(config)
    for name in ("model", "dictionaries", "task"):
        path = Path(values[name]).expanduser()
        if path.exists():
            values[name] = str(path.resolve())
    return values


def save(
    circuit: Circuit,
    path: str | Path,
    *,
    config: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a circuit as a run folder, whole or not at all.

    Args:
        config: the settings that it was made with; later stages of the command line read them.
    """
    folder = Path(path)
    with new_folder(folder, overwrite=overwrite) as draft:
        write_circuit(draft, circuit)
        write_manifest(
            draft,
            KIND,
            {
                "sites": [site.name for site in circuit.sites],
                "info": dict(circuit.info),
                "config": dict(config or {}),
            },
        )
    return folder


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
    wanted: dict[str, int | None] = {}
    for source in (config.model, config.dictionaries):
        if Path(source).expanduser().exists() or source.startswith("identity") or source.count("/") != 1:
            continue
        from huggingface_hub import HfApi, snapshot_download

        try:
            snapshot_download(source, local_files_only=True)
        except OSError:
            try:
                files = HfApi().model_info(source, files_metadata=True).siblings or []
                wanted[source] = sum(file.size or 0 for file in files)
            except Exception:  # no network, no such repository: loading says which
                wanted[source] = None
    return wanted


def estimate_discover(config: DiscoverConfig, *, progress: Progress = silent) -> Estimate:
    """Time a discovery's first batch; writes nothing."""
    parts = _parts(config, progress)
    trial = min(config.batch_size, config.examples)
    settings = {**_settings(config), "examples": trial, "nodes": 1, "node_threshold": None}
    started = time.perf_counter()
    circuit = discover(parts.model, parts.dictionaries, parts.task, **settings)
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


# -- dictionaries --------------------------------------------------------------------------------------


def run_training(
    model: LanguageModel,
    text: str,
    out: Path,
    config: TrainConfig,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Train dictionaries into a folder; returns each site's quality as plain values."""
    from circuitscope.dictionaries.training import train_dictionaries

    _, quality = train_dictionaries(model, text, out, config, overwrite=overwrite, progress=progress)
    return [asdict(entry) for entry in quality]


# -- later stages of a run -------------------------------------------------------------------------------


def run_evaluate(
    run: Path, config: EvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Evaluate the circuit of a run folder; writes ``evaluation/`` into it."""
    refuse_existing(run / "evaluation", overwrite=overwrite)
    circuit, parts = open_run(run, config, progress)
    progress(0, 1, "ablated runs")
    result = evaluate(circuit, parts.model, parts.dictionaries, parts.task, **_evaluation_settings(config))
    _write_stage(run / "evaluation", "evaluation", result, config, overwrite)
    return result


def run_sweep(
    run: Path, config: SweepConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Sweep over circuit sizes; writes ``sweep/`` with JSON, a table and a picture into the run folder."""
    from circuitscope.report import plot_sweep

    refuse_existing(run / "sweep", overwrite=overwrite)
    circuit, parts = open_run(run, config, progress)
    result = sweep(
        circuit,
        parts.model,
        parts.dictionaries,
        parts.task,
        **_evaluation_settings(config),
        progress=progress,
    )
    folder = run / "sweep"
    with new_folder(folder, overwrite=overwrite) as draft:
        write_json(draft / "sweep.json", result)
        (draft / "sweep.csv").write_text(sweep_csv(result))
        plot_sweep(result, draft / "sweep.png")
        write_manifest(draft, "sweep", {"config": asdict(config)})
    return result


def sweep_csv(result: Mapping[str, Any]) -> str:
    """A sweep as one table, a row per curve and size."""
    columns = ("faithfulness", "faithfulness_low", "faithfulness_high", "completeness")
    lines = [",".join(("curve", "nodes", *columns))]
    for curve in result["curves"]:
        for row, nodes in enumerate(curve["nodes"]):
            values = ["" if curve[name][row] is None else f"{curve[name][row]:.6g}" for name in columns]
            lines.append(",".join((curve["name"], str(nodes), *values)))
    return "\n".join(lines) + "\n"


def open_run(run: Path, config: EvaluateConfig, progress: Progress = silent) -> tuple[Circuit, Loaded]:
    """A run's circuit with the model, dictionaries and task that it was discovered with."""
    circuit = load(run)
    made_with = read_manifest(run, KIND)["config"]
    missing = [name for name in ("model", "dictionaries", "task") if not made_with.get(name)]
    if missing:
        raise BadInput(
            f"{run} does not say with which {', '.join(missing)} it was made",
            expected="a run folder that the discover command wrote",
            mend="evaluate it from Python: circuitscope.evaluate(circuit, model, dictionaries, task)",
        )
    parts = load_parts(
        made_with["model"],
        made_with["dictionaries"],
        made_with["task"],
        device=config.device,
        dtype=str(circuit.info["dtype"]) if config.dtype == "auto" else config.dtype,
        progress=progress,
    )
    if config.dtype == "auto" and fingerprint(parts.model) != circuit.info["model_hash"]:
        raise BadInput(
            f"the model in {made_with['model']} is not the one that {run} was made with",
            expected=f"weights {circuit.info['model_hash'][:12]}…",
            mend="bring the old one back, or discover again",
        )
    if parts.dictionaries.content_hash != circuit.info["dictionaries_hash"]:
        raise BadInput(
            f"the dictionaries in {made_with['dictionaries']} are not those that {run} was made with",
            expected=f"content {circuit.info['dictionaries_hash'][:12]}…",
            mend="bring the old ones back, or discover again",
        )
    return circuit, parts


def _evaluation_settings(config: EvaluateConfig) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if name not in ("device", "dtype")}


def _write_stage(
    folder: Path, kind: str, result: Mapping[str, Any], config: EvaluateConfig, overwrite: bool
) -> None:
    with new_folder(folder, overwrite=overwrite) as draft:
        write_json(draft / f"{kind}.json", result)
        write_manifest(draft, kind, {"config": asdict(config)})
