"""What a batch of contexts becomes: the interface that the kinds of vector share, and which tokens they look at."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from circuitscope.behaviours.vectors.columns import VectorColumns
from circuitscope.behaviours.vectors.store import VectorRows
from circuitscope.model import TokenBatch
from circuitscope.tasks import METRICS, Inputs

METRIC = METRICS["log-probability"]
"""m = −log p(answer)."""


@runtime_checkable
class RowMaker(Protocol):
    """Makes the vectors of a batch of contexts."""

    columns: VectorColumns
    is_sparse: bool

    def rows(self, inputs: Inputs) -> VectorRows:
        """A row for each context of a batch."""
        ...

    def bytes_per_context(self, positions: int) -> int:
        """About what one context of so many tokens takes while its row is made."""
        ...


def wide(tensor: Tensor) -> Tensor:
    """In float32 at least, so that sums of half-precision numbers keep what is in them."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def tokens_back(tokens: TokenBatch) -> Int[Tensor, "batch position"]:
    """How many tokens each one stands before the last of its context."""
    return tokens.position_ids.max(dim=1, keepdim=True).values - tokens.position_ids


def wanted_tokens(tokens: TokenBatch, last: int | None) -> Bool[Tensor, "batch position"]:
    """The tokens that count: neither padding nor BOS, and only the ``last`` ones unless that is None."""
    return tokens.live if last is None else tokens.live & (tokens_back(tokens) < last)
