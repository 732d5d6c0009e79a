"""How many runs a pruning may need, before any of them."""

from __future__ import annotations

from math import ceil, log, log2

from circuitscope.config import PruneConfig
from circuitscope.evaluation import LEVELS
from circuitscope.pruning.greedy import BLOCK, ROUNDS, SHARE_TRIED, SMALLEST_BLOCK, TRIED
from circuitscope.pruning.learned import LOOKED_AT
from circuitscope.pruning.search import FLOW, GREEDY, MASKS, METHODS, MORE
from circuitscope.pruning.thresholding import GROWTH


def pruning_runs(config: PruneConfig, candidates: int, nodes: int) -> dict[str, int]:
    """Runs of each way to choose, at most, by what they are.

    Args:
        candidates: how many nodes there are to choose from.
        nodes: how many nodes thresholding may need, such as the circuit's own.
    """
    levels = len({*LEVELS, config.faithfulness}) if config.compare else 1
    bisections = ceil(log2(max(2, candidates)))
    found = {"thresholding": ceil(log(max(2, candidates)) / log(GROWTH)) + levels * bisections}
    if config.by == FLOW:
        return found
    pool = min(candidates, config.candidates or MORE * nodes)
    rounds = levels * ROUNDS * (max(TRIED, ceil(SHARE_TRIED * pool)) + 2 + bisections)
    if GREEDY in METHODS[config.by]:
        blocks = ceil(log(max(2, pool * BLOCK / SMALLEST_BLOCK)) / -log(1 - BLOCK)) + bisections
        found["greedy"] = levels * (1 + 2 * blocks) + rounds
    if MASKS in METHODS[config.by]:
        found["masks"] = 2 * config.steps + levels * LOOKED_AT * (1 + bisections) + rounds
    return found
