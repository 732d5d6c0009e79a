"""apply: from a sheet of verdicts to the features that are taken out."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from circuitscope.config import ShiftApplyConfig
from circuitscope.editing import REMOVED, Removal, made_from, need, write_removal
from circuitscope.editing.judging import read_sheet, removed, write_features
from circuitscope.interventions import FeatureSet, Means, feature_means, names_of
from circuitscope.pipeline.shift.run import open_shift, plan
from circuitscope.results import counts, load
from circuitscope.runs import new_folder, refuse_existing
from circuitscope.work import Partial, Progress, silent
from circuitscope.workspace import VerdictStore

STEP = "removed"
SHEET = "sheet.jsonl"


@dataclass(frozen=True)
class Applied:
    """What a sheet did."""

    removal: Removal
    verdicts: Mapping[str, int]
    """How many features have each verdict."""
    new: int
    """Verdicts that the workspace did not know yet."""


def run_shift_apply(
    folder: Path,
    sheet: Path,
    config: ShiftApplyConfig,
    *,
    keep_verdicts: bool = True,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Applied:
    """Take a finished sheet's verdicts; writes ``removed/`` into the run, and the verdicts into the workspace.

    Args:
        keep_verdicts: whether they enter the workspace; those of a demonstration do not.
    """
    refuse_existing(folder / STEP, overwrite=overwrite, kind=REMOVED)
    need(folder, "circuit")
    circuit = load(folder / "circuit")
    features = read_sheet(sheet, circuit)
    gone = removed(features)
    means = _means(folder, gone, config, progress) if config.how == "mean" else None
    removal = Removal(gone, config.how, means)
    new = VerdictStore().take(circuit, features, config.who or getpass.getuser()) if keep_verdicts else 0
    with new_folder(folder / STEP, overwrite=overwrite) as draft:
        write_features(draft / SHEET, circuit, features)
        content = {"features": names_of(gone), "verdicts": dict(counts(features))}
        write_removal(draft, removal, {**content, "made_from": made_from(folder, "circuit")})
    Partial.discard(folder / STEP)
    return Applied(removal, counts(features), new)


def _means(folder: Path, gone: FeatureSet, config: ShiftApplyConfig, progress: Progress) -> Means:
    run = open_shift(folder, device=config.device, progress=progress)
    classifier, texts = run.classifier(), run.sets.train_ambiguous
    return feature_means(
        classifier.as_model(),
        run.dictionaries,
        gone,
        texts,
        bos=classifier.bos,
        partial=Partial.beside(folder / STEP, plan(run, texts, made_from(folder, "circuit"), names_of(gone))),
        progress=progress,
    )
