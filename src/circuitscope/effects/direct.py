"""The direct path between two sites: vector-Jacobian products through everything but other dictionaries' sites.

A ``DirectPath`` takes a vector r at a downstream site (one per copy of an example) and returns Jᵀ r at every upstream
site that reaches it directly, J the Jacobian of all model paths that pass no other dictionary's site. Two cases:

* *pointwise*: where all neighbouring sites have dictionaries, resid_l and mlp_l are reached position by
  position: J is the identity, or goes through a norm and the MLP. All copies go through at once.
* *spread*: paths through attention, or past sites without a dictionary. The blocks between run on all copies at
  once, with every dictionary's tensor made a leaf of its own, and one backward pass serves all copies. The run ends
  at the target: nothing after it is computed.

Both are exact; tests hold the first against the second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.effects.run_line import RunCopies
from circuitscope.model import Edit, LanguageModel, Tap, Taps
from circuitscope.terms import Site


@dataclass(frozen=True)
class Products:
    """Jᵀ r of some copies, at the upstream sites that reach their rows."""

    at: Mapping[Site, Tensor]
    """Per upstream site (copy, width) or, when spread, (copy, position, width)."""
    elsewhere: Tensor | None = None
    """The same at the stream that the path starts from, where no dictionary covers it."""


@dataclass(frozen=True)
class DirectPath:
    """All model paths into one site, other than the embedding, that pass no other dictionary's site."""

    model: LanguageModel
    taps: Taps
    target: Site

    @cached_property
    def is_spread(self) -> bool:
        """Whether a row depends on other positions than its own, so that products have a position axis."""
        return self._pointwise is None

    @cached_property
    def entry(self) -> Site | None:
        """The last residual site with a dictionary before the target: it cuts every path, so a run starts there."""
        return last_cut(self.taps, self.target)

    @property
    def entry_layer(self) -> int:
        """The block after which a run starts; -1 is before the first."""
        return self.entry.layer if self.entry else -1

    def bytes_per_copy(self, positions: int) -> int:
        """What a copy of an example holds during a run, generously."""
        blocks = self.target.layer - self.entry_layer if self.is_spread else 0
        return self.model.bytes_per_example(positions, self.model.n_layers - blocks)

    def products(
        self, copies: RunCopies, position: Int[Tensor, " copy"], vector: Float[Tensor, "copy width"]
    ) -> Products:
        """Jᵀ r for one row per copy; ``position`` is its column in the batch."""
        if self._pointwise is not None:
            return Products(self._pointwise(copies, position, vector))
        return self._through_blocks(copies, position, vector)

    # -- pointwise -------------------------------------------------------------------------------------

    @cached_property
    def _pointwise(self) -> Callable[[RunCopies, Tensor, Tensor], dict[Site, Tensor]] | None:
        """The pointwise way to the target if its neighbours all have dictionaries, else None."""
        model, target, taps = self.model, self.target, self.taps
        attn, mlp = Site("attn", target.layer), Site("mlp", target.layer)
        if target.kind == "resid" and {self._before, attn, mlp} <= set(taps):
            return self._to_resid
        usual = target.kind == "mlp" and taps[target] == model.tap(target)
        if usual and self._before in taps and (model.parallel or attn in taps):
            return self._to_mlp
        return None

    @property
    def _before(self) -> Site:
        """The residual stream before the target's block."""
        return Site("resid", self.target.layer - 1) if self.target.layer > 0 else Site("embed", -1)

    def _to_resid(self, copies: RunCopies, position: Tensor, vector: Tensor) -> dict[Site, Tensor]:
        """resid_l = resid_{l−1} + contribution(attn_l) + contribution(mlp_l), with the other two held."""
        parts = (Site(kind, self.target.layer) for kind in ("attn", "mlp"))
        through = {site: self._through_contribution(site, copies, position, vector) for site in parts}
        return {self._before: vector, **through}

    def _to_mlp(self, copies: RunCopies, position: Tensor, vector: Tensor) -> dict[Site, Tensor]:
        """Through norm and MLP, to the stream before the block; in a sequential block attention adds to it."""
        model, attn = self.model, Site("attn", self.target.layer)
        block = model.blocks[self.target.layer]
        stream = copies.stream(self.target.layer, position)
        if not model.parallel:
            stream = stream + self.taps[attn].contributes(block, copies.x(attn, position))
        at_stream = _vjp(lambda x: model.family.mlp_from_stream(block, x), stream, vector)
        products = {self._before: at_stream}
        if not model.parallel:
            products[attn] = self._through_contribution(attn, copies, position, at_stream)
        return products

    def _through_contribution(
        self, site: Site, copies: RunCopies, position: Tensor, vector: Tensor
    ) -> Tensor:
        """Pull a vector at the residual stream back to a tapped tensor."""
        tap = self.taps[site]
        if tap.contribution is None:
            return vector
        block = self.model.blocks[site.layer]
        return _vjp(lambda value: tap.contributes(block, value), copies.x(site, position), vector)

    # -- spread ----------------------------------------------------------------------------------------

    def _through_blocks(self, copies: RunCopies, position: Tensor, vector: Tensor) -> Products:
        """One run of the blocks between, and one backward pass, for all copies."""
        leaves, start, output = self._local_graph(copies)
        if not output.requires_grad:  # the target's tensor is the input of its path
            return Products({})
        picked = output[torch.arange(len(copies), device=vector.device), position]
        wanted = [*leaves.values(), start]
        *gradients, of_start = torch.autograd.grad(picked, wanted, vector.to(picked.dtype), allow_unused=True)
        at = {site: part for site, part in zip(leaves, gradients, strict=True) if part is not None}
        if self.entry is not None and of_start is not None:
            at[self.entry] = of_start
        return Products(at, of_start if self.entry is None else None)

    def _local_graph(self, copies: RunCopies) -> tuple[dict[Site, Tensor], Tensor, Tensor]:
        """Leaves at the sites between, the stream that the run starts from, and the target's tensor."""
        leaves: dict[Site, Tensor] = {}
        reached: list[Tensor] = []

        def reach(tensor: Tensor) -> Tensor:
            reached.append(tensor)
            raise _Reached

        after = self.entry_layer
        start = copies.stream(after + 1).detach().requires_grad_()
        between = [
            site for site in self.taps if after < site.layer and site < self.target and site.kind != "embed"
        ]
        edits: dict[Site, tuple[Tap, Edit]] = {
            site: (self.taps[site], leaf_edit(leaves, site, copies)) for site in between
        }
        edits[self.target] = (self.taps[self.target], reach)
        with torch.enable_grad(), suppress(_Reached):
            self.model.replay_blocks(after, start, copies.tokens, self.target.layer + 1, edits)
        return leaves, start, reached[0]


class _Reached(Exception):
    """The target's tensor is there; what comes after it need not run."""


def last_cut(taps: Taps, target: Site) -> Site | None:
    """The last residual site with a dictionary before a site's layer; None where there is none."""
    cuts = [site for site in taps if site.kind in ("embed", "resid") and site.layer < target.layer]
    return max(cuts, default=None)


def leaf_edit(leaves: dict[Site, Tensor], site: Site, copies: RunCopies) -> Edit:
    """Replaces a site's tensor by a leaf at its value in the copies, and leaves it in ``leaves``."""

    def replace(tensor: Tensor) -> Tensor:
        leaves[site] = copies.x(site).detach().requires_grad_()
        return leaves[site]

    return replace


def _vjp(function: Callable[[Tensor], Tensor], x: Tensor, vector: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        output = function(leaf)
        (product,) = torch.autograd.grad(output, leaf, vector.to(output.dtype))
    return product
