"""Greedy elimination: leave out the least useful nodes again and again, with effects recomputed in between.

1. Compute the effect of every node *within the current circuit*: by how much its share raises faithfulness in the
   masked run (``masked``), one backward pass for all of them. It is not the effect in the whole model: what a node
   does may be done by others too, or may be undone by nodes that are gone.
2. Leave out a fifth of the nodes, those with the lowest effect, if what remains keeps the level; otherwise half as
   many.
3. If not even one can be left out that way, try all nodes one by one, the lowest first.

A node whose effect is below 0 suppresses the behaviour, so it is among the first to go.
"""

from __future__ import annotations

import numpy as np

from circuitscope.evaluation import FaithfulnessScale, RowNumbers
from circuitscope.pruning.masked import share_slopes
from circuitscope.results import Nodes

BLOCK = 0.2
"""Share of the nodes that is left out at once."""


def eliminate(scale: FaithfulnessScale, candidates: Nodes, start: RowNumbers, level: float) -> RowNumbers:
    """The rows of ``start`` that are left when no more can go without falling below ``level``.

    ``start`` itself must keep the level.
    """
    kept, block = start, max(1, int(len(start) * BLOCK))
    while len(kept) > 1:
        order = _weakest(scale, candidates, kept)
        block = min(block, max(1, int(len(kept) * BLOCK)))
        while block and not _keeps(scale, candidates, kept[order[block:]], level):
            block //= 2
        if block == 0:
            return spare(scale, candidates, kept, level)
        kept = kept[np.sort(order[block:])]
    return kept


def spare(scale: FaithfulnessScale, candidates: Nodes, start: RowNumbers, level: float) -> RowNumbers:
    """Leave out nodes one by one, as long as any single one can go."""
    kept = start
    while len(kept) > 1:
        smaller = (np.delete(kept, place) for place in _weakest(scale, candidates, kept))
        found = next((rows for rows in smaller if _keeps(scale, candidates, rows, level)), None)
        if found is None:
            break
        kept = found
    return kept


def _weakest(scale: FaithfulnessScale, candidates: Nodes, kept: RowNumbers) -> RowNumbers:
    """Places in ``kept`` by increasing effect within the circuit."""
    _, slopes = share_slopes(scale, candidates.take(kept), np.ones(len(kept)))
    return np.argsort(slopes, kind="stable")


def _keeps(scale: FaithfulnessScale, candidates: Nodes, rows: RowNumbers, level: float) -> bool:
    return scale.faithfulness(candidates.take(rows)) >= level
