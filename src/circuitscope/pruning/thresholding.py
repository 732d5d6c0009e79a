"""Thresholding: the N strongest nodes by |mean effect|, with N as small as faithfulness allows.

Faithfulness need not grow with every node, so N is looked for from below: sizes that grow by a tenth until one is
faithful enough, then bisection between the last two.
"""

from __future__ import annotations

from math import log

import numpy as np

from circuitscope.evaluation import FaithfulnessScale, RowNumbers
from circuitscope.pruning.trials import Tell, Trials, nobody
from circuitscope.results import Nodes

GROWTH = 1.1


def threshold(trials: Trials, *, start: int = 1, tell: Tell = nobody) -> RowNumbers | None:
    """Rows of the fewest strongest candidates that keep the level; None if no number of them does.

    Args:
        trials: of candidates by decreasing |effect|.
        start: a number of nodes that is too small or just enough, to begin with.
        tell: is told how many of the sizes have been looked at.
    """
    most = len(trials.candidates)
    below, above, done = start - 1, min(start, most), 0
    in_all = int(log(max(most / above, 1)) / log(GROWTH)) + 1
    while not trials.keeps(np.arange(above)):
        if above == most:
            return None
        below, above, done = above, _next(above, most), done + 1
        tell(min(done, in_all), in_all)
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if trials.keeps(np.arange(middle)) else (middle, above)
    return np.arange(above)


def most_faithful(scale: FaithfulnessScale, candidates: Nodes) -> tuple[float, int]:
    """The highest faithfulness of the sizes that ``threshold`` looks at from 1 on, and that size."""
    counts = [1]
    while counts[-1] < len(candidates):
        counts.append(_next(counts[-1], len(candidates)))
    scores = [(scale.faithfulness(_first(candidates, count)), count) for count in counts]
    return max(scores, key=lambda score: score[0])


def _next(count: int, most: int) -> int:
    return min(most, max(count + 1, round(count * GROWTH)))


def _first(candidates: Nodes, count: int) -> Nodes:
    return candidates.take(np.arange(count))
