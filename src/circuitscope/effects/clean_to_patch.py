"""Lines: the straight line of a site's tensor from clean to patch, and the copies that stand at its points.

A set of copies makes its tensors only when, and as far as, they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.model import Tap
from circuitscope.terms import Site


@runtime_checkable
class Moved(Protocol):
    """Copies of a batch's examples in each of which one site's tensor is replaced."""

    @property
    def site(self) -> Site: ...

    @property
    def tap(self) -> Tap: ...

    def __len__(self) -> int: ...

    def at(self, piece: slice) -> Float[Tensor, "copy position _"]:
        """The site's tensor in some of the copies."""

    def example(self, piece: slice) -> Int[Tensor, " copy"]:
        """The example of the batch that each copy is one of."""


@dataclass(frozen=True)
class Replaced:
    """Copies with tensors that are there already."""

    site: Site
    tap: Tap
    x: Float[Tensor, "copy position _"]
    rows: Int[Tensor, " copy"]

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, piece: slice) -> Float[Tensor, "copy position _"]:
        return self.x[piece]

    def example(self, piece: slice) -> Int[Tensor, " copy"]:
        return self.rows[piece]


@dataclass(frozen=True)
class CleanToPatch:
    """x(α) = start + α · delta at one site, for some examples of a batch."""

    site: Site
    tap: Tap
    start: Float[Tensor, "row position width"]
    delta: Float[Tensor, "row position width"]
    """0 at BOS and padding, which stay where they are."""
    rows: Int[Tensor, " row"]
    """Which examples of the batch."""

    def only(self, some: Int[Tensor, " some"]) -> CleanToPatch:
        """The line of some of its rows."""
        return replace(self, start=self.start[some], delta=self.delta[some], rows=self.rows[some])


class Copies:
    """A line's examples, once for every point: first all at the first point, then all at the second, …"""

    def __init__(
        self,
        line: CleanToPatch,
        alphas: Float[Tensor, " point"],
        weights: Float[Tensor, "rule point"],
    ) -> None:
        self.line = line
        self.site, self.tap = line.site, line.tap
        n_rows = len(line.rows)
        self._row = torch.arange(n_rows, device=line.start.device).repeat(len(alphas))
        self._alpha = alphas.repeat_interleave(n_rows)
        self._weights = weights.repeat_interleave(n_rows, dim=1)

    def __len__(self) -> int:
        return len(self._row)

    def at(self, piece: slice) -> Float[Tensor, "copy position width"]:
        row = self._row[piece]
        return self.line.start[row] + self._alpha[piece, None, None] * self.line.delta[row]

    def example(self, piece: slice) -> Int[Tensor, " copy"]:
        return self.line.rows[self._row[piece]]

    def add_weighted(
        self, totals: Tensor, piece: slice, gradient: Float[Tensor, "copy position width"]
    ) -> None:
        """Add the copies' gradients, under every rule, to their rows of ``totals`` (rule, row, position, width)."""
        totals.index_add_(1, self._row[piece], self._weights[:, piece, None, None] * gradient)
