"""--dry-run of the steps of a SHIFT."""

from circuitscope.pipeline.dry_run.shift.steps import (
    dry_run_apply,
    dry_run_compare,
    dry_run_effects,
    dry_run_evaluate,
    dry_run_judge,
    dry_run_retrain,
    dry_run_scores,
    dry_run_shift_demo,
    dry_run_train,
)

__all__ = [
    "dry_run_apply",
    "dry_run_compare",
    "dry_run_effects",
    "dry_run_evaluate",
    "dry_run_judge",
    "dry_run_retrain",
    "dry_run_scores",
    "dry_run_shift_demo",
    "dry_run_train",
]
