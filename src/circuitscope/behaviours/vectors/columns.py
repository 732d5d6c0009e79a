"""VectorColumns: what each column of a vector stands for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from circuitscope.errors import BadInput
from circuitscope.terms import NodeId, Site


@dataclass(frozen=True)
class ColumnPart:
    """Columns that stand beside each other: those of one site, or all of the parameters'."""

    kind: str
    """``activations``, ``effects`` (of features), ``dense`` (the site's own numbers) or ``gradients``."""
    site: str
    """Empty for gradients."""
    size: int
    back: int | None = None
    """How many tokens before the last one; None if they are summed over positions."""


@dataclass(frozen=True)
class VectorColumns:
    """All columns, a part after the other."""

    parts: tuple[ColumnPart, ...]

    @cached_property
    def firsts(self) -> tuple[int, ...]:
        """The first column of each part."""
        firsts, column = [], 0
        for part in self.parts:
            firsts.append(column)
            column += part.size
        return tuple(firsts)

    @property
    def count(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def by_kind(self) -> dict[str, slice]:
        """The columns of each kind; kinds are measured in different units."""
        found, column = {}, 0
        for kind, parts in groupby(self.parts, key=lambda part: part.kind):
            size = sum(part.size for part in parts)
            found[kind] = slice(column, column + size)
            column += size
        return found

    def part_of(self, column: int) -> tuple[ColumnPart, int]:
        """The part that a column is in, and its number there.

        Raises:
            BadInput: there is no such column.
        """
        if not 0 <= column < self.count:
            raise BadInput(
                f"column {column} of {self.count}", expected="a number from 0 to one less than that"
            )
        number = bisect_right(self.firsts, column) - 1
        return self.parts[number], column - self.firsts[number]

    def node(self, column: int) -> NodeId | None:
        """The feature that a column stands for; None for gradients."""
        part, inside = self.part_of(column)
        return NodeId(Site.parse(part.site), inside) if part.site else None

    def to_plain(self) -> list[dict[str, Any]]:
        return [asdict(part) for part in self.parts]

    @classmethod
    def from_plain(cls, parts: Sequence[Mapping[str, Any]]) -> VectorColumns:
        return cls(tuple(ColumnPart(**part) for part in parts))


def columns_of(kinds: Sequence[str], sizes: Mapping[Site, int], positions: str, last: int) -> VectorColumns:
    """The columns of vectors that are made site by site.

    Args:
        kinds: ``activations``, ``effects``, ``dense``, one after the other.
        sizes: columns of each site.
        positions: ``sum``, or ``last``, which keeps the ``last`` positions apart, the last of them first.
    """
    backs = (None,) if positions == "sum" else tuple(range(last))
    return VectorColumns(
        tuple(
            ColumnPart(kind, site.name, size, back)
            for kind in kinds
            for site, size in sizes.items()
            for back in backs
        )
    )
