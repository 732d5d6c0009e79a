"""Node effects: how much each feature and each error changes the metric (Marks et al. 2024, section 3.1).

IE(m; a) = m(clean | do(a = a_patch)) − m(clean), by one of three methods:

* ``exact``: that very difference, one replay per node;
* ``atp``: a_patch − a_clean along the gradient at clean, one backward pass for every site at once;
* ``ig``: the gradient averaged along the straight line from clean to patch, one site at a time.

How ig is made fast. Decoders are affine, so the line between (features, error) of clean and of patch is the
straight line x(α) = x_clean + α (x_patch − x_clean) of the site's own tensor. So:

1. run clean and patch once, and keep every site's tensor;
2. for a site, average the dense gradient ∂m/∂x over the quadrature points: ḡ. No dictionary runs here;
3. feature i: (ḡ · v_i)(f_i,patch − f_i,clean); error: ḡ · (ε_patch − ε_clean). Only active features count;
4. check: Σ effects = ḡ · (x_patch − x_clean) must equal m(do(site = patch)) − m(clean). If not, more points.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from circuitscope.activations import SiteState, read_sites
from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.effects.exact import exact_effects
from circuitscope.effects.quadrature import TOLERANCE, quadrature, schedule
from circuitscope.effects.replayer import DEFAULT_BUDGET, Replayer
from circuitscope.errors import BadInput
from circuitscope.model import Cache, LanguageModel, Tap
from circuitscope.sparse import FeatureDelta, align
from circuitscope.tasks import Inputs, Metric
from circuitscope.terms import Site

log = logging.getLogger("circuitscope")

METHODS = ("ig", "atp", "exact")


@dataclass(frozen=True)
class SiteEffects:
    """Effects of one site's nodes on one batch, per example."""

    dictionary: Dictionary
    tap: Tap
    clean: SiteState
    patch: SiteState | None
    """None for single inputs: the patch is the zero baseline."""
    features: FeatureDelta
    """The features that are active in clean or patch; the only ones with an effect."""
    feature_effect: Float[Tensor, " entry"]
    error_effect: Float[Tensor, "batch position"]
    error_delta: Float[Tensor, "batch position width"]
    """ε_patch − ε_clean."""
    gradient: Float[Tensor, "batch position width"] | None
    """ḡ, the averaged ∂m/∂x; None for ``exact``."""
    points: int = 1
    """Quadrature points used."""
    gap: float | None = None
    """The quadrature gap; None where it was not measured."""

    def only(self, keep: Bool[Tensor, " entry"]) -> SiteEffects:
        """The same with fewer features (edges from the others are not wanted)."""
        return replace(self, features=self.features.select(keep), feature_effect=self.feature_effect[keep])


@dataclass(frozen=True)
class NodeEffects:
    """Effects of every node of every site on one batch."""

    inputs: Inputs
    metric: Metric
    method: str
    sites: Mapping[Site, SiteEffects]
    clean_cache: Cache
    patch_cache: Cache | None
    clean_metric: Float[Tensor, " batch"]
    patch_metric: Float[Tensor, " batch"] | None
    budget: int


def node_effects(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    metric: Metric,
    *,
    method: str = "ig",
    rule: str = "gauss",
    points: int | None = None,
    budget: int = DEFAULT_BUDGET,
    gradients: Mapping[Site, Tensor] | None = None,
) -> NodeEffects:
    """Effects of every feature and error on the metric, per example and position.

    Args:
        inputs: pairs, or single inputs, whose patch is the zero baseline: every feature 0 and the error 0.
        metric: a loss for the clean behaviour, so effects above 0 promote it.
        method: ``ig``, ``atp`` or ``exact``.
        rule: quadrature of ig: ``gauss``, ``left`` or ``midpoint``.
        points: quadrature points; None lets ``gauss`` take 3, 6, 12, 24 until the gap is within 1e-2, and
            gives the other rules 10.
        budget: bytes of activations that one replayed batch may hold.
        gradients: ḡ of every site from an earlier call with ``ig`` or ``atp`` on the same inputs; nothing is
            replayed then.
    """
    if method not in METHODS:
        raise BadInput(f"no such method: {method!r}", expected=" or ".join(METHODS), mend="use ig")
    clean_cache, clean = read_sites(model, dictionaries, inputs.clean, metric.positions(inputs))
    clean_metric = metric(clean_cache.logits, inputs)
    patch_cache, patch, patch_metric = None, None, None
    if inputs.patch is not None:
        swapped = inputs.swapped()
        patch_cache, patch = read_sites(model, dictionaries, inputs.patch, metric.positions(swapped))
        patch_metric = metric(patch_cache.logits, swapped)
    replayer = Replayer(model, inputs, metric, clean_cache, budget)
    taps = dictionaries.taps(model)
    sides = {
        site: _both_sides(dictionary, taps[site], clean[site], patch[site] if patch else None)
        for site, dictionary in dictionaries.items()
    }
    if gradients is not None:
        sites = {site: with_gradient(side, gradients[site]) for site, side in sides.items()}
    elif method == "exact":
        sites = {site: _with_exact(replayer, site, side, clean_metric) for site, side in sides.items()}
    elif method == "atp":
        at_clean = gradients_at_clean(model, inputs, metric, taps)
        sites = {site: with_gradient(side, at_clean[site]) for site, side in sides.items()}
    else:
        totals = _total_effects(replayer, sides, clean_metric, patch_metric)
        scale = _scale(totals, clean_metric, patch_metric)
        sites = _integrated(replayer, sides, totals, scale, rule, points)
    return NodeEffects(
        inputs, metric, method, sites, clean_cache, patch_cache, clean_metric, patch_metric, budget
    )


