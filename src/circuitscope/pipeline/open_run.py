"""What every stage starts from: a model, its dictionaries and a task, by name or as a run was made with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuitscope.dictionaries import Dictionaries, load_dictionaries
from circuitscope.dictionaries import source as named
from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel, fingerprint, load_model
from circuitscope.results import KIND, Circuit, load, write_circuit
from circuitscope.runs import new_folder, read_manifest, write_manifest
from circuitscope.tasks import Task, load_task
from circuitscope.work import Progress, silent, step


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
    with step(progress, "loading the model"):
        language_model = load_model(model, device=device, dtype=dtype)
    with step(progress, "loading the dictionaries"):
        loaded = load_dictionaries(dictionaries, language_model)
    return Loaded(language_model, loaded, load_task(task, language_model))


def open_run(run: Path, *, device: str, dtype: str, progress: Progress = silent) -> tuple[Circuit, Loaded]:
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
        device=device,
        dtype=str(circuit.info["dtype"]) if dtype == "auto" else dtype,
        progress=progress,
    )
    if dtype == "auto" and fingerprint(parts.model) != circuit.info["model_hash"]:
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


def portable(config: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Settings with local files and folders in full, so that later stages find them from anywhere.

    Args:
        names: the settings that may be paths, besides ``dictionaries``.
    """
    values = dict(config)
    for name in names:
        path = Path(values[name]).expanduser()
        if path.exists():
            values[name] = str(path.resolve())
    return {**values, "dictionaries": named.portable(values["dictionaries"])}


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
