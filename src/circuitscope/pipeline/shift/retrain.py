"""retrain: the probe trained again, on the same ambiguous texts, with the removed features ablated."""

from __future__ import annotations

from pathlib import Path

from circuitscope.config import ShiftRetrainConfig
from circuitscope.editing import CLASSIFIER, made_from, need, read_removal, train_classifier, write_classifier
from circuitscope.pipeline.shift.run import open_shift, plan
from circuitscope.runs import new_folder, read_manifest, refuse_existing
from circuitscope.tasks.labelled import Classifier
from circuitscope.work import Partial, Progress, silent

STEP = "retrained"


def run_shift_retrain(
    folder: Path, config: ShiftRetrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Classifier:
    """Train the classifier of a run again, as it was trained at first; writes ``retrained/`` into the run."""
    refuse_existing(folder / STEP, overwrite=overwrite, kind=CLASSIFIER)
    need(folder, "classifier", "removed")
    run = open_shift(folder, device=config.device, progress=progress)
    first, removal, texts = run.classifier(), read_removal(folder / "removed"), run.sets.train_ambiguous
    training = read_manifest(folder / "classifier", CLASSIFIER)["training"]
    origins = made_from(folder, "classifier", "removed")
    classifier = train_classifier(
        run.model,
        texts,
        site=first.site,
        pooling=first.pooling,
        bos=first.bos,
        edits=removal.edits_of(run.model, run.dictionaries),
        **training,
        partial=Partial.beside(folder / STEP, plan(run, texts, origins)),
        progress=progress,
    )
    with new_folder(folder / STEP, overwrite=overwrite) as draft:
        write_classifier(draft, classifier, {"training": training, "texts": len(texts), "made_from": origins})
    Partial.discard(folder / STEP)
    return classifier
