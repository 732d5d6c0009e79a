"""The direct path between two sites: vector-Jacobian products through everything but other dictionaries' sites.

``direct_products`` takes a vector r at a downstream site (one per row) and returns Jᵀ r at every upstream site
that reaches it directly, J the Jacobian of all model paths that pass no other dictionary's site. Three cases:

* *pointwise*: where all neighbouring sites have dictionaries, resid_l and mlp_l are reached position by
  position: J is the identity, or goes through a norm and the MLP. All rows go through at once.
* *spread*: paths through attention, or past sites without a dictionary. Every row gets its own copy of its example;
  the blocks between run on all copies at once, with every dictionary's tensor made a leaf of its own, and one
  backward pass serves all rows. The run ends at the target: nothing after it is computed.

Both are exact; tests hold the first against the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.model import Cache, Edit, LanguageModel, Tap, Taps
from circuitscope.terms import Site


@dataclass(frozen=True)
class Products:
    """Jᵀ r for some rows, at the upstream sites that they reach."""

    rows: Int[Tensor, " row"]
    """Which of the rows asked for."""
    spread: bool
    """Whether the products have a position axis; if not, they are at the row's own position."""
    at: Mapping[Site, Tensor]
    """Per upstream site (row, width) or, when spread, (row, position, width)."""


def direct_products(
    model: LanguageModel,
    taps: Taps,
    cache: Cache,
    target: Site,
    example: Int[Tensor, " row"],
    position: Int[Tensor, " row"],
    vector: Float[Tensor, "row width"],
    budget: int,
) -> Iterator[Products]:
    """Jᵀ r for rows at ``target``; ``position`` is the column in the batch.

    ``budget`` is the number of bytes that the copies of examples for rows may hold at a time.
    """
    if len(example) == 0 or target.kind == "embed":
        return
    pointwise = _pointwise(model, taps, target)
    if pointwise is None:
        yield from _spread(model, taps, cache, target, example, position, vector, budget)
    else:
        picked = torch.arange(len(example), device=vector.device)
        yield Products(picked, False, pointwise(cache, example, position, vector))


# -- pointwise -----------------------------------------------------------------------------------------

Pointwise = Callable[[Cache, Tensor, Tensor, Tensor], dict[Site, Tensor]]


def _pointwise(model: LanguageModel, taps: Taps, target: Site) -> Pointwise | None:
    """The pointwise way to ``target`` if its neighbours all have dictionaries, else None."""
    before = Site("resid", target.layer - 1) if target.layer > 0 else Site("embed", -1)
    attn, mlp = Site("attn", target.layer), Site("mlp", target.layer)
    if target.kind == "resid" and {before, attn, mlp} <= set(taps):
        return lambda cache, example, position, vector: _to_resid(
            model, taps, cache, (before, attn, mlp), example, position, vector
        )
    usual = target.kind == "mlp" and taps[target] == model.tap(target)
    if usual and before in taps and (model.parallel or attn in taps):
        return lambda cache, example, position, vector: _to_mlp(
            model, taps, cache, (before, attn, target), example, position, vector
        )
    return None


def _to_resid(
    model: LanguageModel,
    taps: Taps,
    cache: Cache,
    sites: tuple[Site, Site, Site],
    example: Tensor,
    position: Tensor,
    vector: Tensor,
) -> dict[Site, Tensor]:
    """resid_l = resid_{l−1} + contribution(attn_l) + contribution(mlp_l), with the other two held."""
    before, attn, mlp = sites
    return {
        before: vector,
        attn: _through_contribution(model, attn, taps[attn], cache.x[attn][example, position], vector),
        mlp: _through_contribution(model, mlp, taps[mlp], cache.x[mlp][example, position], vector),
    }


