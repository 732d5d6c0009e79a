"""Row vectors: what a downstream node's effect is a linear function of, at its site's tensor.

The vector r of a row is such that r · (a change of the site's tensor) is that change's share in the node's effect.
ḡ is the site's averaged gradient, v_i a write vector, w_i a read vector, f_i a feature, ε the error, Δ patch − clean.

*Derivatives*, at one of the two runs: (ḡ · v_i) w_i for a feature, 0 where it is silent there; for the error, ḡ minus
its pull-back through encode and decode.

*Secants*, between the two runs: (ḡ · v_i) s_i w_i with s_i = Δf_i / (w_i · Δx), so that r · Δx is the node's effect,
also for a feature that is silent on one side; for the error ḡ − Σ r_i over all features active on either side. Rows
of one token sum to ḡ, and each adds up to its own node's effect: for an error ḡ · Δε.

Not every feature is a function of one direction, so s_i is bounded, and what it leaves of Δf_i goes along Δx itself:

    r_i = (ḡ · v_i) (s_i w_i + (Δf_i − s_i w_i · Δx) Δx / ‖Δx‖²)

which still adds up, and gives every upstream node its share in the whole change of the tensor.

* active on both sides: s_i = 1, the derivative; a remainder is left only where the read vector depends on x
  (dictionaries that normalise their input), and w_i is then the mean of both sides';
* active on one side: 0 ≤ s_i ≤ max(1, √width · |Δf_i| / (‖w_i‖ ‖Δx‖)). The threshold of JumpReLU is passed in a jump,
  so s_i may exceed 1; beyond this bound w_i and Δx are no closer to parallel than random directions are, and w_i
  says nothing about why the feature switched. A TopK feature may be displaced while its own input rises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.activations import SiteState
from circuitscope.dictionaries import Dictionary
from circuitscope.effects.nodes import SiteEffects
from circuitscope.errors import BadInput
from circuitscope.sparse import ActiveFeatures, FeatureDelta, align
from circuitscope.terms import ERROR


@dataclass(frozen=True)
class Rows:
    """Downstream nodes at tokens of a batch, all of one site."""

    example: Int[Tensor, " row"]
    position: Int[Tensor, " row"]
    """Column in the batch."""
    feature: Int[Tensor, " row"]
    """Dictionary element, or ``ERROR``."""

    def __len__(self) -> int:
        return len(self.example)


def row_effects(site: SiteEffects, rows: Rows) -> Float[Tensor, " row"]:
    """The node effect of every row by ḡ: (ḡ · v_i) Δf_i of a feature, ḡ · Δε of an error."""
    gradient, token = _gradient(site), _tokens(site, rows)
    effect = (gradient[token] * site.error_delta.flatten(0, 1)[token]).sum(dim=1)
    real = rows.feature != ERROR
    features, tokens = rows.feature[real], token[real]
    after = 0.0 if site.patch is None else site.patch.active.lookup(tokens, features)
    delta = after - site.clean.active.lookup(tokens, features)
    effect[real] = site.dictionary.write_dot(gradient, tokens, features) * delta
    return effect


def derivative_rows(site: SiteEffects, rows: Rows, side: str = "clean") -> Float[Tensor, "row width"]:
    """r: the gradient, at the site's tensor on one side, of (the row's activation × its averaged gradient)."""
    flat, token = _gradient(site), _tokens(site, rows)
    state = site.clean if side == "clean" else site.patch
    assert state is not None
    vector = flat[token].clone()
    is_error = rows.feature == ERROR
    if bool(is_error.any()):
        wanted, place = torch.unique(token[is_error], return_inverse=True)
        active = _of_tokens(state.active, wanted)
        vector[is_error] -= state.dictionary.pull_back(state.flat[wanted], active, flat[wanted])[place]
    features, tokens = rows.feature[~is_error], token[~is_error]
    slope = site.dictionary.write_dot(flat, tokens, features)
    slope = slope * (state.active.lookup(tokens, features) != 0)
    vector[~is_error] = slope[:, None] * site.dictionary.read_vectors(state.flat[tokens], features)
    return vector


def secant_rows(site: SiteEffects, rows: Rows) -> tuple[Float[Tensor, "row width"], Float[Tensor, " row"]]:
    """r between clean and patch, and the part of each row's effect that is shared out along Δx."""
    flat, token = _gradient(site), _tokens(site, rows)
    assert site.patch is not None
    vector, remainder = flat[token].clone(), flat.new_zeros(len(rows))
    is_error = rows.feature == ERROR
    if bool(is_error.any()):
        wanted, place = torch.unique(token[is_error], return_inverse=True)
        of_features, left = _all_features(site, site.patch, wanted, flat[wanted])
        vector[is_error] -= of_features[place]
        remainder[is_error] = -left[place]
    tokens = token[~is_error]
    secants = _secants(
        site.dictionary, site.clean.flat, site.patch.flat, _delta_of(site, tokens, rows.feature[~is_error])
    )
    slope = site.dictionary.write_dot(flat, tokens, rows.feature[~is_error])
    vector[~is_error] = slope[:, None] * secants.vectors()
    remainder[~is_error] = slope * secants.remainder
    return vector, remainder


