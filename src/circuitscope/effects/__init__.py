"""Indirect effects of nodes (exact, atp, ig with its quadrature) and of edges."""

from circuitscope.effects.edges import (
    EDGES_AT,
    EdgeBlocks,
    EdgeEntries,
    Rows,
    edge_effects,
    output_effects,
)
from circuitscope.effects.nodes import METHODS, NodeEffects, SiteEffects, node_effects
from circuitscope.effects.quadrature import DEFAULT_POINTS, RULES, TOLERANCE

__all__ = [
    "DEFAULT_POINTS",
    "EDGES_AT",
    "METHODS",
    "RULES",
    "TOLERANCE",
    "EdgeBlocks",
    "EdgeEntries",
    "NodeEffects",
    "Rows",
    "SiteEffects",
    "edge_effects",
    "node_effects",
    "output_effects",
]
