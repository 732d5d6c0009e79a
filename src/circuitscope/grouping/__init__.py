"""Supernodes: the features of a circuit grouped by what they do, each group with a readable name.

``values`` needs no torch, so that saved groups open anywhere; ``group`` is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from circuitscope.grouping.values import Group, GroupEdge, Groups, groups_of, read_groups

__all__ = ["Group", "GroupEdge", "Groups", "group", "groups_of", "read_groups"]

if TYPE_CHECKING:
    from circuitscope.grouping.supernodes import group as group


def __getattr__(name: str) -> Any:
    if name != "group":
        raise AttributeError(f"circuitscope.grouping has no {name!r}")
    return import_module("circuitscope.grouping.supernodes").group
