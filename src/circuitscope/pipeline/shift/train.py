"""train: a classifier on the ambiguous texts, the first step of a run."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from circuitscope.config import ShiftTrainConfig
from circuitscope.editing import train_classifier, try_trainings, write_classifier
from circuitscope.model import decide_bos, shape_of
from circuitscope.pipeline.begun import refuse_foreign
from circuitscope.pipeline.shift.prepared import Prepared
from circuitscope.pipeline.shift.run import ShiftRun, about, begin, load_run, plan, portable
from circuitscope.results import ProbeTraining, from_plain, to_plain
from circuitscope.runs import CLASSIFIER, made_from, read_manifest, refuse_existing
from circuitscope.tasks.labelled import Classifier, pooled_activations
from circuitscope.terms import Site
from circuitscope.work import Progress, silent

log = logging.getLogger("circuitscope")


@dataclass(frozen=True)
class Trained:
    """A classifier, and how its site and batch size were settled."""

    classifier: Classifier
    how: ProbeTraining


def run_shift_train(
    folder: Path, config: ShiftTrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Classifier:
    """Train the classifier of a run; writes ``manifest.json`` and ``classifier/`` into it."""
    prepared = prepare_train(folder, config, overwrite=overwrite, progress=progress)
    trained = train_step(prepared)
    finish_train(prepared, trained)
    return trained.classifier


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
    """Where a new run's classifier reads unless that is chosen, and whether its texts begin with a BOS."""
    site = config.site or f"resid_{max(0, run.model.n_layers - 2)}"
    return site, decide_bos(config.bos, run.dictionaries.prepend_bos, run.model.tokenizer)


def train_step(prepared: Prepared[ShiftTrainConfig]) -> Trained:
    """Train the probe on the ambiguous texts; with ``validate``, choose first what it reads."""
    run, config = prepared.run, prepared.config
    site, bos = site_and_bos(run, config)
    texts = run.sets.train_ambiguous
    (first, _, _, last), half = run.sets.groups, len(texts) // 2
    log.info("%d ambiguous training texts: %d %s, %d %s", len(texts), half, first, half, last)
    how = ProbeTraining(site, config.batch)
    if config.validate:
        how = _chosen(prepared, bos)
    classifier = train_classifier(
        run.model,
        texts,
        site=how.site,
        pooling=config.pooling,
        bos=bos,
        **{**training_of(config), "batch_size": how.batch},
        partial=prepared.partial(plan(run, texts, how.site, config.pooling, bos)),
        progress=prepared.progress,
    )
    return Trained(classifier, how)


def _chosen(prepared: Prepared[ShiftTrainConfig], bos: bool) -> ProbeTraining:
    """What has the lowest loss on ambiguous texts held out, of the residual sites that have a dictionary."""
    run, config = prepared.run, prepared.config
    texts = run.sets.train_ambiguous
    sites = [site for site in run.dictionaries if site.kind == "resid"]
    pooled = {}
    for number, site in enumerate(sites):
        pooled[site] = pooled_activations(run.model, texts, site=site, pooling=config.pooling, bos=bos)
        prepared.progress(number + 1, len(sites), "sites tried")
    labels = torch.tensor([text.label for text in texts], device=run.model.device)
    settings = training_of(config)
    del settings["batch_size"]
    tried = try_trainings(pooled, labels, **settings)
    best = tried[0]
    log.info(
        "%s and batches of %d have the lowest loss, %.4f nats, on %d ambiguous texts held out",
        best.site,
        best.batch,
        best.loss,
        best.texts,
    )
    return ProbeTraining(best.site, best.batch, tried)


def finish_train(prepared: Prepared[ShiftTrainConfig], trained: Trained) -> None:
    """Write ``classifier/``."""
    training = {**training_of(prepared.config), "batch_size": trained.how.batch}
    said = {
        "training": training,
        "texts": len(prepared.run.sets.train_ambiguous),
        "settled": to_plain(trained.how),
    }
    prepared.write(lambda draft: {**write_classifier(draft, trained.classifier), **said})


def training_of(config: ShiftTrainConfig) -> dict[str, Any]:
    """The arguments of ``train_classifier`` that say how a probe is fitted."""
    return {
        "fit": config.fit,
        "lr": config.learning_rate,
        "epochs": config.epochs,
        "batch_size": config.batch,
        "seed": config.seed,
    }


def settled_in(folder: Path) -> ProbeTraining:
    """What the classifier of a run reads, and how that was settled; of older runs, what is known."""
    said = read_manifest(CLASSIFIER.in_(folder), CLASSIFIER.kind)
    if "settled" in said:
        return from_plain(ProbeTraining, said["settled"])
    return ProbeTraining(str(said["site"]), int(said["training"]["batch_size"]))
