"""Groups of nodes in order, and their edges in sum: nothing is lost, every edge is between groups or inside one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from circuitscope.results import Circuit, GroupEdge

RowNumbers = NDArray[np.int64]


def ordered(circuit: Circuit, labels: RowNumbers) -> list[RowNumbers]:
    """The rows of each group, the strongest first; groups by last layer, by position and by decreasing effect."""
    strongest = circuit.nodes.strongest()
    groups = [strongest[labels[strongest] == label] for label in np.unique(labels)]
    layer = np.array([site.layer for site in circuit.sites], np.int64)[circuit.nodes.site]

    def place(rows: RowNumbers) -> tuple[int, int, float, int]:
        effect = abs(float(circuit.nodes.effect[rows].sum()))
        return int(layer[rows].max()), int(circuit.nodes.position[rows[0]]), -effect, int(rows[0])

    return sorted(groups, key=place)


def group_edges(circuit: Circuit, groups: list[RowNumbers]) -> tuple[tuple[GroupEdge, ...], list[float]]:
    """The edges between groups by decreasing |effect|, and per group the sum of the edges inside it."""
    group_of = np.empty(len(circuit) + 1, np.int64)
    for index, rows in enumerate(groups):
        group_of[rows] = index
    group_of[-1] = -1  # the output is a target by itself
    edges = circuit.edges
    source, target = group_of[edges.source], group_of[edges.target]
    pairs, place = np.unique(np.stack([source, target], axis=1), axis=0, return_inverse=True)
    place = place.reshape(-1)
    effect = np.bincount(place, edges.effect, len(pairs))
    stderr = np.bincount(place, edges.stderr, len(pairs))
    count = np.bincount(place, minlength=len(pairs))
    inside = [0.0] * len(groups)
    between = []
    for row in np.argsort(-np.abs(effect), kind="stable").tolist():
        here, there = (int(end) for end in pairs[row])
        if here == there:
            inside[here] = float(effect[row])
        else:
            between.append(GroupEdge(here, there, float(effect[row]), float(stderr[row]), int(count[row])))
    return tuple(between), inside
