"""Edges into the output: each node's effect on the metric that passes no later dictionary's site."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from jaxtyping import Float
from torch import Tensor

from circuitscope.dictionaries import Dictionaries
from circuitscope.effects.direct import leaf_edit
from circuitscope.effects.edges import SECANT
from circuitscope.effects.nodes import NodeEffects, SiteEffects, line_of, with_gradient
from circuitscope.effects.quadrature import quadrature
from circuitscope.effects.replayer import Replayer
from circuitscope.effects.run_line import RunLine
from circuitscope.model import LanguageModel, Taps, linear_rules
from circuitscope.terms import Site


def direct_sites(model: LanguageModel, dictionaries: Dictionaries) -> dict[Site, list[Site]]:
    """Sites with a direct path to the logits, each with the later sites that such a path must not pass.

    The last residual site with a dictionary cuts off everything before it.
    """
    cuts = [site for site in dictionaries if site.kind in ("embed", "resid")]
    last = max(cuts, default=None)
    reaching = [site for site in dictionaries if last is None or site >= last]
    return {site: [later for later in reaching if later > site] for site in reaching}


def output_effects(
    model: LanguageModel,
    dictionaries: Dictionaries,
    effects: NodeEffects,
    *,
    at: str = "clean",
    rule: str = "gauss",
    points: int = 12,
) -> dict[Site, SiteEffects]:
    """Edges into the output: each node's effect that passes no later dictionary's site.

    For a site that nothing follows (the usual last residual site) that is the node effect itself. Otherwise
    the method's own gradient is taken again with the later sites held at their clean values: ig's integral, the
    gradient at clean of ``atp`` (with GradDrop too: nothing is left to drop), the coefficient of ``relp``.

    With ``secant`` edges and ig the gradient is averaged while all these sites move together from clean to patch, so
    that the edges into the output add up to m(patch) − m(clean).
    """
    sites = direct_sites(model, dictionaries)
    alphas, weights = quadrature(rule, points) if effects.method == "ig" else ([0.0], [1.0])
    if at == SECANT and effects.method == "ig" and len(sites) > 1:
        gradients = _moving_together(model, dictionaries.taps(model), effects, list(sites), alphas, weights)
        return {site: with_gradient(effects.sites[site], gradient) for site, gradient in gradients.items()}
    held = [site for site, later in sites.items() if later]
    found = {site: effects.sites[site] for site in sites}
    # A site holds those after it, which all of these with a later layer are.
    frozen = {site: tap for site, tap in dictionaries.taps(model).items() if site in sites}
    lines = [line_of(site, found[site]) for site in held]
    with linear_rules(model) if effects.method == "relp" else nullcontext():
        averaged = _replayer(model, effects).mean_gradients(lines, alphas, [weights], frozen)
    for site, gradient in zip(held, averaged, strict=True):
        found[site] = with_gradient(found[site], gradient[0])
    return found


def _replayer(model: LanguageModel, effects: NodeEffects) -> Replayer:
    return Replayer(model, effects.inputs, effects.metric, effects.clean_cache, effects.budget)


def _moving_together(
    model: LanguageModel,
    taps: Taps,
    effects: NodeEffects,
    sites: list[Site],
    alphas: Sequence[float],
    weights: Sequence[float],
) -> dict[Site, Float[Tensor, "batch position _"]]:
    """∂m/∂x at some sites, averaged while all of them go from clean to patch together; each holds off the others."""
    replayer, line = _replayer(model, effects), RunLine(effects.clean_cache, effects.patch_cache)
    after = sites[0].layer if sites[0].kind in ("embed", "resid") else -1
    count, start = len(effects.inputs), effects.clean_cache.streams[0]
    example = torch.arange(count, device=start.device).repeat(len(alphas))
    alpha = start.new_tensor(alphas).repeat_interleave(count)
    weight = start.new_tensor(weights).repeat_interleave(count)
    totals = {site: torch.zeros_like(effects.clean_cache.x[site]) for site in sites}

    def chunk(part: slice) -> None:
        copies, leaves = line.copies(example[part], alpha[part]), dict[Site, Tensor]()
        stream = copies.stream(after + 1).detach().requires_grad_()
        moved = [site for site in sites if site.layer > after]
        edits = {site: (taps[site], leaf_edit(leaves, site, copies)) for site in moved}
        with torch.enable_grad():
            value = replayer.metric_after({after: stream}, copies.example, edits)
            wanted = [leaves.get(site, stream) for site in sites]
            gradients = torch.autograd.grad(value.sum(), wanted)
        for site, gradient in zip(sites, gradients, strict=True):
            totals[site].index_add_(0, copies.example, weight[part, None, None] * gradient)

    replayer.plan.in_chunks([after], [len(example)], chunk)
    return totals
