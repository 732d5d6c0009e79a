"""train: a classifier on the ambiguous texts, the first step of a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from circuitscope.config import ShiftTrainConfig
from circuitscope.editing import train_classifier, write_classifier
from circuitscope.model import decide_bos, shape_of
from circuitscope.pipeline.begun import refuse_foreign
from circuitscope.pipeline.shift.prepared import Prepared
from circuitscope.pipeline.shift.run import ShiftRun, about, begin, load_run, plan, portable
from circuitscope.runs import CLASSIFIER, made_from, refuse_existing
from circuitscope.tasks.labelled import Classifier
from circuitscope.terms import Site
from circuitscope.work import Progress, silent

log = logging.getLogger("circuitscope")


def run_shift_train(
    folder: Path, config: ShiftTrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Classifier:
    """Train the classifier of a run; writes ``manifest.json`` and ``classifier/`` into it."""
    prepared = prepare_train(folder, config, overwrite=overwrite, progress=progress)
    classifier = train_step(prepared)
    finish_train(prepared, classifier)
    return classifier


def prepare_train(
    folder: Path, config: ShiftTrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Prepared[ShiftTrainConfig]:
    """Load model, dictionaries and texts, and begin the run with what it is about."""
    run = open_training(folder, config, overwrite=overwrite, progress=progress)
    begin(run, overwrite=overwrite)
    origins = made_from(folder, CLASSIFIER)
    return Prepared(CLASSIFIER, run, config, origins, overwrite, progress)


def open_training(
    folder: Path, config: ShiftTrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> ShiftRun:
    """Load what a new run is about, after refusing what cannot be; writes nothing."""
    refuse_existing(CLASSIFIER.in_(folder), overwrite=overwrite, kind=CLASSIFIER.kind)
    refuse_foreign(folder)
    if config.site:
        shape_of(config.model).refuse_missing_site(Site.parse(config.site), "site")
    return load_run(folder, portable(about(config)), config.device, progress)


def site_and_bos(run: ShiftRun, config: ShiftTrainConfig) -> tuple[str, bool]:
    """Where a new run's classifier reads, and whether its texts begin with a BOS."""
    site = config.site or f"resid_{max(0, run.model.n_layers - 2)}"
    return site, decide_bos(config.bos, run.dictionaries.prepend_bos, run.model.tokenizer)


def train_step(prepared: Prepared[ShiftTrainConfig]) -> Classifier:
    """Train the probe on the ambiguous texts."""
    run, config = prepared.run, prepared.config
    site, bos = site_and_bos(run, config)
    texts = run.sets.train_ambiguous
    (first, _, _, last), half = run.sets.groups, len(texts) // 2
    log.info("%d ambiguous training texts: %d %s, %d %s", len(texts), half, first, half, last)
    return train_classifier(
        run.model,
        texts,
        site=site,
        pooling=config.pooling,
        bos=bos,
        **training_of(config),
        partial=prepared.partial(plan(run, texts, site, config.pooling, bos)),
        progress=prepared.progress,
    )


def finish_train(prepared: Prepared[ShiftTrainConfig], classifier: Classifier) -> None:
    """Write ``classifier/``."""
    training, texts = training_of(prepared.config), len(prepared.run.sets.train_ambiguous)
    prepared.write(
        lambda draft: {**write_classifier(draft, classifier), "training": training, "texts": texts}
    )


def training_of(config: ShiftTrainConfig) -> dict[str, Any]:
    """The arguments of ``train_classifier`` that say how a probe is fitted."""
    return {
        "fit": config.fit,
        "lr": config.learning_rate,
        "epochs": config.epochs,
        "batch_size": config.batch,
        "seed": config.seed,
    }
