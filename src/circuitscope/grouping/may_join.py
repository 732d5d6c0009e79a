"""Which nodes may share a group at all: features of the same sign, at the same position, in nearby layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from circuitscope.results import Circuit
from circuitscope.terms import ERROR

_STAGES = 4
"""By default a group spans a quarter of the model's layers, so that a circuit reads as about four stages."""


def default_span(layers: int) -> int:
    """How many layers a group may span by default: a quarter of the model's."""
    return max(1, round(layers / _STAGES))


def may_join(circuit: Circuit, span: int) -> NDArray[np.bool_]:
    """(node, node): whether two nodes may be in one group.

    Args:
        span: how many neighbouring layers a group may touch; embed counts as a layer of its own, below layer 0.
    """
    nodes = circuit.nodes
    layer = np.array([site.layer for site in circuit.sites], np.int64)[nodes.site]
    feature = nodes.feature != ERROR
    near = np.abs(layer[:, None] - layer) < span
    same = (nodes.position[:, None] == nodes.position) & (
        np.sign(nodes.effect)[:, None] == np.sign(nodes.effect)
    )
    return np.asarray(near & same & feature[:, None] & feature)
