"""RunLine: the straight line from the clean run to the patch run, on which all upstream tensors move together.

The edges of a pair share out what a site's tensor does between clean and patch. Along the direct path its tensor is a
function of the upstream sites' tensors alone, so moving all of those together from clean to patch takes it from its
clean value to its patch value, and the Jacobian averaged along that line explains exactly the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.model import Cache, TokenBatch
from circuitscope.terms import Site


@dataclass(frozen=True)
class RunLine:
    """Where the direct path is looked at: a single run, or the line between two."""

    start: Cache
    end: Cache | None = None
    """None where only ``start`` is looked at."""

    def copies(self, example: Int[Tensor, " copy"], alpha: Float[Tensor, " copy"]) -> RunCopies:
        """Copies of examples, each at its own point of the line (0 is the start)."""
        return RunCopies(self, example, alpha)

    def change(self, site: Site) -> Float[Tensor, "batch position _"]:
        """What the site's tensor does along the whole line."""
        start = self.start.x[site]
        return torch.zeros_like(start) if self.end is None else self.end.x[site] - start

    def stream_change(self, layer: int) -> Float[Tensor, "batch position _"]:
        """What the residual stream before block ``layer`` does along the whole line."""
        start = self.start.streams[layer]
        return torch.zeros_like(start) if self.end is None else self.end.streams[layer] - start


@dataclass(frozen=True)
class RunCopies:
    """Copies of a batch's examples at points of a line."""

    line: RunLine
    example: Int[Tensor, " copy"]
    alpha: Float[Tensor, " copy"]

    def __len__(self) -> int:
        return len(self.example)

    @property
    def tokens(self) -> TokenBatch:
        return self.line.start.tokens.take(self.example)

    def x(self, site: Site, position: Int[Tensor, " copy"] | None = None) -> Tensor:
        """The site's tensor in each copy (copy, position, width), or at one position of each (copy, width)."""
        end = None if self.line.end is None else self.line.end.x[site]
        return self._between(self.line.start.x[site], end, position)

    def stream(self, layer: int, position: Int[Tensor, " copy"] | None = None) -> Tensor:
        """The residual stream before block ``layer``, as ``x``."""
        end = None if self.line.end is None else self.line.end.streams[layer]
        return self._between(self.line.start.streams[layer], end, position)

    def _between(self, start: Tensor, end: Tensor | None, position: Tensor | None) -> Tensor:
        where = (self.example,) if position is None else (self.example, position)
        first = start[where]
        if end is None:
            return first
        alpha = self.alpha.to(first.dtype).view(-1, *[1] * (first.dim() - 1))
        return first + alpha * (end[where] - first)
