"""SparseProjection: many numbers to few, so that inner products stay about what they are.

Every input has ``HITS`` entries of +1 or −1 among the outputs (Marks et al. 2024, appendix G: 32 in 30,000), here
divided by √HITS, so that lengths stay what they are on average. Which outputs, and with which signs, is a hash of
seed and input (splitmix64), so the matrix is made where it is needed, some inputs at a time, and is never stored.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

HITS = 32
"""Entries of an input; two may fall on one output, where they add up or cancel."""
_GOLDEN, _FIRST, _SECOND = -7046029254386353131, -4658895280553007687, -7723592293110705685
"""splitmix64's constants, as signed numbers."""


class SparseProjection:
    """A fixed random matrix of +1, −1 and mostly 0, over √HITS."""

    def __init__(self, outputs: int, seed: int = 0) -> None:
        self.outputs = outputs
        self._start = int(_mixed(torch.tensor([seed]))[0])

    def entries(
        self, first: int, count: int, device: torch.device | str = "cpu"
    ) -> tuple[Int[Tensor, "{count} hit"], Float[Tensor, "{count} hit"]]:
        """Output and sign of each entry of the inputs from ``first`` on."""
        draws = HITS // 2  # a hash has 64 bits: two entries
        counter = torch.arange(first * draws, (first + count) * draws, device=device)
        hashed = _mixed(counter * _GOLDEN + self._start)
        halves = torch.stack([hashed & 0xFFFFFFFF, (hashed >> 32) & 0xFFFFFFFF], dim=1)
        sign = 1.0 - 2.0 * (halves & 1)
        output = ((halves >> 1) * self.outputs) >> 31
        return output.view(count, HITS), sign.view(count, HITS).float()

    def add(self, into: Float[Tensor, "output row"], inputs: Float[Tensor, "input row"], first: int) -> None:
        """Add what a stretch of inputs, the first of which has the number ``first``, contributes to some rows."""
        output, sign = self.entries(first, inputs.shape[0], inputs.device)
        scaled = sign / math.sqrt(HITS)
        add = _add_as_matrix if inputs.device.type == "cpu" else _add_hit_by_hit
        add(into, inputs, output, scaled)


def _add_hit_by_hit(into: Tensor, inputs: Tensor, output: Tensor, value: Tensor) -> None:
    """What a GPU does quickly."""
    for hit in range(HITS):
        into.index_add_(0, output[:, hit], inputs * value[:, hit, None])


def _add_as_matrix(into: Tensor, inputs: Tensor, output: Tensor, value: Tensor) -> None:
    """What a CPU does quickly: a product with compressed sparse rows, each of which has as many entries."""
    starts = np.arange(0, output.numel() + 1, HITS)
    shape = (inputs.shape[0], into.shape[0])
    matrix = sparse.csr_matrix((value.flatten().numpy(), output.flatten().numpy(), starts), shape)
    into += torch.from_numpy(matrix.T @ inputs.numpy())


def _mixed(number: Int[Tensor, " draw"]) -> Int[Tensor, " draw"]:
    """The last steps of splitmix64; products wrap around, as they are meant to."""
    number = (number ^ ((number >> 30) & (2**34 - 1))) * _FIRST
    number = (number ^ ((number >> 27) & (2**37 - 1))) * _SECOND
    return number ^ ((number >> 31) & (2**33 - 1))
