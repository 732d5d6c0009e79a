"""--dry-run: what each verb would take, counted and tried on a little. Nothing is written."""

from circuitscope.pipeline.dry_run.ablation import dry_run_evaluate, dry_run_prune, dry_run_sweep
from circuitscope.pipeline.dry_run.behaviours import dry_run_cluster, dry_run_contexts, dry_run_vectors
from circuitscope.pipeline.dry_run.check import dry_run_check
from circuitscope.pipeline.dry_run.demo import dry_run_demo
from circuitscope.pipeline.dry_run.discovery import dry_run_discover
from circuitscope.pipeline.dry_run.reading import dry_run_group, dry_run_report
from circuitscope.pipeline.dry_run.training import dry_run_training

__all__ = [
    "dry_run_check",
    "dry_run_cluster",
    "dry_run_contexts",
    "dry_run_demo",
    "dry_run_discover",
    "dry_run_evaluate",
    "dry_run_group",
    "dry_run_prune",
    "dry_run_report",
    "dry_run_sweep",
    "dry_run_training",
    "dry_run_vectors",
]
