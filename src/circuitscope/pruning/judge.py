"""Judge: how faithful a set of nodes is on one split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuitscope.circuit import Nodes
from circuitscope.errors import NothingFound
from circuitscope.evaluation.bench import Bench
from circuitscope.evaluation.scores import ratio
from circuitscope.pruning.masked import MaskedRuns
from circuitscope.terms import Site

Rows = NDArray[np.int64]
"""Rows of a set among the candidates, ascending unless said otherwise."""


@dataclass(frozen=True)
class Judge:
    """A split's examples with the two ends of the scale of faithfulness."""

    bench: Bench
    sites: tuple[Site, ...]
    """The sites that are ablated: those of the layers that are not free."""
    full: NDArray[np.float64]
    """−m(M) of every example."""
    empty: NDArray[np.float64]
    """−m(∅) of every example."""

    @classmethod
    def of(cls, bench: Bench, free_layers: int) -> Judge:
        sites = tuple(bench.sites(free_layers))
        return cls(bench, sites, bench.full(), bench.run(Nodes.none(), sites))

    @property
    def span(self) -> float:
        """mean m(M) − mean m(∅), the denominator of faithfulness."""
        return float((self.full - self.empty).mean())

    def faithfulness(self, nodes: Nodes) -> float:
        """(mean m(C) − mean m(∅)) / (mean m(M) − mean m(∅))."""
        return self.share(self.bench.run(nodes, self.sites))

    def share(self, values: NDArray[np.float64]) -> float:
        """The faithfulness of runs whose −m is known."""
        return float((values - self.empty).mean()) / self.span

    def slopes(self, nodes: Nodes, shares: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Faithfulness of a masked run, and its gradient with respect to every node's share."""
        values, gradient = MaskedRuns(self.bench, nodes, self.sites).slopes(shares)
        return self.share(values), gradient / self.span

    def score(self, nodes: Nodes, *, seed: int) -> dict[str, Any]:
        """Faithfulness with its interval, and how far single examples are from the whole model.

        ``deviation`` is the mean over examples of |m(C) − m(M)|, in units of |mean m(M) − mean m(∅)|.
        """
        values = self.bench.run(nodes, self.sites)
        deviation = float(np.abs(values - self.full).mean()) / abs(self.span)
        return {**ratio(values, self.empty, self.full, seed=seed), "deviation": deviation}

    def refuse_undefined(self, split: str, *, seed: int) -> None:
        """Raise NothingFound where ablating everything does not change the behaviour enough to measure."""
        whole = ratio(self.full, self.empty, self.full, seed=seed)
        if whole["value"] is None:
            raise NothingFound(
                f"faithfulness on the {split} examples is {whole['why']}",
                expected="a behaviour that ablating everything but the free layers takes away",
                mend="use fewer --free-layers, or more --examples",
            )
