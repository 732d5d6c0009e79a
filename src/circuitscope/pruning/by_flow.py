"""By flow: the nodes and edges that carry most of what flows through a circuit's edges.

The output's flow is 1. Every node hands its flow on to the nodes that its in-edges come from, each in proportion to
|edge|, until it reaches nodes that no edge goes into. Edges are taken by decreasing flow until the paths made of them
alone carry the share asked for; what lies on such a path stays. No example chooses anything here, so what is kept is
measured by faithfulness afterwards and not promised.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import NothingFound
from circuitscope.results import Circuit, Edges, Graph


def carrying(circuit: Circuit, share: float) -> Circuit:
    """The smallest part of a circuit, by decreasing flow of edges, whose paths carry ``share`` of the flow.

    Raises:
        NothingFound: no edge goes into the output.
    """
    graph = Graph(circuit)
    flow = graph.flow()
    order = np.argsort(-flow, kind="stable")
    order = order[flow[order] > 0]
    if len(order) == 0:
        raise NothingFound(
            "no edge of the circuit goes into the output",
            expected="a circuit whose edges lead there",
            mend="discover with a lower edge threshold",
        )

    def kept_of(count: int) -> NDArray[np.bool_]:
        kept = np.zeros(len(flow), bool)
        kept[order[:count]] = True
        return kept

    few, many = 0, len(order)
    while many - few > 1:
        middle = (few + many) // 2
        carried = graph.carried(graph.beginnings, kept=kept_of(middle), sizes=True)[-1]
        few, many = (few, middle) if carried >= share else (middle, many)
    return _on_paths(circuit, graph, kept_of(many))


def _on_paths(circuit: Circuit, graph: Graph, kept: NDArray[np.bool_]) -> Circuit:
    """The kept edges that lie on a path from a beginning to the output, and their nodes."""
    reached = graph.carried(graph.beginnings, kept=kept, sizes=True) > 0
    leads = np.zeros(len(circuit.nodes) + 1, bool)
    leads[-1] = True
    for row in reversed(graph.upward):
        into = graph.into(row)
        leads[graph.source[into][kept[into] & leads[row]]] = True
    on_path = kept & reached[graph.source] & leads[graph.target]
    edges = circuit.edges
    some = np.sort(graph.row[on_path])
    fewer = Edges(edges.source[some], edges.target[some], edges.effect[some], edges.stderr[some])
    nodes = np.unique(np.concatenate([fewer.source, fewer.target[fewer.target >= 0]]))
    return replace(circuit, edges=fewer).keep(nodes)
