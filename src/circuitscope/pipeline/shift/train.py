"""train: a classifier on the ambiguous texts, the first step of a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from circuitscope.config import ShiftTrainConfig
from circuitscope.editing import CLASSIFIER, RUN, made_from, train_classifier, write_classifier
from circuitscope.model import decide_bos
from circuitscope.pipeline.shift.run import about, begin, load_run, plan, portable
from circuitscope.runs import new_folder, refuse_existing
from circuitscope.tasks.labelled import Classifier
from circuitscope.work import Partial, Progress, silent

log = logging.getLogger("circuitscope")

STEP = "classifier"


def run_shift_train(
    folder: Path, config: ShiftTrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Classifier:
    """Train the classifier of a run; writes ``manifest.json`` and ``classifier/`` into it."""
    refuse_existing(folder / STEP, overwrite=overwrite, kind=CLASSIFIER)
    run = load_run(folder, portable(about(config)), config.device, progress)
    begin(run, overwrite=overwrite)
    site = config.site or f"resid_{max(0, run.model.n_layers - 2)}"
    bos = decide_bos(config.bos, run.dictionaries.prepend_bos, run.model.tokenizer)
    texts = run.sets.train_ambiguous
    (first, _, _, last), half = run.sets.groups, len(texts) // 2
    log.info("%d ambiguous training texts: %d %s, %d %s", len(texts), half, first, half, last)
    classifier = train_classifier(
        run.model,
        texts,
        site=site,
        pooling=config.pooling,
        bos=bos,
        **(training := training_of(config)),
        partial=Partial.beside(folder / STEP, plan(run, texts, site, config.pooling, bos)),
        progress=progress,
    )
    with new_folder(folder / STEP, overwrite=overwrite) as draft:
        write_classifier(
            draft,
            classifier,
            {"training": training, "texts": len(texts), "made_from": made_from(folder, RUN)},
        )
    Partial.discard(folder / STEP)
    return classifier


def training_of(config: ShiftTrainConfig) -> dict[str, Any]:
    """The arguments of ``train_classifier`` that say how a probe is fitted."""
    return {
        "fit": config.fit,
        "lr": config.learning_rate,
        "epochs": config.epochs,
        "batch_size": config.batch,
        "seed": config.seed,
    }