# -- secants -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Secants:
    """Secants of some features at tokens: s_i w_i + remainder_i Δx / ‖Δx‖², with w_i a mean over active sides."""

    dictionary: Dictionary
    clean_x: Float[Tensor, "token width"]
    patch_x: Float[Tensor, "token width"]
    token: Int[Tensor, " entry"]
    feature: Int[Tensor, " entry"]
    of_clean: Float[Tensor, " entry"]
    """s_i, times the share that the clean side's read vector has in w_i."""
    of_patch: Float[Tensor, " entry"]
    remainder: Float[Tensor, " entry"]
    """What s_i w_i · Δx leaves of Δf_i."""

    def vectors(self) -> Float[Tensor, "entry width"]:
        read = self.dictionary.read_vectors
        total = self.of_clean[:, None] * read(self.clean_x[self.token], self.feature)
        if bool(self.of_patch.any()):
            total = total + self.of_patch[:, None] * read(self.patch_x[self.token], self.feature)
        return total + self.remainder[:, None] * _per_square(self.patch_x - self.clean_x)[self.token]

    def sum_by_token(self, slope: Float[Tensor, " entry"]) -> tuple[Tensor, Tensor]:
        """Σ slope · vector into each token (token, width), and Σ slope · remainder (token)."""
        add, left = self.dictionary.read_sum, slope.new_zeros(len(self.clean_x))
        total = add(self.clean_x, self.token, self.feature, slope * self.of_clean)
        if bool(self.of_patch.any()):
            total = total + add(self.patch_x, self.token, self.feature, slope * self.of_patch)
        left.index_add_(0, self.token, slope * self.remainder)
        return total + left[:, None] * _per_square(self.patch_x - self.clean_x), left


def _secants(dictionary: Dictionary, clean_x: Tensor, patch_x: Tensor, features: FeatureDelta) -> _Secants:
    """The secants of features between two values of their site's tensor."""
    at_clean, at_patch = features.clean != 0, features.patch != 0
    both = at_clean & at_patch
    slope, remainder = torch.ones_like(features.clean), torch.zeros_like(features.clean)
    need = ~both if dictionary.reads_constant else torch.ones_like(both)
    change = patch_x - clean_x
    (entries,) = need.nonzero(as_tuple=True)
    for piece in dictionary.parts_of(entries):
        part = entries[piece]
        token, delta = features.token[part], features.delta[part]
        along, length = _along(dictionary, clean_x, patch_x, change, features, part)
        scale = clean_x.shape[1] ** 0.5 * delta.abs() / (length * change[token].norm(dim=1))
        some = torch.where(along == 0, 0.0, delta / along)
        some = some.clamp(min=0.0).minimum(scale.nan_to_num(0.0, posinf=0.0).clamp(min=1.0))
        slope[part] = torch.where(both[part], 1.0, some)
        remainder[part] = delta - slope[part] * along
    if dictionary.reads_constant:
        share = torch.ones_like(slope)
    else:
        share = at_clean.to(slope.dtype) / (at_clean.to(slope.dtype) + at_patch).clamp(min=1)
    return _Secants(
        dictionary,
        clean_x,
        patch_x,
        features.token,
        features.feature,
        slope * share,
        slope * (1 - share),
        remainder,
    )


def _along(
    dictionary: Dictionary,
    clean_x: Tensor,
    patch_x: Tensor,
    change: Tensor,
    features: FeatureDelta,
    part: Tensor,
) -> tuple[Tensor, Tensor]:
    """w_i · Δx and ‖w_i‖ of some entries, w_i the mean read vector of the sides where the feature is active."""
    token, feature = features.token[part], features.feature[part]
    read = dictionary.read_vectors(clean_x[token], feature)
    if not dictionary.reads_constant:
        at_clean, at_patch = (side[part, None] != 0 for side in (features.clean, features.patch))
        other = dictionary.read_vectors(patch_x[token], feature)
        read = (read * at_clean + other * at_patch) / (at_clean.to(read.dtype) + at_patch).clamp(min=1)
    return (read * change[token]).sum(dim=1), read.norm(dim=1)


def _all_features(
    site: SiteEffects, patch: SiteState, wanted: Int[Tensor, " token"], gradient: Tensor
) -> tuple[Tensor, Tensor]:
    """Σ r_i over every feature that is active on either side of some tokens, and the sum of their remainders."""
    active = align(_of_tokens(site.clean.active, wanted), _of_tokens(patch.active, wanted))
    secants = _secants(site.dictionary, site.clean.flat[wanted], patch.flat[wanted], active)
    return secants.sum_by_token(site.dictionary.write_dot(gradient, active.token, active.feature))


def _delta_of(site: SiteEffects, token: Tensor, feature: Tensor) -> FeatureDelta:
    """Both sides' activations of some features at tokens."""
    assert site.patch is not None
    return FeatureDelta(
        token,
        feature,
        site.clean.active.lookup(token, feature),
        site.patch.active.lookup(token, feature),
        site.clean.flat.shape[0],
        site.dictionary.n_features,
    )


def _per_square(change: Float[Tensor, "token width"]) -> Float[Tensor, "token width"]:
    """Δx / ‖Δx‖², 0 where nothing changes."""
    square = (change * change).sum(dim=1, keepdim=True)
    return torch.where(square > 0, change / square, 0.0)


def _gradient(site: SiteEffects) -> Float[Tensor, "token width"]:
    """ḡ, token by token."""
    if site.gradient is None:
        raise BadInput(
            "these node effects have no gradients", expected="effects by ig or atp", mend="method='ig'"
        )
    return site.gradient.reshape(-1, site.gradient.shape[-1])


def _tokens(site: SiteEffects, rows: Rows) -> Int[Tensor, " row"]:
    return rows.example * site.clean.x.shape[1] + rows.position


def _of_tokens(active: ActiveFeatures, wanted: Int[Tensor, " token"]) -> ActiveFeatures:
    """The features of some tokens, which are numbered by their place in ``wanted``."""
    number = torch.full((active.n_tokens,), -1, device=wanted.device)
    number[wanted] = torch.arange(len(wanted), device=wanted.device)
    some = active.select(number[active.token] >= 0)
    return replace(some, token=number[some.token], n_tokens=len(wanted))
