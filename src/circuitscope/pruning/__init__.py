"""The smallest circuit found that keeps a given faithfulness, compared with thresholding."""

from circuitscope.pruning.counts import pruning_runs
from circuitscope.pruning.masked import MaskedRuns
from circuitscope.pruning.prune import Pruned, prune, prune_circuit

__all__ = ["MaskedRuns", "Pruned", "prune", "prune_circuit", "pruning_runs"]
