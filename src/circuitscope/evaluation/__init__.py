"""Is a circuit true? Ablated runs, faithfulness, completeness, sweeps; nodes held in runs of one's own."""

from circuitscope.evaluation.ablate import ablate
from circuitscope.evaluation.evaluate import evaluate
from circuitscope.evaluation.sweep import sweep

__all__ = ["ablate", "evaluate", "sweep"]
