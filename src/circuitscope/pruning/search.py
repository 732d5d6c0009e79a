"""Every way to choose nodes, for every level of faithfulness."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from circuitscope.config import PruneConfig
from circuitscope.errors import NothingFound, argument
from circuitscope.evaluation import FaithfulnessScale, RowNumbers
from circuitscope.pruning.greedy import eliminate, spare
from circuitscope.pruning.learned import Ranking, read_off, train_masks
from circuitscope.pruning.thresholding import most_faithful, threshold
from circuitscope.results import Nodes
from circuitscope.work import Progress

THRESHOLDING, GREEDY, MASKS, FLOW = "thresholding", "greedy", "masks", "flow"
METHODS: Mapping[str, tuple[str, ...]] = {"best": (GREEDY, MASKS), GREEDY: (GREEDY,), MASKS: (MASKS,)}
"""What ``by`` stands for, of the ways that examples choose by."""
MORE = 4
"""By default, nodes are selected from this many times as many as thresholding needs."""


@dataclass(frozen=True)
class FoundNodes:
    """What one way of choosing found for one level."""

    rows: RowNumbers | None
    """Among the ranked nodes; None if nothing that keeps the level was found."""
    seconds: float


ByLevel = dict[float, FoundNodes]
Table = dict[str, ByLevel]
"""By name of the way of choosing."""


def search(
    scale: FaithfulnessScale, ranked: Nodes, levels: list[float], config: PruneConfig, *, progress: Progress
) -> Table:
    """The smallest sets found of ``ranked``, nodes by decreasing |effect|, for ``levels`` in increasing order.

    Raises:
        NothingFound: not even thresholding keeps the level asked for, one of ``levels``.
    """
    found: Table = {THRESHOLDING: thresholds(scale, ranked, levels, progress)}
    if found[THRESHOLDING][config.faithfulness].rows is None:
        _refuse(scale, ranked, config.faithfulness)
    needed = max(len(one.rows) for one in found[THRESHOLDING].values() if one.rows is not None)
    pool = ranked.take(np.arange(min(len(ranked), config.candidates or MORE * needed)))
    methods = METHODS[config.by]
    if GREEDY in methods:
        found[GREEDY] = _greedy(scale, pool, found[THRESHOLDING], progress)
    if MASKS in methods:
        found[MASKS] = _masks(scale, pool, levels, needed, config.steps, progress)
    return found


def timed(work: Callable[[], RowNumbers | None]) -> FoundNodes:
    started = time.perf_counter()
    rows = work()
    return FoundNodes(rows, time.perf_counter() - started)


def thresholds(scale: FaithfulnessScale, ranked: Nodes, levels: list[float], progress: Progress) -> ByLevel:
    """From the lowest level up: a higher one needs no fewer nodes."""
    found: ByLevel = {}
    start = 1
    for number, level in enumerate(levels):
        found[level] = timed(partial(threshold, scale, ranked, level, start=start))
        rows = found[level].rows
        start = start if rows is None else len(rows)
        progress(number + 1, len(levels), THRESHOLDING)
    return found


def _refuse(scale: FaithfulnessScale, ranked: Nodes, asked: float) -> None:
    best, nodes = most_faithful(scale, ranked)
    raise NothingFound(
        f"no circuit of the {len(ranked)} nodes with an effect keeps a faithfulness of {asked:g}; the best found "
        f"has {best:.3f}, with {nodes} nodes",
        expected="a faithfulness that some circuit reaches",
        mend=f"lower {argument('faithfulness')}, or discover on more {argument('examples')}",
    )


def _greedy(scale: FaithfulnessScale, pool: Nodes, simple: ByLevel, progress: Progress) -> ByLevel:
    """From the highest level down, each continuing from the last."""
    found: ByLevel = {}
    whole = scale.faithfulness(pool)
    last: RowNumbers | None = None
    for number, level in enumerate(sorted(simple, reverse=True)):
        start = last
        if start is None:
            start = np.arange(len(pool)) if whole >= level else _inside(simple[level].rows, pool)
        found[level] = (
            FoundNodes(None, 0.0) if start is None else timed(partial(eliminate, scale, pool, start, level))
        )
        last = found[level].rows
        progress(number + 1, len(simple), GREEDY)
    return found


def _inside(rows: RowNumbers | None, pool: Nodes) -> RowNumbers | None:
    return rows if rows is not None and len(rows) <= len(pool) else None


def _masks(
    scale: FaithfulnessScale, pool: Nodes, levels: list[float], needed: int, steps: int, progress: Progress
) -> ByLevel:
    """One training for all levels; every level's seconds include it."""
    started = time.perf_counter()
    rankings = train_masks(
        scale,
        pool,
        needed=needed,
        lowest=levels[0],
        steps=steps,
        progress=progress,
    )
    training = time.perf_counter() - started
    found: ByLevel = {}
    for number, level in enumerate(levels):
        one = timed(partial(_read, scale, pool, rankings, level))
        found[level] = FoundNodes(one.rows, training + one.seconds)
        progress(number + 1, len(levels), MASKS)
    return found


def _read(scale: FaithfulnessScale, pool: Nodes, rankings: list[Ranking], level: float) -> RowNumbers | None:
    rows = read_off(scale, pool, rankings, level)
    return None if rows is None else spare(scale, pool, rows, level)
