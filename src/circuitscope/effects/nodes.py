"""Node effects: how much each feature and each error changes the metric (Marks et al. 2024, section 3.1).

IE(m; a) = m(clean | do(a = a_patch)) − m(clean), by one of five methods:

* ``exact``: that very difference, one replay per node;
* ``atp``: a_patch − a_clean along the gradient at clean, one backward pass for every site at once;
* ``atp-graddrop``: the same with one block dropped at a time, so that effects cannot cancel (``graddrop.py``);
* ``relp``: the same with the coefficients of linear rules in place of the gradient (``relp.py``);
* ``ig``: the gradient averaged along the straight line from clean to patch, one site at a time.

How ig is made fast. Decoders are affine, so the line between (features, error) of clean and of patch is the
straight line x(α) = x_clean + α (x_patch − x_clean) of the site's own tensor. So:

1. run clean and patch once, and keep every site's tensor;
2. for a site, average the dense gradient ∂m/∂x over the quadrature points: ḡ. No dictionary runs here;
3. feature i: (ḡ · v_i)(f_i,patch − f_i,clean); error: ḡ · (ε_patch − ε_clean). Only active features count;
4. check: Σ effects = ḡ · (x_patch − x_clean) must equal m(do(site = patch)) − m(clean). If not, more points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from circuitscope.activations import SiteState, read_pairs, read_sites
from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.effects.at_clean import gradients_at_clean
from circuitscope.effects.budget import usual_budget
from circuitscope.effects.clean_to_patch import CleanToPatch
from circuitscope.effects.exact import NodeChanges, exact_effects
from circuitscope.effects.graddrop import gradients_with_drops, signed_mean
from circuitscope.effects.integrate import integrate
from circuitscope.effects.relp import coefficients_at_clean
from circuitscope.effects.replayer import Replayer
from circuitscope.errors import BadInput, expect
from circuitscope.model import Cache, LanguageModel, Tap
from circuitscope.sparse import FeatureDelta, align
from circuitscope.tasks import Inputs, Metric
from circuitscope.terms import Site

METHODS = ("ig", "atp", "atp-graddrop", "relp", "exact")


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


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        entries = sum(side.features.token.numel() for side in self.sites.values())
        return (
            f"NodeEffects({self.method}, {self.metric.name}: {entries:,} feature effects at {len(self.sites)} sites, "
            f"{len(self.inputs)} examples of {self.inputs.clean.positions} tokens)"
        )

    @property
    def nbytes(self) -> int:
        """What they hold in memory, roughly: seven dense tensors per site, and the features' columns."""
        dense = sum(side.clean.x.nbytes for side in self.sites.values())
        entries = sum(side.features.token.nbytes for side in self.sites.values())
        return 7 * dense + 8 * entries


def node_effects(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    metric: Metric,
    *,
    method: str = "ig",
    rule: str = "gauss",
    points: int | None = None,
    budget: int | None = None,
    gradients: Mapping[Site, Tensor] | None = None,
) -> NodeEffects:
    """Effects of every feature and error on the metric, per example and position.

    Args:
        inputs: pairs, or single inputs, whose patch is the zero baseline: every feature 0 and the error 0.
        metric: a loss for the clean behaviour, so effects above 0 promote it.
        method: one of ``METHODS``.
        rule: quadrature of ig: ``gauss``, ``left`` or ``midpoint``.
        points: quadrature points; None lets ``gauss`` take 3, 7, 15, 31 until the gap is within 1e-2, and
            gives the other rules 10.
        budget: bytes of activations that one replayed batch may hold; None takes 2 GiB, and on a GPU half of what
            is free.
        gradients: ḡ of every site from an earlier call on the same inputs; nothing is replayed then. For
            ``atp-graddrop``, whose effects are not one gradient's, the effects are then those of ``atp``.
    """
    call = "node_effects(model, dictionaries, inputs, metric)"
    expect(model, LanguageModel, "model", call)
    expect(dictionaries, Dictionaries, "dictionaries", call)
    expect(inputs, Inputs, "inputs", call)
    expect(metric, Metric, "metric", call)
    if method not in METHODS:
        raise BadInput(f"no such method: {method!r}", expected=" or ".join(METHODS), mend="use ig")
    budget = usual_budget(model.device) if budget is None else budget
    patch_cache, patch, patch_metric = None, None, None
    if inputs.patch is None:
        clean_cache, clean = read_sites(model, dictionaries, inputs.clean, metric.positions(inputs))
    else:
        swapped = inputs.swapped()
        asked = metric.positions(inputs), metric.positions(swapped)
        (clean_cache, clean), (patch_cache, patch) = read_pairs(
            model, dictionaries, inputs.clean, inputs.patch, *asked
        )
        patch_metric = metric(patch_cache.logits, swapped)
    clean_metric = metric(clean_cache.logits, inputs)
    replayer = Replayer(model, inputs, metric, clean_cache, budget)
    taps = dictionaries.taps(model)
    sides = {
        site: _both_sides(dictionary, taps[site], clean[site], patch[site] if patch else None)
        for site, dictionary in dictionaries.items()
    }
    if gradients is not None:
        sites = {site: with_gradient(side, gradients[site]) for site, side in sides.items()}
    elif method == "exact":
        sites = _with_exact(replayer, sides, clean_metric)
    elif method in ("atp", "relp"):
        find = gradients_at_clean if method == "atp" else coefficients_at_clean
        at_clean = find(model, inputs, metric, taps)
        sites = {site: with_gradient(side, at_clean[site]) for site, side in sides.items()}
    elif method == "atp-graddrop":
        plain, dropped = gradients_with_drops(model, inputs, metric, taps)
        sites = {site: _with_drops(side, plain[site], dropped[site]) for site, side in sides.items()}
    else:
        lines = {site: line_of(site, side) for site, side in sides.items()}
        found = integrate(replayer, lines, clean_metric, patch_metric, rule, points)
        sites = {
            site: replace(
                with_gradient(side, found[site].gradient), points=found[site].points, gap=found[site].gap
            )
            for site, side in sides.items()
        }
    return NodeEffects(
        inputs, metric, method, sites, clean_cache, patch_cache, clean_metric, patch_metric, budget
    )


def line_of(site: Site, side: SiteEffects) -> CleanToPatch:
    """The line of a site from clean to patch; BOS and padding stay where they are."""
    start = side.clean.x
    end = side.dictionary.bias(start) if side.patch is None else side.patch.x
    everyone = torch.arange(start.shape[0], device=start.device)
    return CleanToPatch(site, side.tap, start, (end - start) * side.clean.live[:, :, None], everyone)


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


def _with_drops(side: SiteEffects, plain: Tensor, dropped: list[Tensor]) -> SiteEffects:
    """A site's effects by GradDrop; edges, which are derivatives, go on with the plain gradient."""
    usual, each = with_gradient(side, plain), [with_gradient(side, gradient) for gradient in dropped]
    return replace(
        usual,
        feature_effect=signed_mean(usual.feature_effect, [other.feature_effect for other in each]),
        error_effect=signed_mean(usual.error_effect, [other.error_effect for other in each]),
    )


def _with_exact(
    replayer: Replayer, sides: Mapping[Site, SiteEffects], clean_metric: Tensor
) -> dict[Site, SiteEffects]:
    nodes = {
        site: NodeChanges(side.tap, side.clean, side.features, side.error_delta)
        for site, side in sides.items()
    }
    found = exact_effects(replayer, nodes, clean_metric)
    return {
        site: replace(side, feature_effect=found[site][0], error_effect=found[site][1])
        for site, side in sides.items()
    }
