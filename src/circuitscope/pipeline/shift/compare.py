"""compare: SHIFT beside baselines, skylines and simpler ways to choose, on a run's classifier and over seeds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from circuitscope.bundled import BUNDLED
from circuitscope.config import ShiftCompareConfig
from circuitscope.editing import read_removal
from circuitscope.editing.comparison import (
    AutomaticJudge,
    ComparisonSetup,
    Feature,
    SeedFigures,
    Verdicts,
    compare,
    concepts_of,
    cue_words_of,
    figures_of,
    joined,
)
from circuitscope.editing.judging import WordLists, judge_by_words, read_sheet, read_words, sheet_for
from circuitscope.errors import argument
from circuitscope.pages.pictures import curves_to_draw, plot_removal
from circuitscope.pipeline.shift.apply import SHEET_COPY
from circuitscope.pipeline.shift.prepared import Prepared, prepare
from circuitscope.pipeline.shift.retrain import training_in
from circuitscope.pipeline.shift.run import ShiftRun, open_shift, plan
from circuitscope.pipeline.shift.train import settled_in
from circuitscope.results import Circuit, JudgedFeature, ShiftComparison, load, write_result
from circuitscope.runs import (
    CLASSIFIER,
    CLASSIFIER_CIRCUIT,
    COMPARISON,
    REMOVED,
    made_from,
    need_shift,
    refuse_existing,
)
from circuitscope.tasks.language import PROFESSIONS
from circuitscope.work import (
    InProcess,
    Partial,
    Progress,
    Setup,
    Unit,
    engine_for,
    refuse_failures,
    shown,
    silent,
)

PICTURE = "curves.png"
log = logging.getLogger("circuitscope")

_JUDGED_TEXTS = 2000
_OF_CIRCUITS = ("examples", "node_threshold", "method", "rule", "points", "batch_size", "memory")


def run_shift_compare(
    folder: Path, config: ShiftCompareConfig, *, overwrite: bool = False, progress: Progress = silent
) -> ShiftComparison:
    """Compare a run that has been applied; writes ``comparison/`` into it, and returns its figures.

    A stopped comparison continues with the first row that is missing.
    """
    prepared = prepare_compare(folder, config, overwrite=overwrite, progress=progress)
    result = compare_step(prepared)
    finish_compare(prepared, result)
    return result


def prepare_compare(
    folder: Path, config: ShiftCompareConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Prepared[ShiftCompareConfig]:
    """Check that the run was applied, and load what the classifiers work on."""
    needed = (CLASSIFIER, CLASSIFIER_CIRCUIT, REMOVED)
    refuse_existing(COMPARISON.in_(folder), overwrite=overwrite, kind=COMPARISON.kind)
    need_shift(folder, *needed)
    for words in filter(None, (config.cue_words, config.task_words)):
        read_words(words)
    if config.verdicts:
        _verdicts(folder, load(CLASSIFIER_CIRCUIT.in_(folder)), config.verdicts)
    return prepare(folder, COMPARISON, config, needed, config.device, overwrite=overwrite, progress=progress)


def compare_step(prepared: Prepared[ShiftCompareConfig]) -> ShiftComparison:
    """Make every row; each seed is a unit of work for ``workers`` processes."""
    run, config = prepared.run, prepared.config
    first = int(training_in(run.folder)["seed"])
    seeds = range(first, first + config.seeds)
    setup = _kept_setup(run, config)
    return replace(_compared(prepared, setup, seeds), training=settled_in(run.folder))


def finish_compare(prepared: Prepared[ShiftCompareConfig], result: ShiftComparison) -> None:
    """Write ``comparison/``, with a picture of the curves if there are any."""

    def write(draft: Path) -> None:
        write_result(draft / COMPARISON.file, result)
        if curves_to_draw(result):
            plot_removal(result, draft / PICTURE)

    prepared.write(write)


def _compared(
    prepared: Prepared[ShiftCompareConfig], setup: ComparisonSetup, seeds: Sequence[int]
) -> ShiftComparison:
    """The figures of all seeds."""
    run, config, progress = prepared.run, prepared.config, prepared.progress
    engine = engine_for(config.workers, config.engine, config.address)
    if engine == InProcess():
        return compare(setup, seeds, run.task.name, progress)
    units = [Unit(f"seed {seed}", partial(_one_seed, seed=seed)) for seed in seeds]
    in_a_worker = Setup(_open_setup, (run.folder, config))
    outcomes = list(engine.run(in_a_worker, units, progress=progress, what="seeds"))
    refuse_failures(outcomes, "seeds")
    found = [outcome.value for outcome in outcomes if outcome.value is not None]
    return joined(setup, found, run.task.name)


def _open_setup(folder: Path, config: ShiftCompareConfig) -> ComparisonSetup:
    """The same in another process."""
    return _kept_setup(open_shift(folder, device=config.device, progress=silent), config)


def _one_seed(setup: ComparisonSetup, *, seed: int) -> SeedFigures:
    with shown() as tell:
        return figures_of(setup, seed, tell)


def _kept_setup(run: ShiftRun, config: ShiftCompareConfig) -> ComparisonSetup:
    """What rows are made from; finished rows are kept beside the comparison."""
    setup = _setup(run, run.folder, config)
    words = [
        setup.cue_words,
        setup.concepts,
        sorted((str(site), f, v) for (site, f), v in setup.person.items()),
    ]
    origins = made_from(run.folder, COMPARISON)
    kept = Partial.beside(
        COMPARISON.in_(run.folder),
        plan(run, run.sets.test_balanced, origins, setup.how, setup.draws, *words),
    )
    return replace(setup, kept=kept)


def _setup(run: ShiftRun, folder: Path, config: ShiftCompareConfig) -> ComparisonSetup:
    training = training_in(folder)
    del training["seed"]
    classifier, circuit = run.classifier(), load(CLASSIFIER_CIRCUIT.in_(folder))
    source = str(run.config["data"])
    cues = read_words(config.cue_words) if config.cue_words else cue_words_of(source, run.sets)
    concepts = read_words(config.task_words) if config.task_words else concepts_of(source, run.sets)
    _say_what_is_missing(cues, concepts)
    return ComparisonSetup(
        run.model,
        run.dictionaries,
        run.sets,
        classifier.site,
        classifier.pooling,
        classifier.bos,
        training,
        _circuit_settings(circuit),
        _verdicts(folder, circuit, config.verdicts),
        _judge(run, classifier.bos, cues, _kept_words(source, concepts, config)),
        cues,
        concepts,
        read_removal(REMOVED.in_(folder)).how,
        config.draws,
    )


def _say_what_is_missing(cues: Sequence[str], concepts: Sequence[str]) -> None:
    if not concepts:
        log.warning(
            "no words are known for these classes: no concept bottleneck (%s)", argument("task_words")
        )
    if not cues:
        log.warning(
            "no words are known for this attribute: no automatic judge, no deletion (%s)",
            argument("cue_words"),
        )


def _circuit_settings(circuit: Circuit) -> dict[str, Any]:
    """How the run's circuit was discovered, for the circuits of other seeds."""
    made = circuit.made_by.settings
    found = {name: getattr(made, name) for name in _OF_CIRCUITS if getattr(made, name) is not None}
    return found if "node_threshold" in found else {**found, "nodes": len(circuit)}


