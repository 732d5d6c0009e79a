"""Exact node effects: replace one node at one token, replay, and look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.activations import SiteState
from circuitscope.effects.replayer import Replayer
from circuitscope.model import Tap
from circuitscope.sparse import FeatureDelta
from circuitscope.terms import Site


@dataclass(frozen=True)
class NodeChanges:
    """The nodes of one site, and what they do between clean and patch."""

    tap: Tap
    clean: SiteState
    features: FeatureDelta
    error_delta: Float[Tensor, "batch position width"]


Exact = tuple[Float[Tensor, " entry"], Float[Tensor, "batch position"]]
"""Effects of a site's features and errors."""


def exact_effects(
    replayer: Replayer, sites: Mapping[Site, NodeChanges], clean_metric: Float[Tensor, " batch"]
) -> dict[Site, Exact]:
    """m(clean | do(node = its patch value)) − m(clean) for every feature that changes and every error."""
    asked = {site: _copies(site, nodes) for site, nodes in sites.items()}
    values = iter(replayer.values([copies for both in asked.values() for copies in both]))
    found = {}
    for site, nodes in sites.items():
        effects = torch.zeros_like(nodes.features.clean), torch.zeros_like(nodes.error_delta[:, :, 0])
        for copies, effect in zip(asked[site], effects, strict=True):
            effect.view(-1)[copies.number] = next(values) - clean_metric[copies.example(slice(None))]
        found[site] = effects
    return found


@dataclass(frozen=True)
class _OneNodeEach:
    """Copies of examples in each of which one node of a site takes its patch value."""

    site: Site
    tap: Tap
    x: Float[Tensor, "batch position width"]
    number: Int[Tensor, " copy"]
    """Which of the site's features, or errors, each copy is for."""
    token: Int[Tensor, " copy"]
    change: Callable[[Tensor], Tensor]
    """What the nodes of some numbers add to the site's tensor at their token."""

    def __len__(self) -> int:
        return len(self.number)

    def at(self, piece: slice) -> Float[Tensor, "copy position width"]:
        moved = self.x[self.example(piece)]
        position = self.token[piece] % self.x.shape[1]
        copy = torch.arange(len(moved), device=moved.device)
        moved[copy, position] += self.change(self.number[piece])
        return moved

    def example(self, piece: slice) -> Int[Tensor, " copy"]:
        return torch.div(self.token[piece], self.x.shape[1], rounding_mode="floor")


def _copies(site: Site, nodes: NodeChanges) -> tuple[_OneNodeEach, _OneNodeEach]:
    """Of the site's features that change, and of its errors."""
    features, clean = nodes.features, nodes.clean
    errors = nodes.error_delta.flatten(0, 1)

    def of_features(number: Tensor) -> Tensor:
        write = clean.dictionary.write_vectors(features.feature[number])
        return features.delta[number, None] * write

    (changed,) = (features.delta != 0).nonzero(as_tuple=True)
    (tokens,) = (clean.live.flatten() & (errors != 0).any(dim=1)).nonzero(as_tuple=True)
    return (
        _OneNodeEach(site, nodes.tap, clean.x, changed, features.token[changed], of_features),
        _OneNodeEach(site, nodes.tap, clean.x, tokens, tokens, errors.__getitem__),
    )
