"""TestedCircuit: the circuit under test, on a scale of faithfulness."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuitscope.evaluation.faithfulness_scale import FaithfulnessScale
from circuitscope.results import Circuit, Nodes, Score


@dataclass(frozen=True)
class TestedCircuit:
    """A circuit and the examples that it is tested on."""

    circuit: Circuit
    scale: FaithfulnessScale

    __test__ = False  # otherwise pytest takes it for a test

    @cached_property
    def kept(self) -> NDArray[np.float64]:
        """−m(C) of every example."""
        return self.scale.values(self.circuit.nodes)

    @cached_property
    def score(self) -> Score:
        """The circuit's faithfulness with its interval; ``value`` is None where it is undefined."""
        return self.scale.interval(self.kept)

    def tested(self, nodes: Nodes) -> Nodes:
        """Those of some nodes for which being kept or not can make a difference in an ablated run."""
        return self.scale.tested(nodes, self.circuit.sites)

    def on(self, examples: int | None) -> TestedCircuit:
        """The same on the first batches that hold at least ``examples``; on all of them if None."""
        return self if examples is None else replace(self, scale=self.scale.on(examples))


def distance(faithfulness: float) -> float:
    """How far a circuit is from doing what the model does: |1 − faithfulness|."""
    return abs(1 - faithfulness)
