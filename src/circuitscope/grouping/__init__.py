"""Supernodes: the features of a circuit grouped by what they do, each group with a readable name.

The names are imported when first used: what makes names readable needs no torch.
"""

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.grouping.naming import distinctive as distinctive
    from circuitscope.grouping.naming import layers_of as layers_of
    from circuitscope.grouping.naming import unique as unique
    from circuitscope.grouping.naming import words as words
    from circuitscope.grouping.supernodes import group as group
    from circuitscope.grouping.supernodes import group_circuit as group_circuit

__all__ = ["distinctive", "group", "group_circuit", "layers_of", "unique", "words"]

__getattr__ = lazily(
    __name__,
    {
        "distinctive": "naming",
        "group": "supernodes",
        "group_circuit": "supernodes",
        "layers_of": "naming",
        "unique": "naming",
        "words": "naming",
    },
)
