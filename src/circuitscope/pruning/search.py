"""Every way to choose nodes, for every level of faithfulness asked for, as far as time allows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from circuitscope.config import PruneConfig
from circuitscope.errors import NothingFound, argument
from circuitscope.evaluation import FaithfulnessScale, RowNumbers
from circuitscope.pruning.greedy import eliminate, spare
from circuitscope.pruning.learned import read_off, train_masks
from circuitscope.pruning.thresholding import most_faithful, threshold
from circuitscope.pruning.trials import Tell, TimeIsUp, Trials, Watch
from circuitscope.results import Nodes
from circuitscope.work import Progress

THRESHOLDING, GREEDY, MASKS, FLOW = "thresholding", "greedy", "masks", "flow"
METHODS: Mapping[str, tuple[str, ...]] = {"best": (GREEDY, MASKS), GREEDY: (GREEDY,), MASKS: (MASKS,)}
"""What ``by`` stands for, of the ways that examples choose by."""
MORE = 4
"""By default, nodes are selected from this many times as many as thresholding needs."""
TIME, INTERRUPTED = "time", "interrupted"
"""Why a search ended before its end."""


@dataclass(frozen=True)
class FoundNodes:
    """What one way of choosing found for one level."""

    rows: RowNumbers | None
    """Among the ranked nodes; None if nothing that keeps the level was found."""
    seconds: float


ByLevel = dict[float, FoundNodes]
Table = dict[str, ByLevel]
"""By name of the way of choosing."""


@dataclass
class NodeSearch:
    """A search, and what it has found so far."""

    scale: FaithfulnessScale
    ranked: Nodes
    """The nodes to choose from, by decreasing |effect|."""
    levels: list[float]
    """In increasing order."""
    config: PruneConfig
    watch: Watch
    progress: Progress
    table: Table = field(default_factory=dict)
    """What was found; a way of choosing that was not begun, or a level that it did not come to, is missing."""
    ended: str = ""
    """``TIME`` or ``INTERRUPTED`` if it was ended early."""

    def run(self, *, only_thresholds: bool = False) -> None:
        """Search until all is found, the time is over, or the user interrupts.

        Raises:
            NothingFound: not even thresholding keeps the level asked for, one of ``levels``.
        """
        try:
            simple = self._thresholds()
            if not only_thresholds:
                self._other_ways(simple)
        except TimeIsUp:
            self.ended = TIME
        except KeyboardInterrupt:
            self.ended = INTERRUPTED

    def _other_ways(self, simple: ByLevel) -> None:
        if simple[self.config.faithfulness].rows is None:
            _refuse(self.scale, self.ranked, self.config.faithfulness)
        needed = max(len(one.rows) for one in simple.values() if one.rows is not None)
        pool = self.ranked.take(np.arange(min(len(self.ranked), self.config.candidates or MORE * needed)))
        methods = METHODS[self.config.by]
        if GREEDY in methods:
            self._greedy(pool, simple)
        if MASKS in methods:
            self._masks(pool, needed)

    def _thresholds(self) -> ByLevel:
        """From the lowest level up: a higher one needs no fewer nodes."""
        start = 1
        for level in self.levels:
            with self._trials(THRESHOLDING, level, self.ranked) as trials:
                rows = threshold(trials, start=start, tell=self._tell(THRESHOLDING, level))
            start = start if rows is None else len(rows)
        return self.table[THRESHOLDING]

    def _greedy(self, pool: Nodes, simple: ByLevel) -> None:
        """From the highest level down, each continuing from the last."""
        last: RowNumbers | None = None
        for level in reversed(self.levels):
            with self._trials(GREEDY, level, pool) as trials:
                start = last
                if start is None:
                    every = np.arange(len(pool))
                    start = every if trials.keeps(every) else _inside(simple[level].rows, pool)
                if start is not None and trials.keeps(start):
                    last = eliminate(trials, start, self._tell(GREEDY, level))

    def _masks(self, pool: Nodes, needed: int) -> None:
        """One training for all levels; every level's seconds include it."""
        started = time.perf_counter()
        rankings = train_masks(
            self.scale,
            pool,
            self.watch,
            needed=needed,
            lowest=self.levels[0],
            steps=self.config.steps,
            tell=lambda done, total: self.progress(done, total, "training masks"),
        )
        training = time.perf_counter() - started
        for level in self.levels:
            with self._trials(MASKS, level, pool, training) as trials:
                rows = read_off(trials, rankings)
                if rows is not None:
                    spare(trials, rows, self._tell(MASKS, level))

    @contextmanager
    def _trials(self, way: str, level: float, nodes: Nodes, before: float = 0.0) -> Iterator[Trials]:
        """Trials for one row of the table, which is filled in however they end.

        Args:
            before: seconds of what was done for it earlier.
        """
        trials, started = Trials(self.scale, nodes, level, self.watch), time.perf_counter()
        try:
            yield trials
        finally:
            seconds = before + time.perf_counter() - started
            self.table.setdefault(way, {})[level] = FoundNodes(trials.best, seconds)

    def _tell(self, way: str, level: float) -> Tell:
        what = way if len(self.levels) == 1 else f"{way} for {level:g}"
        return lambda done, total: self.progress(done, total, what)


def _refuse(scale: FaithfulnessScale, ranked: Nodes, asked: float) -> None:
    best, nodes = most_faithful(scale, ranked)
    raise NothingFound(
        f"no circuit of the {len(ranked)} nodes with an effect keeps a faithfulness of {asked:g}; the best found "
        f"has {best:.3f}, with {nodes} nodes",
        expected="a faithfulness that some circuit reaches",
        mend=f"lower {argument('faithfulness')}, or discover on more {argument('examples')}",
    )


def _inside(rows: RowNumbers | None, pool: Nodes) -> RowNumbers | None:
    return rows if rows is not None and len(rows) <= len(pool) else None
