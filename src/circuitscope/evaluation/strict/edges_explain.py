"""Do the circuit's edges explain its nodes?

The in-edges of a node say where its effect comes from. How much of the nodes' effects the kept edges from kept nodes
add up to is read off the circuit: 1 − Σ|Σ in-edges − effect| / Σ|effect|. What is missing came from nodes that were
not kept, over edges below the threshold, or was missed by edges that are derivatives and do not add up.
"""

from __future__ import annotations

import numpy as np

from circuitscope.results import (
    FAILS,
    HOLDS,
    CannotBeSaid,
    Circuit,
    EdgesExplain,
    StrictOutcome,
    explained_by_edges,
    shares_add_up,
)

ENOUGH = 0.5
"""The share of the nodes' effects from which the edges are said to explain them."""


def edges_explain(circuit: Circuit) -> StrictOutcome[EdgesExplain] | CannotBeSaid[EdgesExplain]:
    """How much of the effects of the circuit's nodes arrives over its edges."""
    share = explained_by_edges(circuit)
    if share is None:
        return CannotBeSaid("nothing comes before the circuit's nodes that an edge could come from")
    figures = EdgesExplain(
        explained=share,
        nodes=int((circuit.nodes.site > 0).sum()),
        edges=int(np.count_nonzero(circuit.edges.target >= 0)),
        edges_at=circuit.made_by.settings.edges_at,
    )
    if not shares_add_up(circuit):
        return CannotBeSaid("these edges do not claim to add up to the nodes' effects", figures)
    return StrictOutcome(HOLDS if share >= ENOUGH else FAILS, figures=figures)
