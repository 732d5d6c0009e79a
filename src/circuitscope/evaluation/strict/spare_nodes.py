"""Are there nodes to spare?

Every node of the circuit that can be ablated is left out by itself, in a run of its own. Its loss is how much further
from 1 the faithfulness is without it; a node whose loss is at most 1 % of the circuit's faithfulness can be dropped.
Nodes that stand in for each other can each be dropped alone but not together, and in a large circuit almost any
node can. So those that can be dropped are then left out together, the least needed first, and bisection finds the
largest number of them whose joint loss is still at most 1 %. A circuit with at most a tenth of its nodes to spare is
called minimal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from circuitscope.evaluation.strict.tested_circuit import TestedCircuit, distance
from circuitscope.results import FAILS, HOLDS, CannotBeSaid, Circuit, Edges, SpareNodes, StrictOutcome
from circuitscope.work import Progress

ALLOWED = 0.01
"""The loss at which a node can still be dropped, as a share of the circuit's faithfulness."""
MOST = 0.1
"""The share of nodes to spare up to which a circuit is called minimal."""


def spare_nodes(
    subject: TestedCircuit, examples: int | None, progress: Progress
) -> StrictOutcome[SpareNodes] | CannotBeSaid[SpareNodes]:
    """Leave every node out, one at a time, and then those that can go together."""
    subject = subject.on(examples)
    if subject.score.value is None:
        return CannotBeSaid(subject.score.why)
    nodes = subject.tested(subject.circuit.nodes)
    own = subject.scale.faithfulness(nodes)
    if len(nodes) == 0 or own <= 0:
        return CannotBeSaid(
            "the circuit has no faithfulness to lose" if len(nodes) else "no node can be ablated"
        )
    allowed = ALLOWED * own

    def without(rows: NDArray[np.int64]) -> float:
        return subject.scale.faithfulness(nodes.take(np.setdiff1d(np.arange(len(nodes)), rows)))

    alone = np.zeros(len(nodes))
    for row in range(len(nodes)):
        alone[row] = without(np.array([row]))
        progress(row + 1, len(nodes), "leaving nodes out")
    loss = np.abs(1 - alone) - distance(own)
    order = np.lexsort((np.abs(nodes.effect), loss))
    droppable = order[loss[order] <= allowed]
    together = _most_together(
        len(droppable), lambda n: distance(without(droppable[:n])) - distance(own) <= allowed
    )
    names = Circuit(subject.circuit.sites, nodes, Edges.none()).ids
    found = SpareNodes(
        nodes=len(nodes),
        examples=subject.scale.examples,
        faithfulness=own,
        allowed=allowed,
        droppable=len(droppable),
        together=together,
        faithfulness_without_them=without(droppable[:together]),
        faithfulness_without_all=without(droppable),
        without={str(names[row]): float(alone[row]) for row in order[::-1]},
    )
    return StrictOutcome(HOLDS if together <= MOST * len(nodes) else FAILS, found)


def _most_together(count: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to ``count`` that fits, if no larger one fits once one does not; it always fits."""
    if fits(count):
        return count
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
