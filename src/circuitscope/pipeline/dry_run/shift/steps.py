"""What the steps of a SHIFT would take: their passes over the texts counted, and a few texts timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from circuitscope.config import (
    EffectsConfig,
    ShiftApplyConfig,
    ShiftCompareConfig,
    ShiftDemoConfig,
    ShiftDictionariesConfig,
    ShiftEffectsConfig,
    ShiftEvaluateConfig,
    ShiftJudgeConfig,
    ShiftRetrainConfig,
    ShiftTrainConfig,
)
from circuitscope.dashboards import Reading, known_contexts
from circuitscope.discovery import Work
from circuitscope.editing import classifier_circuit, train_classifier
from circuitscope.editing.comparison import comparison_count
from circuitscope.pipeline.dry_run.measure import PEAK, peak_memory, quiet, timed
from circuitscope.pipeline.report import default_text
from circuitscope.pipeline.shift.apply import prepare_apply
from circuitscope.pipeline.shift.compare import prepare_compare
from circuitscope.pipeline.shift.demo import settings_of_demo
from circuitscope.pipeline.shift.dictionaries import prepare_scores
from circuitscope.pipeline.shift.effects import prepare_effects
from circuitscope.pipeline.shift.evaluate import prepare_evaluate
from circuitscope.pipeline.shift.judge import refuse_sheet
from circuitscope.pipeline.shift.retrain import prepare_retrain
from circuitscope.pipeline.shift.run import ShiftRun, open_shift
from circuitscope.pipeline.shift.train import open_training, site_and_bos
from circuitscope.results import DryRun, WorkPart, effects_of, load
from circuitscope.runs import CLASSIFIER, CLASSIFIER_CIRCUIT, COMPARISON, REMOVED, RETRAINED, SCORES, is_there
from circuitscope.tasks.labelled import Classifier, LabelledText, pooled_activations
from circuitscope.terms import Site
from circuitscope.work import Progress, silent, step

FEW_TEXTS, FEW_EXAMPLES = 64, 8
NO_MODEL = "no model is needed, so it takes a moment"


@dataclass(frozen=True)
class TrialPass:
    """A pass of a few texts through the model, up to the site that the probe reads."""

    seconds: float
    """For each text."""
    measured: str

    def part(self, what: str, texts: int, *, at_most: bool = False) -> WorkPart:
        return WorkPart(what, texts, "texts through the model", texts * self.seconds, at_most)


def try_pass(run: ShiftRun, site: Site, pooling: str, bos: bool) -> TrialPass:
    """Read the first texts as the classifier does."""
    few = run.sets.train_ambiguous[:FEW_TEXTS]
    _, seconds = timed(lambda: pooled_activations(run.model, few, site=site, pooling=pooling, bos=bos))
    return TrialPass(seconds / len(few), f"a pass of {len(few)} texts took {seconds:.2g} s")


def _of_classifier(run: ShiftRun) -> TrialPass:
    classifier = run.classifier()
    return try_pass(run, classifier.site, classifier.pooling, classifier.bos)


def _found(run: ShiftRun, parts: Sequence[WorkPart], measured: str, *writes: Path) -> DryRun:
    return DryRun(
        parts=tuple(parts),
        measured=measured,
        memory=peak_memory(run.model),
        memory_is=PEAK,
        writes=tuple(map(str, writes)),
        about={"texts": ", ".join(f"{count} {name}" for name, count in run.sets.sizes.items())},
    )


def dry_run_train(
    folder: Path, config: ShiftTrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_shift_train`` would take; writes nothing."""
    run = open_training(folder, config, overwrite=overwrite, progress=progress)
    site, bos = site_and_bos(run, config)
    with step(progress, "a trial"):
        trial = try_pass(run, Site.parse(site), config.pooling, bos)
    texts = len(run.sets.train_ambiguous)
    parts = [trial.part("training texts", texts)]
    if config.validate:
        tried = [one for one in run.dictionaries if one.kind == "resid"]
        parts.append(trial.part(f"{len(tried)} sites to choose from", texts * len(tried)))
    return _found(run, parts, trial.measured, CLASSIFIER.in_(folder))