def _verdicts(folder: Path, circuit: Circuit, more: str) -> Verdicts:
    """What the run's sheet says, and what another says about features that the run's does not have."""
    own = read_sheet(REMOVED.in_(folder) / SHEET_COPY, circuit)
    others = sheet_for(Path(more).expanduser(), circuit, every=True) if more else []
    return {(item.site, item.feature): item.verdict for item in (*others, *own)}


def _kept_words(source: str, concepts: Sequence[str], config: ShiftCompareConfig) -> tuple[str, ...]:
    """What the automatic judge keeps; in the bundled language words about any profession."""
    if config.task_words or source != BUNDLED:
        return tuple(concepts)
    words = (word for item in PROFESSIONS for word in (item.name, item.field, *item.places, *item.objects))
    return tuple(dict.fromkeys(words))


def _judge(run: ShiftRun, bos: bool, cues: Sequence[str], keep: Sequence[str]) -> AutomaticJudge:
    """Word lists, asked once about each feature."""
    folded = {word.casefold() for word in cues}
    kept = tuple(word for word in keep if word.casefold() not in folded)
    if not cues:
        return lambda features: {}
    # by share: a feature that is active on a few of the words, and nowhere else, counts as one about them
    words = WordLists(tuple(cues), kept, measure="share")
    texts = [text.text for text in run.sets.train_ambiguous[:_JUDGED_TEXTS]]
    known: dict[Feature, str] = {}

    def judge(features: Sequence[Feature]) -> Verdicts:
        new = [JudgedFeature(*feature, 0.0, (), (), ()) for feature in features if feature not in known]
        if new:
            judged = judge_by_words(run.model, run.dictionaries, new, texts, words, bos=bos)
            known.update({(item.site, item.feature): item.verdict for item in judged})
        return {feature: known[feature] for feature in features}

    return judge
