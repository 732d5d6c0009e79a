"""Thresholding: the N strongest nodes by |mean effect|, with N as small as faithfulness allows.

Faithfulness need not grow with every node, so N is looked for from below: sizes that grow by a tenth until one is
faithful enough, then bisection between the last two.
"""

from __future__ import annotations

import numpy as np

from circuitscope.evaluation import FaithfulnessScale, RowNumbers
from circuitscope.results import Nodes

GROWTH = 1.1


def threshold(
    scale: FaithfulnessScale, candidates: Nodes, level: float, *, start: int = 1
) -> RowNumbers | None:
    """Rows of the fewest strongest candidates that keep ``level``; None if no number of them does.

    Args:
        candidates: by decreasing |effect|.
        start: a number of nodes that is too small or just enough, to begin with.
    """
    below, above = start - 1, min(start, len(candidates))
    while scale.faithfulness(_first(candidates, above)) < level:
        if above == len(candidates):
            return None
        below, above = above, _next(above, len(candidates))
    while above - below > 1:
        middle = (below + above) // 2
        if scale.faithfulness(_first(candidates, middle)) >= level:
            above = middle
        else:
            below = middle
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
