"""Trials: sets of nodes tried for one level of faithfulness, until the time is over.

A way of choosing tries sets and need not remember what it found: the smallest set that keeps the level is noted, so
that a search that is stopped has something to show. Sets that differ from one set by a single node begin alike; what
comes before that node's layer runs once for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuitscope.evaluation import FaithfulnessScale, RowNumbers
from circuitscope.pruning.masked import share_slopes
from circuitscope.results import Nodes

Tell = Callable[[int, int], None]
"""(steps done, steps in all as far as is known)."""


def nobody(done: int, total: int) -> None:
    """A search that nobody watches."""


class TimeIsUp(Exception):
    """The time that a search was given is over."""


@dataclass(frozen=True)
class Watch:
    """Ends a search when its time is over."""

    seconds: float | None = None
    """How long from the start; None for as long as it takes."""
    started: float = 0.0
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def start(cls, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> Watch:
        return cls(seconds, clock(), clock)

    def look(self) -> None:
        """Raise TimeIsUp if it is."""
        if self.seconds is not None and self.clock() - self.started >= self.seconds:
            raise TimeIsUp


class Trials:
    """Tries sets of ``candidates``, given by their rows, for one level."""

    def __init__(
        self, scale: FaithfulnessScale, candidates: Nodes, level: float, watch: Watch | None = None
    ) -> None:
        self.candidates, self.level = candidates, level
        self.best: RowNumbers | None = None
        """The smallest set tried that keeps the level; the most faithful of equals."""
        self._best_is = (0, 0.0)
        self._scale, self._watch = scale, watch or Watch()

    def keeps(self, rows: RowNumbers) -> bool:
        """Whether a set keeps the level."""
        self._watch.look()
        return self._noted(rows, self._scale.faithfulness(self.candidates.take(rows)))

    def slopes(self, rows: RowNumbers) -> tuple[float, NDArray[np.float64]]:
        """Faithfulness of a set, and to first order what each of its nodes adds to it within the set."""
        self._watch.look()
        return share_slopes(self._scale, self.candidates.take(rows), np.ones(len(rows)))

    def without_each(self, rows: RowNumbers, places: RowNumbers) -> NDArray[np.float64]:
        """Faithfulness of a set without one node, for the node at each of some places in ``rows``."""
        self._watch.look()
        runs, sites = self._scale.runs, self._scale.sites
        starts = runs.starts(self.candidates.take(rows), sites, self._scale.start)
        every = list(runs.dictionaries)
        layers = np.array([every[index].layer for index in self.candidates.site[rows[places]]])
        found = np.zeros(len(places))
        for layer in np.unique(layers):
            self._watch.look()
            some = np.flatnonzero(layers == layer)
            before = [start for start in starts if start.layer < layer]
            start = before[-1] if before else None
            behind = [site for site in sites if start is None or site.layer > start.layer]
            sets = [np.delete(rows, places[number]) for number in some]
            values = runs.run_all([self.candidates.take(one) for one in sets], behind, start=start)
            found[some] = [self._scale.share(of_one) for of_one in values]
            for one, faithful in zip(sets, found[some], strict=True):
                self._noted(one, float(faithful))
        return found

    def _noted(self, rows: RowNumbers, faithful: float) -> bool:
        keeps, measure = faithful >= self.level, (len(rows), -faithful)
        if keeps and (self.best is None or measure < self._best_is):
            self.best, self._best_is = np.sort(rows), measure
        return keeps
