"""Greedy elimination: leave out the least useful nodes again and again, with effects recomputed in between.

1. Compute the effect of every node *within the current circuit*: by how much its share raises faithfulness in the
   masked run (``masked``), one backward pass for all of them. It is not the effect in the whole model: what a node
   does may be done by others too, or may be undone by nodes that are gone.
2. Leave out a fifth of the nodes, those with the lowest effect, if what remains keeps the level; otherwise half as
   many.
3. Once only a few can go that way, measure what the circuit keeps without each of the lowest, one by one, and leave
   out as many of those that can go as the level allows together. Repeat until none of them can go.

A node whose effect is below 0 suppresses the behaviour, so it is among the first to go.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from circuitscope.evaluation import RowNumbers
from circuitscope.pruning.trials import Tell, Trials, nobody

BLOCK = 0.2
"""Share of the nodes that is left out at once."""
SMALLEST_BLOCK = 4
"""With fewer nodes, single ones are measured."""
TRIED, SHARE_TRIED = 24, 0.25
"""How many of the lowest nodes are measured one by one in a round: so many, or this share if it is more."""
ROUNDS = 24
"""How many rounds of single nodes at most."""


def eliminate(trials: Trials, start: RowNumbers, tell: Tell = nobody) -> RowNumbers:
    """The rows of ``start`` that are left when no more can go without falling below the level.

    ``start`` itself must keep the level.
    """
    kept, block, done = start, int(len(start) * BLOCK), 0
    while len(kept) > 1:
        order = np.argsort(trials.slopes(kept)[1], kind="stable")
        block = min(block, int(len(kept) * BLOCK))
        while block >= SMALLEST_BLOCK and not trials.keeps(kept[order[block:]]):
            block //= 2
        if block < SMALLEST_BLOCK:
            break
        kept = kept[np.sort(order[block:])]
        done += 1
        tell(done, done + _blocks_left(len(kept)) + ROUNDS)
    return spare(trials, kept, lambda rounds, total: tell(done + rounds, done + total))


def _blocks_left(nodes: int) -> int:
    """How many blocks it would take to come down to where single nodes are looked at, at most."""
    fewest = SMALLEST_BLOCK / BLOCK
    return 0 if nodes <= fewest else int(log(nodes / fewest) / -log(1 - BLOCK))


def spare(trials: Trials, start: RowNumbers, tell: Tell = nobody) -> RowNumbers:
    """Leave out nodes of which it was measured that they can go, until none of those tried can."""
    kept = start
    for number in range(ROUNDS):
        if len(kept) < 2:
            break
        faithful, slopes = trials.slopes(kept)
        tried = np.argsort(slopes, kind="stable")[: max(TRIED, int(SHARE_TRIED * len(kept)))]
        without = trials.without_each(kept, tried)
        order = np.argsort(-without, kind="stable")
        can_go = order[without[order] >= trials.level]
        if len(can_go) == 0:
            break
        kept = _without(trials, kept, tried[can_go], faithful - without[can_go], faithful)
        tell(number + 1, ROUNDS)
    tell(ROUNDS, ROUNDS)
    return kept


def _without(
    trials: Trials, kept: RowNumbers, able: RowNumbers, losses: NDArray[np.float64], faithful: float
) -> RowNumbers:
    """Without as many of the nodes at the places ``able`` as the level allows; each alone can go.

    As many as their losses, added up, leave room for; half as many while that is too many after all.
    """
    together = int(np.searchsorted(np.cumsum(losses), faithful - trials.level, side="right"))
    together = max(1, min(together, len(able)))
    while together > 1:
        rest = np.delete(kept, able[:together])
        if len(rest) > 0 and trials.keeps(rest):
            return rest
        together //= 2
    return np.delete(kept, able[0])