def path(side: SiteEffects) -> tuple[Tensor, Tensor]:
    """Start and direction of the line from clean to patch; BOS and padding stay where they are."""
    start = side.clean.x
    end = side.dictionary.bias(start) if side.patch is None else side.patch.x
    return start, (end - start) * side.clean.live[:, :, None]


def gradients_at_clean(
    model: LanguageModel, inputs: Inputs, metric: Metric, taps: Mapping[Site, Tap]
) -> dict[Site, Float[Tensor, "batch position _"]]:
    """∂m/∂x of the plain model at clean, for every site, from one backward pass."""
    cache = model.capture(inputs.clean, taps, metric.positions(inputs), grad=True)
    with torch.enable_grad():
        value = metric(cache.logits, inputs).sum()
    gradients = torch.autograd.grad(value, list(cache.x.values()))
    return dict(zip(cache.x, gradients, strict=True))


def _both_sides(dictionary: Dictionary, tap: Tap, clean: SiteState, patch: SiteState | None) -> SiteEffects:
    """A site before its gradient is known."""
    features = align(clean.active, None if patch is None else patch.active)
    error_delta = -clean.error if patch is None else patch.error - clean.error
    return SiteEffects(
        dictionary,
        tap,
        clean,
        patch,
        features,
        torch.zeros_like(features.clean),
        torch.zeros_like(error_delta[:, :, 0]),
        error_delta,
        None,
    )


def with_gradient(side: SiteEffects, gradient: Tensor) -> SiteEffects:
    """A site's effects by the averaged gradient ḡ."""
    flat = gradient.reshape(-1, gradient.shape[-1])
    slope = side.dictionary.write_dot(flat, side.features.token, side.features.feature)
    return replace(
        side,
        feature_effect=slope * side.features.delta,
        error_effect=(gradient * side.error_delta).sum(dim=-1),
        gradient=gradient,
    )


def _with_exact(replayer: Replayer, site: Site, side: SiteEffects, clean_metric: Tensor) -> SiteEffects:
    feature_effect, error_effect = exact_effects(
        replayer,
        site,
        side.tap,
        side.dictionary,
        side.clean.x,
        side.features,
        side.error_delta,
        side.clean.live,
        clean_metric,
    )
    return replace(side, feature_effect=feature_effect, error_effect=error_effect)


def _total_effects(
    replayer: Replayer,
    sides: Mapping[Site, SiteEffects],
    clean_metric: Tensor,
    patch_metric: Tensor | None,
) -> dict[Site, Tensor]:
    """m(do(site = patch)) − m(clean) per example. Where the site is the whole stream of a pair it is m(patch)."""
    totals = {}
    everyone = torch.arange(len(clean_metric), device=clean_metric.device)
    for site, side in sides.items():
        if patch_metric is not None and site.kind in ("embed", "resid"):
            totals[site] = patch_metric - clean_metric
        else:
            start, delta = path(side)
            totals[site] = replayer.values(site, side.tap, start + delta, everyone) - clean_metric
    return totals


def _scale(totals: Mapping[Site, Tensor], clean_metric: Tensor, patch_metric: Tensor | None) -> float:
    """What a gap is compared with: mean |m(patch) − m(clean)|.

    Single inputs have no m(patch); there the largest total effect of a site says what is large.
    """
    if patch_metric is not None:
        return float((patch_metric - clean_metric).abs().mean())
    return max(float(total.abs().mean()) for total in totals.values())


def _integrated(
    replayer: Replayer,
    sides: Mapping[Site, SiteEffects],
    totals: Mapping[Site, Tensor],
    scale: float,
    rule: str,
    points: int | None,
) -> dict[Site, SiteEffects]:
    """ig for every site, with more points where the gap asks for them."""
    done = {}
    for site, side in sides.items():
        for count in schedule(rule, points):
            start, delta = path(side)
            alphas, weights = quadrature(rule, count)
            gradient = replayer.mean_gradient(site, side.tap, start, delta, alphas, weights)
            difference = (gradient * delta).sum(dim=(1, 2)) - totals[site]
            gap = float(difference.abs().mean()) / max(scale, 1e-12)
            if gap <= TOLERANCE:
                break
        if gap > TOLERANCE:
            log.debug("the quadrature gap of %s is %.1e with %d points", site, gap, count)
        done[site] = replace(with_gradient(side, gradient), points=count, gap=gap)
    return done
