"""Supernodes: the features of a circuit grouped by what they do, each group with a readable name."""

from circuitscope.grouping.naming import layers_of
from circuitscope.grouping.supernodes import group, group_circuit

__all__ = ["group", "group_circuit", "layers_of"]
