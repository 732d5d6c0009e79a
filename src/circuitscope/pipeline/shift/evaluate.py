"""evaluate: what the classifier gets right, as it is, with features removed, and trained again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from circuitscope.config import ShiftEvaluateConfig
from circuitscope.editing import read_classifier, read_removal, score
from circuitscope.model import EditsOf
from circuitscope.pipeline.shift.prepared import Prepared, prepare
from circuitscope.pipeline.shift.run import ShiftRun, plan
from circuitscope.results import ScoresRow, ShiftScores, write_result
from circuitscope.runs import CLASSIFIER, REMOVED, RETRAINED, SCORES, Stage, is_there
from circuitscope.tasks.labelled import Classifier, LabelledText, pooled_activations
from circuitscope.work import Partial, Prefixed, Progress, labelled, shown, silent

SETS = {"balanced": "test_balanced", "ambiguous": "test_ambiguous"}
"""What is scored: held-out texts in which label and attribute come apart, and texts like those of the training."""


def run_shift_evaluate(
    folder: Path, config: ShiftEvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> ShiftScores:
    """Score every version of the classifier that the run has; writes ``scores/`` into it."""
    prepared = prepare_evaluate(folder, config, overwrite=overwrite, progress=progress)
    result = evaluate_step(prepared)
    finish_evaluate(prepared, result)
    return result


def prepare_evaluate(
    folder: Path, config: ShiftEvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Prepared[ShiftEvaluateConfig]:
    """Check that what the run has belongs together, and load what the classifier works on."""
    needed = (CLASSIFIER, *(stage for stage in (REMOVED, RETRAINED) if is_there(folder, stage)))
    return prepare(folder, SCORES, config, needed, config.device, overwrite=overwrite, progress=progress)


def evaluate_step(prepared: Prepared[ShiftEvaluateConfig]) -> ShiftScores:
    """Score the versions that were there when the stage was prepared."""
    run, origins = prepared.run, prepared.origins
    there = [stage for stage in (REMOVED, RETRAINED) if stage.name in origins]
    partial = prepared.partial(plan(run, _all_texts(run), dict(origins)))
    rows: list[ScoresRow] = []
    for name in SETS:
        rows += _rows(run, name, there, prepared.config.seed, partial, prepared.progress)
    return ShiftScores(
        task=run.task.name,
        groups=tuple(run.sets.groups),
        removed=len(read_removal(REMOVED.in_(run.folder))) if REMOVED in there else None,
        rows=tuple(rows),
    )


def finish_evaluate(prepared: Prepared[ShiftEvaluateConfig], result: ShiftScores) -> None:
    """Write ``scores/``."""
    prepared.write(lambda draft: write_result(draft / SCORES.file, result))


def _all_texts(run: ShiftRun) -> list[LabelledText]:
    return [text for name in SETS.values() for text in getattr(run.sets, name)]


def _rows(
    run: ShiftRun, name: str, there: Sequence[Stage], seed: int, partial: Partial, progress: Progress
) -> list[ScoresRow]:
    """The rows of one set of texts; what versions share, the pooled activations, is computed once."""
    texts: Sequence[LabelledText] = getattr(run.sets, SETS[name])
    first = run.classifier()

    def pooled(edits: EditsOf | None, how: str) -> Tensor:
        with shown(labelled(progress, f"{name} texts, {how}")):  # which the pooling joins
            return pooled_activations(
                run.model,
                texts,
                site=first.site,
                pooling=first.pooling,
                bos=first.bos,
                edits=edits,
                partial=Prefixed(partial, f"{name}-{how}"),
            )

    found = [("original", first, pooled(None, "as they are"))]
    if REMOVED in there:
        removal = read_removal(REMOVED.in_(run.folder))
        edited = pooled(removal.edits_of(run.model, run.dictionaries), "features removed")
        found.append(("SHIFT", first, edited))
        if RETRAINED in there:
            again = read_classifier(RETRAINED.in_(run.folder), run.model)
            found.append(("SHIFT + retrain", again, edited))
    return [_row(version, name, classifier, x, texts, seed) for version, classifier, x in found]


def _row(
    version: str, name: str, classifier: Classifier, x: Tensor, texts: Sequence[LabelledText], seed: int
) -> ScoresRow:
    predictions = (classifier.probe.logits(x) > 0).long()
    return ScoresRow(version, name, score(predictions, texts, seed=seed))
