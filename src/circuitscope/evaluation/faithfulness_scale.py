"""FaithfulnessScale: how faithful any set of nodes is on some examples, between the two ends of the scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import NothingFound, argument
from circuitscope.evaluation.ablated_runs import AblatedRuns, Start
from circuitscope.evaluation.scores import ratio
from circuitscope.results import Nodes, Score
from circuitscope.terms import ERROR, Site

RowNumbers = NDArray[np.int64]
"""Rows of a set among some nodes, ascending unless stated otherwise."""


@dataclass(frozen=True)
class FaithfulnessScale:
    """Runs on some examples, with m(∅) as 0 and m(M) as 1."""

    runs: AblatedRuns
    free_layers: int
    seed: int = 0
    """Of bootstrap intervals."""

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The sites that are ablated: those of the layers that are not free."""
        return tuple(self.runs.sites(self.free_layers))

    @cached_property
    def full(self) -> NDArray[np.float64]:
        """−m(M) of every example."""
        return self.runs.full()

    @cached_property
    def empty(self) -> NDArray[np.float64]:
        """−m(∅) of every example."""
        return self.values(Nodes.none())

    @cached_property
    def start(self) -> Start | None:
        """The streams behind the free layers, the same in every run; None without free layers."""
        return self.runs.plain_start(self.free_layers - 1) if self.free_layers else None

    @property
    def span(self) -> float:
        """mean m(M) − mean m(∅), the denominator of faithfulness."""
        return float((self.full - self.empty).mean())

    @property
    def examples(self) -> int:
        return sum(map(len, self.runs.inputs))

    def values(self, nodes: Nodes) -> NDArray[np.float64]:
        """−m(C) of every example."""
        return self.runs.run(nodes, self.sites, start=self.start)

    def without(self, nodes: Nodes) -> NDArray[np.float64]:
        """−m(M∖C) of every example."""
        return self.runs.run(nodes, self.sites, complement=True, start=self.start)

    def faithfulness(self, nodes: Nodes) -> float:
        """(mean m(C) − mean m(∅)) / (mean m(M) − mean m(∅))."""
        return self.share(self.values(nodes))

    def share(self, values: NDArray[np.float64]) -> float:
        """The faithfulness of runs whose −m is known."""
        return float((values.mean() - self.empty.mean()) / (self.full.mean() - self.empty.mean()))

    def interval(self, values: NDArray[np.float64]) -> Score:
        """The same with its bootstrap interval; ``value`` is None where it is undefined."""
        return ratio(values, self.empty, self.full, seed=self.seed)

    def score(self, nodes: Nodes) -> Score:
        """Faithfulness with its interval, and how far single examples are from the whole model.

        ``deviation`` is the mean over examples of |m(C) − m(M)|, in units of |mean m(M) − mean m(∅)|.
        """
        values = self.values(nodes)
        deviation = float(np.abs(values - self.full).mean()) / abs(self.span)
        return replace(self.interval(values), deviation=deviation)

    def on_ablated(self, nodes: Nodes, sites: tuple[Site, ...]) -> NDArray[np.bool_]:
        """Whether each of some nodes, of a circuit on ``sites``, is at a site that is ablated."""
        indices = [index for index, site in enumerate(sites) if site in self.sites]
        return np.isin(nodes.site, indices)

    def tested(self, nodes: Nodes, sites: tuple[Site, ...]) -> Nodes:
        """Those of some nodes for which being kept or not can make a difference in an ablated run."""
        counts = self.on_ablated(nodes, sites)
        if self.runs.errors != "circuit":  # all errors are kept or all ablated, whatever the circuit says
            counts &= nodes.feature != ERROR
        return nodes.take(np.flatnonzero(counts))

    def on(self, examples: int | None) -> FaithfulnessScale:
        """The same on the first batches that hold at least ``examples``; on all of them if None."""
        return self if examples is None else replace(self, runs=self.runs.first(examples))

    def refuse_undefined(self, split: str) -> None:
        """Raise NothingFound where ablating everything does not change the behaviour enough to measure."""
        whole = self.interval(self.full)
        if whole.value is None:
            raise NothingFound(
                f"faithfulness on the {split} examples is {whole.why}",
                expected="a behaviour that ablating everything but the free layers takes away",
                mend=f"use fewer {argument('free_layers')}, or more {argument('examples')}",
            )
