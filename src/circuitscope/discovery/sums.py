"""Sparse running sums: the mean and its standard error of quantities that most examples do not have.

A quantity is named by a whole number (``key``). What an example does not mention is 0 for it, and counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Sums:
    """Per key, the sum and the sum of squares over examples, in float64."""

    key: NDArray[np.int64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    def mean(self, examples: int) -> NDArray[np.float64]:
        return self.total / examples

    def stderr(self, examples: int) -> NDArray[np.float64]:
        """Standard error of the mean over examples; 0 for a single example, of which nothing is known."""
        if examples < 2:
            return np.zeros_like(self.total)
        variance = np.maximum(self.squares - self.total**2 / examples, 0) / (examples - 1)
        return np.sqrt(variance / examples)


def within_examples(
    example: Int[Tensor, " entry"],
    key: Int[Tensor, " entry"],
    value: Float[Tensor, " entry"],
    n_keys: int,
) -> tuple[Int[Tensor, " sum"], Int[Tensor, " sum"], Float[Tensor, " sum"]]:
    """Entries of one example and key summed to one, in float64; ``n_keys`` is above every key."""
    within, place = torch.unique(example * n_keys + key, return_inverse=True)
    each = torch.zeros(len(within), dtype=torch.float64, device=value.device)
    each.index_add_(0, place, value.double())
    return torch.div(within, n_keys, rounding_mode="floor"), within % n_keys, each


def sum_examples(
    example: Int[Tensor, " entry"],
    key: Int[Tensor, " entry"],
    value: Float[Tensor, " entry"],
    n_keys: int,
) -> Sums:
    """Sum entries within each example first, then over examples; ``n_keys`` is above every key."""
    _, keys, each = within_examples(example, key, value, n_keys)
    found, slot = torch.unique(keys, return_inverse=True)
    total = torch.zeros(len(found), dtype=torch.float64, device=value.device)
    squares = torch.zeros_like(total).index_add_(0, slot, each**2)
    total.index_add_(0, slot, each)
    return Sums(found.cpu().numpy(), total.cpu().numpy(), squares.cpu().numpy())


def add(parts: Sequence[Sums]) -> Sums:
    """Add the sums of batches, always in the order given, so that a resumed run gives identical numbers."""
    key, slot = np.unique(np.concatenate([part.key for part in parts]), return_inverse=True)
    total, squares = np.zeros(len(key)), np.zeros(len(key))
    np.add.at(total, slot, np.concatenate([part.total for part in parts]))
    np.add.at(squares, slot, np.concatenate([part.squares for part in parts]))
    return Sums(key, total, squares)
