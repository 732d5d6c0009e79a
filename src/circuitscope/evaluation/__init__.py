"""Is a circuit faithful? Ablated runs, faithfulness and completeness, sweeps."""

from circuitscope.evaluation.ablated_runs import AblatedRuns, Start, ablated_runs_for
from circuitscope.evaluation.baseline import SiteBaseline
from circuitscope.evaluation.circuit_checks import refuse_ablation, refuse_unranked
from circuitscope.evaluation.counts import RunCount, evaluation_runs, sweep_runs
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
    "RunCount",
    "SiteBaseline",
    "Start",
    "ablated_runs_for",
    "coverage_of",
    "evaluate",
    "evaluate_circuit",
    "evaluation_runs",
    "free_layers_of",
    "interval",
    "refuse_ablation",
    "refuse_unranked",
    "sweep",
    "sweep_circuit",
    "sweep_runs",
]