def _to_mlp(
    model: LanguageModel,
    taps: Taps,
    cache: Cache,
    sites: tuple[Site, Site, Site],
    example: Tensor,
    position: Tensor,
    vector: Tensor,
) -> dict[Site, Tensor]:
    """Through norm and MLP, to the stream before the block; in a sequential block attention adds to it."""
    before, attn, mlp = sites
    block = model.blocks[mlp.layer]
    stream = cache.streams[mlp.layer][example, position]
    if not model.parallel:
        stream = stream + taps[attn].contributes(block, cache.x[attn][example, position])
    at_stream = _vjp(lambda x: model.family.mlp_from_stream(block, x), stream, vector)
    products = {before: at_stream}
    if not model.parallel:
        x = cache.x[attn][example, position]
        products[attn] = _through_contribution(model, attn, taps[attn], x, at_stream)
    return products


def _through_contribution(model: LanguageModel, site: Site, tap: Tap, x: Tensor, vector: Tensor) -> Tensor:
    """Pull a vector at the residual stream back to a tapped tensor."""
    if tap.contribution is None:
        return vector
    return _vjp(lambda value: tap.contributes(model.blocks[site.layer], value), x, vector)


def _vjp(function: Callable[[Tensor], Tensor], x: Tensor, vector: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        (product,) = torch.autograd.grad(function(leaf), leaf, vector)
    return product


# -- spread --------------------------------------------------------------------------------------------


def _spread(
    model: LanguageModel,
    taps: Taps,
    cache: Cache,
    target: Site,
    example: Tensor,
    position: Tensor,
    vector: Tensor,
    budget: int,
) -> Iterator[Products]:
    """One run of the blocks between, and one backward pass, for as many rows as the budget allows."""
    entry = _last_cut(taps, target)
    blocks = target.layer - (entry.layer if entry else -1)
    each = model.bytes_per_example(cache.tokens.positions, model.n_layers - blocks)
    for rows in torch.split(torch.arange(len(example), device=vector.device), max(1, budget // each)):
        leaves, output = _local_graph(model, taps, cache, target, entry, example[rows])
        if not output.requires_grad:  # nothing with a dictionary comes before
            return
        sites = list(leaves)
        picked = output[torch.arange(len(rows), device=vector.device), position[rows]]
        gradients = torch.autograd.grad(
            picked, [leaves[site] for site in sites], vector[rows], allow_unused=True
        )
        at = {site: gradient for site, gradient in zip(sites, gradients, strict=True) if gradient is not None}
        yield Products(rows, True, at)


def _last_cut(taps: Taps, target: Site) -> Site | None:
    """The last residual site with a dictionary before the target: it cuts every path, so a run starts there."""
    cuts = [site for site in taps if site.kind in ("embed", "resid") and site.layer < target.layer]
    return max(cuts, default=None)


class _Reached(Exception):
    """The target's tensor is there; what comes after it need not run."""


def _local_graph(
    model: LanguageModel, taps: Taps, cache: Cache, target: Site, entry: Site | None, example: Tensor
) -> tuple[dict[Site, Tensor], Tensor]:
    """Leaves at the upstream sites and the target's tensor, for copies of examples, from a run after ``entry``."""
    after = entry.layer if entry else -1
    leaves: dict[Site, Tensor] = {}
    reached: list[Tensor] = []

    def leaf(site: Site) -> Edit:
        def replace(tensor: Tensor) -> Tensor:
            leaves[site] = cache.x[site][example].detach().requires_grad_()
            return leaves[site]

        return replace

    def reach(tensor: Tensor) -> Tensor:
        reached.append(tensor)
        raise _Reached

    start = cache.streams[after + 1][example].detach()
    if entry:
        start.requires_grad_()
        leaves[entry] = start
    between = [site for site in taps if after < site.layer and site < target and site.kind != "embed"]
    edits: dict[Site, tuple[Tap, Edit]] = {site: (taps[site], leaf(site)) for site in between}
    edits[target] = (taps[target], reach)
    with torch.enable_grad(), suppress(_Reached):
        model.replay_blocks(after, start, cache.tokens.take(example), target.layer + 1, edits)
    return leaves, reached[0]
