"""retrain: the probe trained again, on the same ambiguous texts, with the removed features ablated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from circuitscope.config import ShiftRetrainConfig
from circuitscope.editing import read_removal, train_classifier, write_classifier
from circuitscope.pipeline.shift.prepared import Prepared, prepare
from circuitscope.pipeline.shift.run import plan
from circuitscope.runs import CLASSIFIER, REMOVED, RETRAINED, read_manifest
from circuitscope.tasks.labelled import Classifier
from circuitscope.work import Progress, silent


def run_shift_retrain(
    folder: Path, config: ShiftRetrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Classifier:
    """Train the classifier of a run again, as it was first trained; writes ``retrained/`` into the run."""
    prepared = prepare_retrain(folder, config, overwrite=overwrite, progress=progress)
    classifier = retrain_step(prepared)
    finish_retrain(prepared, classifier)
    return classifier


def prepare_retrain(
    folder: Path, config: ShiftRetrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Prepared[ShiftRetrainConfig]:
    """Check that features were removed, and load what the classifier works on."""
    needed = (CLASSIFIER, REMOVED)
    return prepare(folder, RETRAINED, config, needed, config.device, overwrite=overwrite, progress=progress)


def retrain_step(prepared: Prepared[ShiftRetrainConfig]) -> Classifier:
    """Train the probe on what the removed features leave."""
    run = prepared.run
    first, removal, texts = run.classifier(), read_removal(REMOVED.in_(run.folder)), run.sets.train_ambiguous
    return train_classifier(
        run.model,
        texts,
        site=first.site,
        pooling=first.pooling,
        bos=first.bos,
        edits=removal.edits_of(run.model, run.dictionaries),
        **training_in(run.folder),
        partial=prepared.partial(plan(run, texts, dict(prepared.origins))),
        progress=prepared.progress,
    )


def finish_retrain(prepared: Prepared[ShiftRetrainConfig], classifier: Classifier) -> None:
    """Write ``retrained/``."""
    run = prepared.run
    said = {"training": training_in(run.folder), "texts": len(run.sets.train_ambiguous)}
    prepared.write(lambda draft: {**write_classifier(draft, classifier), **said})


def training_in(folder: Path) -> dict[str, Any]:
    """How the classifier of a run was trained: the arguments of ``train_classifier``."""
    return dict(read_manifest(CLASSIFIER.in_(folder), CLASSIFIER.kind)["training"])
