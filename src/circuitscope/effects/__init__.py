"""Indirect effects of nodes (exact, atp, ig with its quadrature) and of edges."""

from circuitscope.effects.at_clean import graph_at_clean
from circuitscope.effects.budget import budget_of
from circuitscope.effects.edges import EDGES_AT, SECANT, EdgeEffects, EdgeEntries, Inflow, edge_effects
from circuitscope.effects.nodes import METHODS, NodeEffects, SiteEffects, node_effects
from circuitscope.effects.output_edges import output_effects
from circuitscope.effects.quadrature import DEFAULT_POINTS, RULES, TOLERANCE
from circuitscope.effects.row_vectors import Rows

__all__ = [
    "DEFAULT_POINTS",
    "EDGES_AT",
    "METHODS",
    "RULES",
    "SECANT",
    "TOLERANCE",
    "EdgeEffects",
    "EdgeEntries",
    "Inflow",
    "NodeEffects",
    "Rows",
    "SiteEffects",
    "budget_of",
    "edge_effects",
    "graph_at_clean",
    "node_effects",
    "output_effects",
]
