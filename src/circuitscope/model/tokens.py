"""TokenBatch: token ids with the mask that says which of them are real.

Padding is known by the mask and never by comparing ids, so a model without a pad token, or one whose pad
token is also a word, works. Position ids always come from the mask, so padding may be on either side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from circuitscope.errors import BadInput


@dataclass(frozen=True)
class TokenBatch:
    """Token ids of a batch of examples of possibly different lengths."""

    ids: Int[Tensor, "batch position"]
    mask: Bool[Tensor, "batch position"]
    """True at real tokens, false at padding."""
    has_bos: bool
    """Whether the first real token of every example is a BOS that was put before the text."""

    @property
    def batch(self) -> int:
        return int(self.ids.shape[0])

    @property
    def positions(self) -> int:
        return int(self.ids.shape[1])

    @property
    def position_ids(self) -> Int[Tensor, "batch position"]:
        """Each real token's index among the real tokens of its example; 0 at padding on the left."""
        return (self.mask.long().cumsum(dim=1) - 1).clamp(min=0)

    @property
    def live(self) -> Bool[Tensor, "batch position"]:
        """Tokens that can be nodes: neither padding nor BOS."""
        return self.mask & (self.position_ids > 0) if self.has_bos else self.mask

    @property
    def last(self) -> Int[Tensor, " batch"]:
        """The column of each example's last real token."""
        columns = torch.arange(self.positions, device=self.ids.device)
        return torch.where(self.mask, columns, -1).max(dim=1).values

    def take(self, rows: Int[Tensor, " row"]) -> TokenBatch:
        """The examples at ``rows``, which may repeat."""
        return TokenBatch(self.ids[rows], self.mask[rows], self.has_bos)

    def to(self, device: torch.device) -> TokenBatch:
        return TokenBatch(self.ids.to(device), self.mask.to(device), self.has_bos)


def pad(sequences: Sequence[Sequence[int]], *, has_bos: bool, side: str = "right") -> TokenBatch:
    """Put sequences of different lengths into one batch; the id at padding is 0 and means nothing."""
    longest = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        place = slice(0, len(sequence)) if side == "right" else slice(longest - len(sequence), longest)
        ids[row, place] = torch.tensor(list(sequence), dtype=torch.long)
        mask[row, place] = True
    return TokenBatch(ids, mask, has_bos)


def refuse_unreadable_tokens(tokens: TokenBatch, positions: int | None, rows: int, name: str) -> None:
    """Raise BadInput for what ends in an IndexError, or in numbers that mean nothing.

    Token ids are looked at on the CPU only: elsewhere, reading one back would hold up every pass of the model.

    Args:
        positions: how many the model has; None for any number.
        rows: of its embedding.
    """
    too_long = positions is not None and tokens.ids.shape[1] > positions
    if too_long and (longest := int(tokens.position_ids.max()) + 1) > (positions or 0):
        raise BadInput(
            f"a text of {longest} tokens is too long for {name}, which has {positions} positions",
            expected=f"texts of at most {positions} tokens, BOS included",
            mend="shorten the texts",
        )
    if tokens.ids.device.type == "cpu" and tokens.ids.numel() and int(tokens.ids.max()) >= rows:
        raise BadInput(
            f"a text has token {int(tokens.ids.max())}, but the embedding of {name} has only {rows} rows",
            expected="a tokenizer that belongs to the model",
            mend="load the model with its own tokenizer: load_model(…, tokenizer=…)",
        )
