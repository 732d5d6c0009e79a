"""evaluate: what the classifier gets right, as it is, with features removed, and trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from circuitscope.config import ShiftEvaluateConfig
from circuitscope.editing import (
    Classifier,
    made_from,
    need,
    pooled_activations,
    read_classifier,
    read_removal,
    score,
)
from circuitscope.interventions import EditsOf
from circuitscope.pipeline.shift.run import ShiftRun, open_shift, plan
from circuitscope.runs import MANIFEST, new_folder, refuse_existing, write_json, write_manifest
from circuitscope.tasks.labelled import LabelledText
from circuitscope.work import Partial, Progress, labelled, silent

STEP = "scores"
FILE = "scores.json"
SETS = {"balanced": "test_balanced", "ambiguous": "test_ambiguous"}
"""What is scored: held-out texts in which label and attribute come apart, and such as those of the training."""


def run_shift_evaluate(
    folder: Path, config: ShiftEvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Score every version of the classifier that the run has; writes ``scores/`` into it.

    Returns:
        Plain values: the names of the groups, and a row per version and set of texts.
    """
    refuse_existing(folder / STEP, overwrite=overwrite, kind=STEP)
    there = [step for step in ("removed", "retrained") if (folder / step / MANIFEST).is_file()]
    need(folder, "classifier", *there)
    run = open_shift(folder, device=config.device, progress=progress)
    origins = made_from(folder, "classifier", *there)
    partial = Partial.beside(folder / STEP, plan(run, _all_texts(run), origins))
    rows: list[dict[str, Any]] = []
    for name in SETS:
        rows += _rows(run, name, there, config.seed, partial, progress)
    result = {
        "task": run.task.name,
        "groups": list(run.sets.groups),
        "removed": len(read_removal(folder / "removed")) if "removed" in there else None,
        "rows": rows,
    }
    with new_folder(folder / STEP, overwrite=overwrite) as draft:
        write_json(draft / FILE, result)
        write_manifest(draft, STEP, {"config": asdict(config), "made_from": origins})
    Partial.discard(folder / STEP)
    return result


def _all_texts(run: ShiftRun) -> list[LabelledText]:
    return [text for name in SETS.values() for text in getattr(run.sets, name)]


def _rows(
    run: ShiftRun, name: str, there: Sequence[str], seed: int, partial: Partial, progress: Progress
) -> list[dict[str, Any]]:
    """The rows of one set of texts; what versions share, the pooled activations, is computed once."""
    texts: Sequence[LabelledText] = getattr(run.sets, SETS[name])
    first = run.classifier()

    def pooled(edits: EditsOf | None, how: str) -> Tensor:
        return pooled_activations(
            run.model,
            texts,
            site=first.site,
            pooling=first.pooling,
            bos=first.bos,
            edits=edits,
            partial=partial,
            name=f"{name}-{how}",
            progress=labelled(progress, f"{name} texts, {how}"),
        )

    found = [("original", first, pooled(None, "as they are"))]
    if "removed" in there:
        removal = read_removal(run.folder / "removed")
        edited = pooled(removal.edits_of(run.model, run.dictionaries), "features removed")
        found.append(("SHIFT", first, edited))
        if "retrained" in there:
            again = read_classifier(run.folder / "retrained", run.model)
            found.append(("SHIFT + retrain", again, edited))
    return [_row(version, name, classifier, x, texts, seed) for version, classifier, x in found]


def _row(
    version: str, name: str, classifier: Classifier, x: Tensor, texts: Sequence[LabelledText], seed: int
) -> dict[str, Any]:
    predictions = (classifier.probe.logits(x) > 0).long()
    scores: Mapping[str, Any] = asdict(score(predictions, texts, seed=seed))
    return {"classifier": version, "texts": name, **scores}
