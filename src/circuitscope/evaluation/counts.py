"""How many ablated runs a stage needs, known before any of them.

A run is one set of nodes on all examples. Where the number depends on what is found on the way, it is the largest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from circuitscope.config import EvaluateConfig, SweepConfig
from circuitscope.evaluation.cpr_cmd import FRACTIONS

ENDS = 2
"""Runs of the whole model and of the empty circuit, between which faithfulness is measured."""


@dataclass(frozen=True)
class RunCount:
    """Runs of one kind."""

    what: str
    runs: int
    at_most: bool = False


def evaluation_runs(config: EvaluateConfig, *, free_layers: int, nodes: int) -> list[RunCount]:
    """Runs of ``evaluate``, with ``strict`` of its tests too.

    Args:
        free_layers: how many of the first layers are free.
        nodes: how many nodes of the circuit are in other layers.
    """
    scales = len({free_layers, 0})
    found = [RunCount("circuit and complement", scales * (ENDS + 2))]
    if config.strict:
        found.append(RunCount("strict: random circuits", config.random_circuits))
        found.append(RunCount("strict: the other split", ENDS + 1))
        found.append(RunCount("strict: nodes to spare", _spare_runs(nodes), at_most=True))
    return found


def _spare_runs(nodes: int) -> int:
    """The circuit, each node by itself, a bisection over those that can go, and two sets of them."""
    return 1 + nodes + (math.ceil(math.log2(nodes)) + 1 if nodes else 0) + 2


def sweep_runs(config: SweepConfig) -> list[RunCount]:
    """Runs of ``sweep``: at every size a circuit and its complement, and circuits of the shares of CPR and CMD."""
    per_order = 2 * config.sizes + len(FRACTIONS)
    found = [RunCount("features", ENDS + per_order, at_most=True)]
    if config.random:
        found.append(RunCount("random features", config.random * per_order, at_most=True))
    if config.neurons:
        found.append(RunCount("neurons", 2 * (ENDS + per_order), at_most=True))
    return found
