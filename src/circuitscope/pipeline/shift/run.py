"""The run folder of a SHIFT with what its steps work on: model, dictionaries and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from circuitscope.config import LabelledData, ShiftTrainConfig
from circuitscope.dictionaries import (
    Dictionaries,
    load_dictionaries,
    portable_source,
    refuse_missing_dictionaries,
)
from circuitscope.editing import read_classifier
from circuitscope.model import LanguageModel, fingerprint, load_model
from circuitscope.pipeline.begun import begin_run, portable_path, refuse_changed
from circuitscope.results import LABELLED, TaskSource
from circuitscope.runs import (
    CLASSIFIER,
    SHIFT,
    hash_json,
    need_shift,
    read_manifest,
)
from circuitscope.tasks.labelled import (
    Classifier,
    LabelledSets,
    LabelledTask,
    LabelledText,
    labelled_task,
    load_labelled_sets,
    refuse_unknown_words,
)
from circuitscope.work import Progress, step

ABOUT = ("model", "dictionaries", "dtype", *(item.name for item in fields(LabelledData)))
"""The settings that say what a run is about."""


@dataclass(frozen=True)
class ShiftRun:
    """A run with what its steps work on."""

    folder: Path
    config: Mapping[str, Any]
    """What it is about."""
    model: LanguageModel
    dictionaries: Dictionaries
    """Of the whole model."""
    sets: LabelledSets

    @property
    def task(self) -> LabelledTask:
        """Telling the classes of the ambiguous texts."""
        sets = self.sets
        name = f"{sets.name}: {sets.classes[0]} or {sets.classes[1]}"
        data = labelled_data(self.config)
        source = TaskSource(name, LABELLED, data.data, data.loading, sets.classes)
        return labelled_task(
            name, sets.train_ambiguous, sets.test_ambiguous, self.model, classes=sets.classes, source=source
        )

    def classifier(self) -> Classifier:
        """The classifier of the first step."""
        need_shift(self.folder, CLASSIFIER)
        return read_classifier(CLASSIFIER.in_(self.folder), self.model)


def load_run(folder: Path, config: Mapping[str, Any], device: str, progress: Progress) -> ShiftRun:
    """Load data, model and dictionaries by name; a wrong path is found before the model is loaded."""
    refuse_missing_dictionaries(config["dictionaries"])
    data = labelled_data(config)
    with step(progress, "loading the texts"):
        sets = load_labelled_sets(data.data, **data.loading)
    with step(progress, "loading the model"):
        model = load_model(config["model"], device=device, dtype=config["dtype"])
    refuse_unknown_words(data.data, model)
    with step(progress, "loading the dictionaries"):
        dictionaries = load_dictionaries(config["dictionaries"], model)
    return ShiftRun(folder, config, model, dictionaries, sets)


def labelled_data(config: Mapping[str, Any]) -> LabelledData:
    """The part of a run's settings that says which texts."""
    return LabelledData(**{item.name: config[item.name] for item in fields(LabelledData)})


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with local files and folders in full, so that later steps find them from anywhere."""
    values = dict(config)
    values |= {name: portable_path(values[name]) for name in ("model", "data")}
    return {**values, "dictionaries": portable_source(values["dictionaries"])}


def begin(run: ShiftRun, *, overwrite: bool) -> None:
    """Say in the run's manifest what it is about; continues a run that says the same.

    A run about something else is refused, unless ``overwrite`` is given or it has no classifier yet.
    """
    content = {"config": dict(run.config), **_hashes(run)}
    begin_run(run.folder, SHIFT, content, CLASSIFIER, texts="texts", overwrite=overwrite)


def about(config: ShiftTrainConfig) -> dict[str, Any]:
    """The part of the first step's settings that says what a run is about."""
    values = asdict(config)
    return {name: values[name] for name in ABOUT}


def open_shift(folder: Path, *, device: str, dtype: str = "auto", progress: Progress) -> ShiftRun:
    """A run with its model, dictionaries and texts, after checking that they are those that it began with.

    Raises:
        BadFile: the folder is not a run.
        BadInput: the model, the dictionaries or the texts have changed since.
    """
    manifest = read_manifest(folder, SHIFT)
    config = {**manifest["config"], **({} if dtype == "auto" else {"dtype": dtype})}
    run = load_run(folder, config, device, progress)
    hashes = _hashes(run)
    if dtype != "auto":
        del hashes["model_hash"]  # of the weights in their own number format
    refuse_changed(folder, manifest, hashes, config)
    return run


def _hashes(run: ShiftRun) -> dict[str, str]:
    names = ("train_ambiguous", "test_ambiguous", "train_balanced", "test_balanced")
    texts = {name: [vars(text) for text in getattr(run.sets, name)] for name in names}
    return {
        "model_hash": fingerprint(run.model),
        "dictionaries_hash": run.dictionaries.content_hash,
        "data_hash": hash_json(texts),
    }


def plan(run: ShiftRun, texts: Sequence[LabelledText], *more: Any) -> dict[str, Any]:
    """What a killed step must have in common with the one that continues it."""
    return {
        "model": fingerprint(run.model),
        "texts": hash_json([vars(text) for text in texts]),
        "device": str(run.model.device),
        "settings": hash_json(list(more)),
    }
