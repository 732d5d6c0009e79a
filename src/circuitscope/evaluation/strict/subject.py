"""Subject: the circuit under test, with the runs that every test compares with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuitscope.circuit import Circuit, Nodes
from circuitscope.evaluation.bench import Bench
from circuitscope.evaluation.scores import ratio
from circuitscope.terms import ERROR, Site

HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be said"
"""The three verdicts of a test."""


@dataclass(frozen=True)
class Subject:
    """A circuit on a bench, with a number of free layers."""

    circuit: Circuit
    bench: Bench
    free_layers: int
    seed: int = 0

    @cached_property
    def sites(self) -> list[Site]:
        """The sites that are ablated."""
        return self.bench.sites(self.free_layers)

    @cached_property
    def full(self) -> NDArray[np.float64]:
        return self.bench.full()

    @cached_property
    def empty(self) -> NDArray[np.float64]:
        return self.bench.run(Nodes.none(), self.sites)

    @cached_property
    def kept(self) -> NDArray[np.float64]:
        return self.bench.run(self.circuit.nodes, self.sites)

    @cached_property
    def score(self) -> dict[str, Any]:
        """The circuit's faithfulness with its interval; ``value`` is None where it is undefined."""
        return ratio(self.kept, self.empty, self.full, seed=self.seed)

    def on_ablated(self, nodes: Nodes) -> NDArray[np.bool_]:
        """Whether each of some nodes is at a site that is ablated, and so is not free."""
        indices = [index for index, site in enumerate(self.circuit.sites) if site in self.sites]
        return np.isin(nodes.site, indices)

    def tested(self, nodes: Nodes) -> Nodes:
        """Those of some nodes whose being kept or not can make a difference in an ablated run."""
        counts = self.on_ablated(nodes)
        if self.bench.errors != "circuit":
            counts &= nodes.feature != ERROR
        return nodes.take(np.flatnonzero(counts))

    def faithfulness(self, nodes: Nodes) -> float:
        """(mean m(nodes) − mean m(∅)) / (mean m(M) − mean m(∅)), the same ratio of means as the scores."""
        kept = self.bench.run(nodes, self.sites).mean()
        return float((kept - self.empty.mean()) / (self.full.mean() - self.empty.mean()))

    def on(self, examples: int | None) -> Subject:
        """The same on the first batches that hold at least ``examples``; on all of them if None."""
        return self if examples is None else replace(self, bench=self.bench.first(examples))

    @property
    def examples(self) -> int:
        return sum(map(len, self.bench.inputs))


def unknown(why: str, **figures: Any) -> dict[str, Any]:
    """The result of a test that cannot be said, with the reason."""
    return {"verdict": UNKNOWN, "why": why, **figures}


def distance(faithfulness: float) -> float:
    """How far a circuit is from doing what the model does: |1 − faithfulness|."""
    return abs(1 - faithfulness)
