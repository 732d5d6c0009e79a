"""Sums and products over rows of a weight matrix, token by token, without copying the rows."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag


def sum_rows(
    rows: Float[Tensor, "feature width"],
    token: Int[Tensor, " entry"],
    feature: Int[Tensor, " entry"],
    value: Float[Tensor, " entry"],
    n_tokens: int,
) -> Float[Tensor, "{n_tokens} width"]:
    """Σ value · rows[feature] into each token."""
    if not is_sorted(token):
        order = torch.argsort(token, stable=True)
        token, feature, value = token[order], feature[order], value[order]
    first = torch.searchsorted(token, torch.arange(n_tokens, device=token.device))
    summed: Tensor = embedding_bag(feature, rows, first, mode="sum", per_sample_weights=value)
    return summed


def is_sorted(token: Int[Tensor, " entry"]) -> bool:
    """Whether entries are grouped by token, in the order of tokens."""
    return bool((token[1:] >= token[:-1]).all())
