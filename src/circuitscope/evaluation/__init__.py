"""Is a circuit true? Ablated runs, faithfulness and completeness, sweeps."""

from circuitscope.evaluation.ablated_runs import AblatedRuns
from circuitscope.evaluation.baseline import SiteBaseline
from circuitscope.evaluation.evaluate import ablated_runs_for, check_free_layers, evaluate
from circuitscope.evaluation.faithfulness_scale import FaithfulnessScale, Rows
from circuitscope.evaluation.scores import COVERAGE, RESAMPLES, interval
from circuitscope.evaluation.sweep import LEVELS, sweep

__all__ = [
    "COVERAGE",
    "LEVELS",
    "RESAMPLES",
    "AblatedRuns",
    "FaithfulnessScale",
    "Rows",
    "SiteBaseline",
    "ablated_runs_for",
    "check_free_layers",
    "evaluate",
    "interval",
    "sweep",
]
