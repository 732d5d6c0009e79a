"""What was measured as JSON files in a run folder, there and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from circuitscope.results.evaluation import Evaluation
from circuitscope.results.plain import read_plain, to_plain
from circuitscope.results.pruning import PruneResult
from circuitscope.results.shift_results import ShiftComparison, ShiftScores
from circuitscope.results.sweep import Sweep
from circuitscope.runs import COMPARISON, EVALUATION, PRUNE, SCORES, SWEEP, write_json

RESULTS_SCHEMA = 2
"""The schema version of these files; those of version 1 do not say it."""
_UNNUMBERED = 1


def write_result(path: Path, value: Any) -> None:
    """Write a result as JSON, whole or not at all."""
    write_json(path, {"schema_version": RESULTS_SCHEMA, **to_plain(value)})


def read_evaluation(place: str | Path) -> Evaluation:
    """The scores in a folder (``RUN/evaluation``) or in a file; needs neither torch nor the model.

    Raises:
        BadFile: they are missing, damaged, or follow a newer schema.
    """
    return read_plain(
        Evaluation,
        place,
        file=EVALUATION.file,
        newest=RESULTS_SCHEMA,
        what="an evaluation",
        again="evaluate the circuit again",
        unnumbered=_UNNUMBERED,
    )


def read_sweep(place: str | Path) -> Sweep:
    """The same for ``RUN/sweep``."""
    return read_plain(
        Sweep,
        place,
        file=SWEEP.file,
        newest=RESULTS_SCHEMA,
        what="a sweep",
        again="run the sweep again",
        unnumbered=_UNNUMBERED,
    )


def read_prune(place: str | Path) -> PruneResult:
    """The same for ``RUN/prune``."""
    return read_plain(
        PruneResult,
        place,
        file=PRUNE.file,
        newest=RESULTS_SCHEMA,
        what="the comparison of a pruning",
        again="prune the circuit again",
        unnumbered=_UNNUMBERED,
    )


def read_shift_scores(place: str | Path) -> ShiftScores:
    """The same for ``RUN/scores`` of a SHIFT."""
    return read_plain(
        ShiftScores,
        place,
        file=SCORES.file,
        newest=RESULTS_SCHEMA,
        what="scores of a classifier",
        again="score the classifier again",
        unnumbered=_UNNUMBERED,
    )


def read_shift_comparison(place: str | Path) -> ShiftComparison:
    """The same for ``RUN/comparison`` of a SHIFT."""
    return read_plain(
        ShiftComparison,
        place,
        file=COMPARISON.file,
        newest=RESULTS_SCHEMA,
        what="a comparison of classifiers",
        again="compare again",
        unnumbered=_UNNUMBERED,
    )


__all__ = [
    "RESULTS_SCHEMA",
    "read_evaluation",
    "read_prune",
    "read_shift_comparison",
    "read_shift_scores",
    "read_sweep",
    "write_result",
]
