"""Which nodes and edges a circuit keeps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import NothingFound, argument
from circuitscope.results import Edges, Nodes

DEFAULT_NODES = 100
EDGE_SHARE = 0.1
"""Without an edge threshold: this share of the node threshold, as in the paper's settings."""


def select_nodes(nodes: Nodes, threshold: float | None, count: int | None) -> tuple[NDArray[np.int64], float]:
    """Rows of the nodes to keep, in row order, and the node threshold that this amounts to.

    Raises:
        NothingFound: no node is strong enough; says how strong the strongest is.
    """
    order = nodes.strongest()
    order = order[nodes.effect[order] != 0]
    strongest = float(np.abs(nodes.effect[order[0]])) if len(order) else 0.0
    if threshold is not None:
        kept = order[np.abs(nodes.effect[order]) > threshold]
    else:
        kept = order[: count or DEFAULT_NODES]
        threshold = float(np.abs(nodes.effect[kept[-1]])) if len(kept) else 0.0
    if len(kept) == 0:
        raise NothingFound(
            f"no node has a mean effect above {threshold:g}; the strongest has {strongest:.3g}",
            expected="a threshold that keeps some nodes",
            mend=f"lower {argument('node_threshold')}, or give {argument('nodes', 100)}; finished effects are kept"
            if strongest
            else "clean and patch may be the same text, or the metric may not depend on the sites",
        )
    return np.sort(kept), threshold


def select_edges(edges: Edges, threshold: float | None, node_threshold: float) -> tuple[Edges, float]:
    """Edges of |mean effect| above the threshold, and that threshold."""
    if threshold is None:
        threshold = EDGE_SHARE * node_threshold
    strong = np.abs(edges.effect) > threshold
    return Edges(*(column[strong] for column in vars(edges).values())), threshold


def reaching_output(n_nodes: int, edges: Edges) -> NDArray[np.int64]:
    """Rows of the nodes with a path of edges to the output."""
    reached = np.zeros(n_nodes + 1, bool)  # the last entry, index -1, is the output
    reached[-1] = True
    while True:
        more = np.unique(edges.source[reached[edges.target]])
        if reached[more].all():
            return np.flatnonzero(reached[:-1])
        reached[more] = True
