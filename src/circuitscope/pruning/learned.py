"""Learned masks: all candidates are kept by shares that are trained together, and paid for.

1. Every candidate has a logit θ and the share w = sigmoid(θ); training begins with all shares near 1.
2. Adam minimises (faithfulness(w) − 1)² + λ Σ w over the examples that select nodes, all of them at every step.
3. λ grows from step to step, from a price at which nearly every node is kept to one at which the behaviour breaks
   down, so one training passes through circuits of all sizes. The price of a node is measured against the number
   of nodes that thresholding needs.
4. On the way, the shares rank the candidates: at each of several steps, the smallest number of candidates with the
   highest θ that keep the level is looked for. The smallest set found goes through greedy's last pass.

In the spirit of Louizos et al. 2018 (arXiv 1712.01312) and Cao et al. 2021 (arXiv 2104.03514), who train gates for
weights. Here shares need no noise: the ablation values between which they interpolate are fixed, and circuits are
always measured with whole nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from circuitscope.evaluation import FaithfulnessScale, RowNumbers
from circuitscope.pruning.masked import share_slopes
from circuitscope.pruning.trials import Tell, Trials, Watch, nobody
from circuitscope.results import Nodes

FIRST = 3.0
"""θ at the beginning: w = 0.95."""
RATE = 0.25
"""Adam's step."""
PRICES = (0.1, 6.0)
"""λ at the first and at the last step, times the number of nodes that thresholding needs."""
LOOKED_AT = 12
"""At how many steps circuits are read off."""


@dataclass(frozen=True)
class Ranking:
    """The candidates at one step of training."""

    order: RowNumbers
    """Rows of the candidates by decreasing share."""
    faithfulness: float
    """Of the masked run."""


def train_masks(
    scale: FaithfulnessScale,
    candidates: Nodes,
    watch: Watch,
    *,
    needed: int,
    lowest: float,
    steps: int,
    tell: Tell = nobody,
) -> list[Ranking]:
    """Rankings of the candidates at several prices.

    Args:
        needed: how many nodes thresholding needs, which sets the scale of λ.
        lowest: the lowest level of interest; training stops once faithfulness is clearly below it.
    """
    theta = torch.full((len(candidates),), FIRST, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([theta], lr=RATE, betas=(0.9, 0.99))
    every = max(1, steps // LOOKED_AT)
    found = []
    for step, price in enumerate(np.geomspace(*PRICES, steps) / needed):
        watch.look()
        share = torch.sigmoid(theta.detach())
        faithful, slopes = share_slopes(scale, candidates, share.numpy())
        of_share = 2 * (faithful - 1) * torch.from_numpy(slopes) + price
        theta.grad = of_share * share * (1 - share)
        adam.step()
        tell(step + 1, steps)
        if step % every == every - 1:
            found.append(Ranking(_falling(theta.detach().numpy()), faithful))
        if faithful < 0.9 * lowest:
            break
    return found


def read_off(trials: Trials, rankings: list[Ranking]) -> RowNumbers | None:
    """The smallest set that keeps the level among the first candidates of every ranking; None if there is none."""
    best: RowNumbers | None = None
    for ranking in rankings:
        most = len(ranking.order) if best is None else len(best) - 1
        rows = _fewest(trials, ranking.order[:most])
        best = best if rows is None else rows
    return best


def _fewest(trials: Trials, order: RowNumbers) -> RowNumbers | None:
    """The first rows of ``order`` that keep the level, by bisection; None if all together do not."""
    if len(order) == 0 or not trials.keeps(order):
        return None
    below, above = 0, len(order)
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if trials.keeps(order[:middle]) else (middle, above)
    return np.sort(order[:above])


def _falling(theta: NDArray[np.float64]) -> RowNumbers:
    return np.argsort(-theta, kind="stable")