def _circuits(
    run: ShiftRun, classifier: Classifier, settings: EffectsConfig, circuits: int
) -> tuple[WorkPart, str]:
    """Circuits of a classifier, from one on few texts."""
    asked: dict[str, Any] = {item.name: getattr(settings, item.name) for item in fields(EffectsConfig)}
    count = min(FEW_EXAMPLES, settings.examples)
    asked |= {"examples": count}
    task = run.task
    _, seconds = timed(
        lambda: classifier_circuit(classifier, run.dictionaries, task, **asked, work=Work(trial=True))
    )
    examples = circuits * min(settings.examples, len(run.sets.train_ambiguous))
    what = "effects" if circuits == 1 else f"{circuits} circuits"
    part = WorkPart(what, examples, "texts with effects", examples * seconds / count)
    return part, f"effects on {count} texts took {seconds:.2g} s"


def dry_run_effects(
    folder: Path, config: ShiftEffectsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_shift_effects`` would take; writes nothing."""
    prepared = prepare_effects(folder, config, overwrite=overwrite, progress=progress)
    run = prepared.run
    with step(progress, "a trial"):
        part, measured = _circuits(run, run.classifier(), config, 1)
    return _found(run, [part], measured, prepared.folder)


def dry_run_judge(
    folder: Path,
    sheet: Path | None,
    config: ShiftJudgeConfig,
    *,
    go_on: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> DryRun:
    """What ``run_shift_judge`` would take; writes nothing, and asks no endpoint."""
    path, _, text = refuse_sheet(folder, config, sheet=sheet, go_on=go_on, overwrite=overwrite)
    if path.exists() and not overwrite:
        return DryRun((), NO_MODEL, 0, "no model is loaded", (str(path),))
    run = open_shift(folder, device=config.device, progress=progress)
    circuit, classifier = load(CLASSIFIER_CIRCUIT.in_(folder)), run.classifier()
    features = list(effects_of(circuit))
    texts = [item.text for item in run.sets.train_ambiguous[: config.texts]]
    general = text or default_text(str(run.config["model"])) or ""
    few = texts[:FEW_TEXTS]
    reading = Reading(config.contexts, bos="yes" if classifier.bos else "no")
    with step(progress, "a trial"):
        _, seconds = timed(
            lambda: known_contexts(
                classifier.as_model(), run.dictionaries, features, few, reading, cache=None
            )
        )
    letters, tried = sum(map(len, texts)) + len(general), max(1, sum(map(len, few)))
    parts = [WorkPart("contexts", letters, "characters of text", seconds * letters / tried, at_most=True)]
    found = _found(run, parts, f"reading {tried:,} characters took {seconds:.2g} s", path)
    if config.judge != "endpoint":
        return found
    asked = f"{len(features)} questions to {config.endpoint}, whose time is not known"
    return DryRun(
        found.parts, found.measured, found.memory, found.memory_is, found.writes, found.about, (asked,)
    )


def dry_run_apply(
    folder: Path,
    sheet: Path,
    config: ShiftApplyConfig,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> DryRun:
    """What ``run_shift_apply`` would take; writes nothing."""
    prepare_apply(folder, sheet, overwrite=overwrite)
    writes = (str(REMOVED.in_(folder)),)
    if config.how != "mean":
        return DryRun((), NO_MODEL, 0, "no model is loaded", writes)
    run = open_shift(folder, device=config.device, progress=progress)
    with step(progress, "a trial"):
        trial = _of_classifier(run)
    part = trial.part("means of features", len(run.sets.train_ambiguous))
    return _found(run, [part], trial.measured, REMOVED.in_(folder))


def dry_run_retrain(
    folder: Path, config: ShiftRetrainConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_shift_retrain`` would take; writes nothing."""
    prepared = prepare_retrain(folder, config, overwrite=overwrite, progress=progress)
    with step(progress, "a trial"):
        trial = _of_classifier(prepared.run)
    part = trial.part("training texts", len(prepared.run.sets.train_ambiguous))
    return _found(prepared.run, [part], trial.measured, RETRAINED.in_(folder))


def dry_run_evaluate(
    folder: Path, config: ShiftEvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_shift_evaluate`` would take; writes nothing."""
    prepared = prepare_evaluate(folder, config, overwrite=overwrite, progress=progress)
    run = prepared.run
    with step(progress, "a trial"):
        trial = _of_classifier(run)
    versions = 1 + is_there(folder, REMOVED)
    held_out = len(run.sets.test_balanced) + len(run.sets.test_ambiguous)
    part = trial.part("held-out texts", versions * held_out)
    return _found(run, [part], trial.measured, SCORES.in_(folder))


def dry_run_compare(
    folder: Path, config: ShiftCompareConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_shift_compare`` would take; writes nothing."""
    prepared = prepare_compare(folder, config, overwrite=overwrite, progress=progress)
    run = prepared.run
    made = load(CLASSIFIER_CIRCUIT.in_(folder)).made_by.settings
    with step(progress, "a trial"):
        trial = _of_classifier(run)
        parts, measured = _of_comparison(run, run.classifier(), trial, config, made)
    return _found(run, parts, measured, COMPARISON.in_(folder))


def _of_comparison(
    run: ShiftRun, classifier: Classifier, trial: TrialPass, config: ShiftCompareConfig, made: EffectsConfig
) -> tuple[list[WorkPart], str]:
    count = comparison_count(seeds=config.seeds, draws=config.draws, cue_words=True)
    passes = {name: getattr(count, name) for name in ("test_balanced", "train_ambiguous", "train_balanced")}
    texts: dict[str, Sequence[LabelledText]] = {name: getattr(run.sets, name) for name in passes}
    parts = [
        trial.part(f"{times} passes: {name}", times * len(texts[name]), at_most=True)
        for name, times in passes.items()
    ]
    circuits, measured = _circuits(run, classifier, made, count.circuits)
    return [*parts, circuits], f"{trial.measured}, {measured}"


def dry_run_shift_demo(
    config: ShiftDemoConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_shift_demo`` would take from its beginning; writes nothing."""
    folder = Path(config.out).expanduser()
    train, effects = settings_of_demo(config)
    run = open_training(folder / "new", train, overwrite=overwrite, progress=progress)
    site, bos = site_and_bos(run, train)
    few = run.sets.train_ambiguous[:FEW_TEXTS]
    with step(progress, "a trial"):
        trial = try_pass(run, Site.parse(site), train.pooling, bos)
        with quiet():
            probe = train_classifier(
                run.model, few, site=site, pooling=train.pooling, bos=bos, progress=False
            )
        compare = ShiftCompareConfig(seeds=config.seeds)
        parts, measured = _of_comparison(run, probe, trial, compare, effects)
        own, _ = _circuits(run, probe, effects, 1)
    training = trial.part("training, and training again", 2 * len(run.sets.train_ambiguous))
    held_out = 2 * (len(run.sets.test_balanced) + len(run.sets.test_ambiguous))
    return _found(run, [training, own, trial.part("scores", held_out), *parts], measured, folder)


def dry_run_scores(
    config: ShiftDictionariesConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_score_dictionaries`` would take; writes nothing."""
    prepared = prepare_scores(config, overwrite=overwrite, progress=progress)
    sets, site = prepared.sets, prepared.sites[-1]
    few = sets.train_ambiguous[:FEW_TEXTS]
    with step(progress, "a trial"):
        _, seconds = timed(lambda: pooled_activations(prepared.model, few, site=site, bos=prepared.bos))
    # pooled once each; then features of each concept on the balanced texts
    texts = len(sets.train_ambiguous) + 3 * len(sets.train_balanced) + 3 * len(sets.test_balanced)
    count = texts * len(prepared.sites)
    part = WorkPart("both scores", count, "texts through the model", count * seconds / len(few), at_most=True)
    return DryRun(
        parts=(part,),
        measured=f"a pass of {len(few)} texts up to {site} took {seconds:.2g} s",
        memory=peak_memory(prepared.model),
        memory_is=PEAK,
        writes=(config.json,) if config.json else (),
        about={"sites": str(len(prepared.sites))},
    )
