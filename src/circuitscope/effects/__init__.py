"""Indirect effects of nodes (exact, atp, ig with its quadrature) and of edges."""

from circuitscope.effects.edges import EdgeEntries, Rows, edge_effects, output_effects
from circuitscope.effects.nodes import METHODS, NodeEffects, SiteEffects, node_effects
from circuitscope.effects.quadrature import RULES

__all__ = [
    "METHODS",
    "RULES",
    "EdgeEntries",
    "NodeEffects",
    "Rows",
    "SiteEffects",
    "edge_effects",
    "node_effects",
    "output_effects",
]
