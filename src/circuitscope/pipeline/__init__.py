"""The only place that chains stages: from a config to a folder on disk, one stage per file."""

from circuitscope.pipeline.check import run_check
from circuitscope.pipeline.demo import Shown, run_demo
from circuitscope.pipeline.discover import missing_downloads, run_discover
from circuitscope.pipeline.evaluate import run_evaluate, run_sweep
from circuitscope.pipeline.group import run_group
from circuitscope.pipeline.open_run import open_run
from circuitscope.pipeline.prune import run_prune
from circuitscope.pipeline.report import default_text, report, run_report
from circuitscope.pipeline.training import run_training

__all__ = [
    "Shown",
    "default_text",
    "missing_downloads",
    "open_run",
    "report",
    "run_check",
    "run_demo",
    "run_discover",
    "run_evaluate",
    "run_group",
    "run_prune",
    "run_report",
    "run_sweep",
    "run_training",
]
