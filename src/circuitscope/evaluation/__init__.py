"""Is a circuit true? Ablated runs, faithfulness and completeness, sweeps over sizes."""

from circuitscope.evaluation.evaluate import evaluate
from circuitscope.evaluation.sweep import sweep

__all__ = ["evaluate", "sweep"]
