"""The run folder of a search for behaviours with what its steps work on: model and dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuitscope.behaviours import Contexts
from circuitscope.config import BehavioursContextsConfig
from circuitscope.dictionaries import (
    Dictionaries,
    load_dictionaries,
    portable_source,
    refuse_missing_dictionaries,
)
from circuitscope.model import LanguageModel, fingerprint, load_model
from circuitscope.pipeline.begun import begin_run, portable_path, refuse_changed
from circuitscope.runs import BEHAVIOURS, CONTEXTS, need_behaviours, read_manifest
from circuitscope.work import Progress, silent, step

ABOUT = ("model", "dictionaries", "dtype", "text", "text_field")
"""The settings that say what a run is about."""


@dataclass(frozen=True)
class BehavioursRun:
    """A run with what its steps work on."""

    folder: Path
    config: Mapping[str, Any]
    """What it is about."""
    model: LanguageModel
    dictionaries: Dictionaries

    @property
    def hashes(self) -> dict[str, str]:
        return {"model_hash": fingerprint(self.model), "dictionaries_hash": self.dictionaries.content_hash}

    def contexts(self) -> Contexts:
        """The contexts of the first step."""
        need_behaviours(self.folder, CONTEXTS)
        return Contexts.read(self.folder)


def load_run(folder: Path, config: Mapping[str, Any], device: str, progress: Progress) -> BehavioursRun:
    """Load model and dictionaries by name; a wrong path is found before the model is loaded."""
    refuse_missing_dictionaries(config["dictionaries"])
    with step(progress, "loading the model"):
        model = load_model(config["model"], device=device, dtype=config["dtype"])
    with step(progress, "loading the dictionaries"):
        dictionaries = load_dictionaries(config["dictionaries"], model)
    return BehavioursRun(folder, config, model, dictionaries)


def about(config: BehavioursContextsConfig) -> dict[str, Any]:
    """The part of the first step's settings that says what a run is about, with local places in full."""
    values = {name: getattr(config, name) for name in ABOUT}
    return {
        **values,
        "model": portable_path(config.model),
        "dictionaries": portable_source(config.dictionaries),
        "text": [portable_path(name) for name in config.texts],
    }


def begin(run: BehavioursRun, *, overwrite: bool) -> None:
    """Say in the run's manifest what it is about; continues a run that says the same."""
    content = {"config": dict(run.config), **run.hashes}
    begin_run(run.folder, BEHAVIOURS, content, CONTEXTS, texts="text", overwrite=overwrite)


def open_behaviours(folder: Path, *, device: str = "auto", progress: Progress = silent) -> BehavioursRun:
    """A run with its model and dictionaries, after checking that they are those that it began with.

    Raises:
        BadFile: the folder is not a run.
        BadInput: the model or the dictionaries have changed since.
    """
    need_behaviours(folder)
    manifest = read_manifest(folder, BEHAVIOURS)
    run = load_run(folder, manifest["config"], device, progress)
    refuse_changed(folder, manifest, run.hashes, run.config)
    return run
