"""Is a circuit faithful? Ablated runs, faithfulness and completeness, sweeps."""

from circuitscope.evaluation.ablated_runs import AblatedRuns, Start, ablated_runs_for
from circuitscope.evaluation.baseline import SiteBaseline
from circuitscope.evaluation.evaluate import evaluate, evaluate_circuit
from circuitscope.evaluation.faithfulness_scale import FaithfulnessScale, RowNumbers
from circuitscope.evaluation.free_layers import free_layers_of
from circuitscope.evaluation.scores import RESAMPLES, coverage_of, interval
from circuitscope.evaluation.sweep import LEVELS, sweep, sweep_circuit

__all__ = [
    "LEVELS",
    "RESAMPLES",
    "AblatedRuns",
    "FaithfulnessScale",
    "RowNumbers",
    "SiteBaseline",
    "Start",
    "ablated_runs_for",
    "coverage_of",
    "evaluate",
    "evaluate_circuit",
    "free_layers_of",
    "interval",
    "sweep",
    "sweep_circuit",
]
