"""Exact node effects: replace one node at one token, replay, and look."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from circuitscope.activations import SiteState
from circuitscope.effects.replayer import Replayer
from circuitscope.model import Tap
from circuitscope.sparse import FeatureDelta
from circuitscope.terms import Site

ROWS_AT_ONCE = 4096
"""Copies of examples that are made at a time, before the replayer cuts them to its budget."""


def exact_effects(
    replayer: Replayer,
    site: Site,
    tap: Tap,
    clean: SiteState,
    features: FeatureDelta,
    error_delta: Float[Tensor, "batch position width"],
    clean_metric: Float[Tensor, " batch"],
) -> tuple[Float[Tensor, " entry"], Float[Tensor, "batch position"]]:
    """m(clean | do(node = its patch value)) − m(clean) for every feature that changes and every error."""
    effect = torch.zeros_like(features.clean)
    changed = (features.delta != 0).nonzero()[:, 0]
    for part in torch.split(changed, ROWS_AT_ONCE):
        change = features.delta[part, None] * clean.dictionary.write_vectors(features.feature[part])
        effect[part] = _move(replayer, site, tap, clean.x, features.token[part], change, clean_metric)
    error_effect = torch.zeros_like(error_delta[:, :, 0])
    flat = error_delta.reshape(-1, error_delta.shape[-1])
    tokens = (clean.live.flatten() & (flat != 0).any(dim=1)).nonzero()[:, 0]
    for part in torch.split(tokens, ROWS_AT_ONCE):
        error_effect.view(-1)[part] = _move(replayer, site, tap, clean.x, part, flat[part], clean_metric)
    return effect, error_effect


def _move(
    replayer: Replayer,
    site: Site,
    tap: Tap,
    x: Tensor,
    token: Tensor,
    change: Tensor,
    clean_metric: Tensor,
) -> Tensor:
    """The effect of adding ``change`` to the site at one token, each in its own copy of the example."""
    example = torch.div(token, x.shape[1], rounding_mode="floor")
    position = token - example * x.shape[1]
    moved = x[example]
    moved[torch.arange(len(token), device=x.device), position] += change
    return replayer.values(site, tap, moved, example) - clean_metric[example]
