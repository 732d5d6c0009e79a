"""The smallest circuit found that keeps a given faithfulness, against thresholding."""

from circuitscope.pruning.prune import Pruned, prune

__all__ = ["Pruned", "prune"]
