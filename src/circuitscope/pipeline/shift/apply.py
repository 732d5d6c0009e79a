"""apply: from a sheet of verdicts to the features that are taken out."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from circuitscope.config import ShiftApplyConfig
from circuitscope.editing import Removal, write_removal
from circuitscope.editing.judging import read_sheet, removed, write_features
from circuitscope.interventions import FeatureSet, Means, feature_means, names_of
from circuitscope.pipeline.shift.run import open_shift, plan
from circuitscope.results import Circuit, JudgedFeature, counts, load
from circuitscope.runs import (
    CLASSIFIER_CIRCUIT,
    REMOVED,
    made_from,
    need_shift,
    refuse_existing,
    write_stage,
)
from circuitscope.work import Partial, Progress, silent
from circuitscope.workspace import VerdictStore

SHEET_COPY = "sheet.jsonl"
"""The sheet as it was applied, in ``removed/``."""


@dataclass(frozen=True)
class FinishedSheet:
    """A finished sheet that is ready to be applied."""

    folder: Path
    """The run."""
    circuit: Circuit
    features: list[JudgedFeature]
    origins: Mapping[str, str]
    """The circuit that they are about, as it was when they were read."""
    overwrite: bool = False


@dataclass(frozen=True)
class Applied:
    """What a sheet did."""

    removal: Removal
    verdicts: Mapping[str, int]
    """How many features have each verdict."""
    new: int
    """Verdicts that were not in the workspace yet."""


def run_shift_apply(
    folder: Path,
    sheet: Path,
    config: ShiftApplyConfig,
    *,
    keep_verdicts: bool = True,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Applied:
    """Apply a finished sheet's verdicts; writes ``removed/`` into the run, and the verdicts into the workspace.

    Args:
        keep_verdicts: whether they enter the workspace; those of a demonstration do not.
    """
    finished = prepare_apply(folder, sheet, overwrite=overwrite)
    removal = apply_step(finished, config, progress=progress)
    who = config.who or getpass.getuser()
    new = VerdictStore().take(finished.circuit, finished.features, who) if keep_verdicts else 0
    finish_apply(finished, removal, config)
    return Applied(removal, counts(finished.features), new)


def prepare_apply(folder: Path, sheet: Path, *, overwrite: bool = False) -> FinishedSheet:
    """Read a finished sheet about a run's circuit; loads no model.

    Raises:
        BadFile: the sheet is damaged, unfinished or about another circuit.
        BadInput: the run has no circuit, or features were removed already and ``overwrite`` is not given.
    """
    refuse_existing(REMOVED.in_(folder), overwrite=overwrite, kind=REMOVED.kind)
    need_shift(folder, CLASSIFIER_CIRCUIT)
    circuit = load(CLASSIFIER_CIRCUIT.in_(folder))
    return FinishedSheet(folder, circuit, read_sheet(sheet, circuit), made_from(folder, REMOVED), overwrite)


def apply_step(sheet: FinishedSheet, config: ShiftApplyConfig, *, progress: Progress = silent) -> Removal:
    """The features to remove, and their means where those take their place: only that needs the model."""
    gone = removed(sheet.features)
    means = _means(sheet, gone, config, progress) if config.how == "mean" else None
    return Removal(gone, config.how, means)


def finish_apply(sheet: FinishedSheet, removal: Removal, config: ShiftApplyConfig) -> None:
    """Write ``removed/``."""
    said = dict(counts(sheet.features))

    def write(draft: Path) -> dict[str, object]:
        write_features(draft / SHEET_COPY, sheet.circuit, sheet.features)
        return {**write_removal(draft, removal), "features": names_of(removal.features), "verdicts": said}

    folder, overwrite = sheet.folder, sheet.overwrite
    write_stage(folder, REMOVED, write, config, origins=sheet.origins, overwrite=overwrite)
    Partial.discard(REMOVED.in_(folder))


def features_left(folder: Path) -> list[JudgedFeature]:
    """The features of a run's circuit that its applied sheet left in the model, strongest first; loads no model."""
    circuit = load(CLASSIFIER_CIRCUIT.in_(folder))
    judged = read_sheet(REMOVED.in_(folder) / SHEET_COPY, circuit)
    gone = set(names_of(removed(judged)))
    return sorted((item for item in judged if item.name not in gone), key=lambda item: -abs(item.effect))


def _means(sheet: FinishedSheet, gone: FeatureSet, config: ShiftApplyConfig, progress: Progress) -> Means:
    run = open_shift(sheet.folder, device=config.device, progress=progress)
    classifier, texts = run.classifier(), run.sets.train_ambiguous
    kept = Partial.beside(REMOVED.in_(sheet.folder), plan(run, texts, dict(sheet.origins), names_of(gone)))
    return feature_means(
        classifier.as_model(),
        run.dictionaries,
        gone,
        texts,
        bos=classifier.bos,
        partial=kept,
        progress=progress,
    )
