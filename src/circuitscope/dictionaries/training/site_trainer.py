"""Training the dictionary of one site.

The loss of a batch of activations x (each site scaled so that its mean norm is sqrt(width)):

1. pre = W_enc x + b_enc; f = the kind's activation of pre; x̂ = W_decᵀ f + b_dec, |v_i| = 1.
2. ``topk``: the k largest of a token (Gao et al. 2024, https://arxiv.org/abs/2406.04093).
   ``batchtopk``: the k·B largest of a batch of B tokens, and a running estimate of the smallest one kept,
   which is the threshold at inference (Bussmann et al. 2024, https://arxiv.org/abs/2412.06410).
   ``relu``: all positive ones, with an L1 penalty (Bricken et al. 2023,
   https://transformer-circuits.pub/2023/monosemantic-features). L1 makes activations too small, so while the
   learning rate decays the penalty is off, the encoder is frozen and write vectors find their lengths,
   which are moved into the encoder at the end (after Wright and Sharkey 2024, "Addressing feature suppression
   in SAEs"); the set of active features stays the same.
3. loss = |x − x̂|² / width (+ l1 · Σ f / sqrt(width)) (+ AuxK: the dead features' reconstruction of x − x̂).
4. The part of the gradient along each write vector is removed, Adam steps, write vectors get length 1.
5. Dead features: AuxK revives those of topk and batchtopk; those of relu are placed again, on inputs that are
   reconstructed badly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import linear, normalize

from circuitscope.config import TrainConfig
from circuitscope.dictionaries.affine import JumpReluDictionary, ReluDictionary, TopKDictionary
from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.training.corpus import derived_seed

PARAMETERS = ("w_enc", "b_enc", "w_dec", "b_dec")
FIRST_L1 = 0.03
L1_SPEED = 0.03
"""How fast the L1 weight follows the gap between L0 and k: a power of their ratio, per step."""
THRESHOLD_MEMORY = 0.99
PLACED_NORM = 0.2
"""A placed feature's read vector is this much shorter than the living ones', so that it starts out quiet."""


class SiteTrainer:
    """The weights of one site's dictionary while they are trained, and what training remembers of them."""

    def __init__(self, x: Float[Tensor, "token width"], config: TrainConfig, name: str) -> None:
        """Estimate scale and centre from the activations ``x``, and draw the initial weights."""
        self.config, self.name = config, name
        self.width = int(x.shape[1])
        self.n_features = config.features_of(self.width)
        norm = float(torch.linalg.vector_norm(x, dim=1).mean())
        self.scale = math.sqrt(self.width) / norm if norm > 0 else 1.0
        generator = torch.Generator().manual_seed(derived_seed(config.seed, "weights", name))
        w_dec = normalize(torch.randn(self.n_features, self.width, generator=generator), dim=1).to(x.device)
        b_dec = x.mean(dim=0) * self.scale
        self.w_dec = w_dec.requires_grad_()
        self.w_enc = w_dec.detach().clone().requires_grad_()
        self.b_dec = b_dec.requires_grad_()
        # As if b_dec were subtracted from the input first; trained on its own from here.
        self.b_enc = (-(w_dec.detach() @ b_dec.detach())).requires_grad_()
        self.silent = torch.zeros(self.n_features, dtype=torch.long, device=x.device)
        """Tokens since each feature was last active."""
        self.threshold = torch.zeros((), device=x.device)
        self.l1 = torch.full((), config.l1 or FIRST_L1, device=x.device)
        self.optimizer = torch.optim.Adam([getattr(self, p) for p in PARAMETERS], fused=True)

    # -- one step ------------------------------------------------------------------------------------

    def step(self, x: Float[Tensor, "token width"], number: int) -> Float[Tensor, ""]:
        """Learn from one batch; returns the mean squared error, in units of the scaled activations."""
        x = x * self.scale
        pre = linear(x, self.w_enc, self.b_enc)
        features = self._activate(pre, number)
        residual = x - self.b_dec - features @ self.w_dec
        error = residual.square().sum(dim=1).mean() / self.width
        loss = error
        settling = self._settling(number)
        if self.config.kind == "relu" and not settling:
            loss = loss + self.l1 * features.sum(dim=1).mean() / math.sqrt(self.width)
        dead = self.dead
        if self.config.kind != "relu" and self.config.auxk > 0 and bool(dead.any()):
            loss = loss + self.config.auxk * self._auxk(pre, residual.detach(), dead)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._update(number, settling)
        self._remember(features.detach(), settling)
        if self.config.kind == "relu" and self._may_place(number):
            self._place_dead(x, residual.detach(), number)
        return error.detach()

    @property
    def dead(self) -> Bool[Tensor, " feature"]:
        """Features without an activation for ``dead_after`` tokens."""
        return self.silent >= self.config.dead_tokens

    def _activate(self, pre: Float[Tensor, "token feature"], number: int) -> Float[Tensor, "token feature"]:
        if self.config.kind == "topk":
            return torch.where(pre >= kth_largest(pre.detach(), self.config.k).clamp(min=0), pre, 0.0)
        if self.config.kind == "relu":
            return torch.relu(pre)
        value, index = pre.flatten().topk(self.config.k * pre.shape[0], sorted=False)
        value = torch.relu(value)
        self._follow_threshold(value.detach(), number)
        return torch.zeros_like(pre).flatten().scatter(0, index, value).view_as(pre)

    def _follow_threshold(self, kept: Float[Tensor, " entry"], number: int) -> None:
        """Running mean of the smallest activation that a batch keeps."""
        smallest = torch.where(kept > 0, kept, torch.inf).amin()
        smallest = torch.where(torch.isfinite(smallest), smallest, self.threshold)
        memory = min(THRESHOLD_MEMORY, number / (number + 1))
        self.threshold = memory * self.threshold + (1 - memory) * smallest

    def _auxk(
        self,
        pre: Float[Tensor, "token feature"],
        residual: Float[Tensor, "token width"],
        dead: Bool[Tensor, " feature"],
    ) -> Float[Tensor, ""]:
        """How badly the best width / 2 dead features reconstruct what the living leave, as a share of it."""
        index = dead.nonzero().squeeze(1)
        value, place = pre[:, index].topk(min(max(self.width // 2, 1), len(index)), dim=1, sorted=False)
        chosen = pre.new_zeros(pre.shape[0], len(index)).scatter(1, place, torch.relu(value))
        left = (residual - chosen @ self.w_dec[index]).square().sum()
        return left / residual.square().sum().clamp(min=1e-12)

    def _settling(self, number: int) -> bool:
        """Whether relu's encoder is frozen by now, and only what it writes is learnt."""
        return self.config.kind == "relu" and decays(number, self.config.steps)

    @torch.no_grad()
    def _update(self, number: int, settling: bool) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate_of(self.n_features) * schedule(number, self.config.steps)
        if settling:
            self.w_enc.grad = self.b_enc.grad = None
            self.optimizer.step()
            return
        gradient = self.w_dec.grad
        assert gradient is not None
        gradient -= (gradient * self.w_dec).sum(dim=1, keepdim=True) * self.w_dec
        self.optimizer.step()
        self.w_dec.copy_(normalize(self.w_dec, dim=1))

    def _remember(self, features: Float[Tensor, "token feature"], settling: bool) -> None:
        """Count silence, and let the adaptive L1 weight follow L0."""
        n_tokens = features.shape[0]
        self.silent = torch.where(features.amax(dim=0) > 0, 0, self.silent + n_tokens)
        if self.config.kind == "relu" and self.config.l1 == 0 and not settling:
            ratio = (features > 0).sum() / (n_tokens * self.config.k)
            self.l1 = self.l1 * ratio.clamp(0.5, 2.0) ** L1_SPEED

    # -- dead features of relu ---------------------------------------------------------------------------

    def _may_place(self, number: int) -> bool:
        """Once per ``dead_after`` tokens, but not while the learning rate decays: they need time."""
        every = max(1, self.config.dead_tokens // self.config.batch)
        return (number + 1) % every == 0 and not decays(number, self.config.steps)

    @torch.no_grad()
    def _place_dead(
        self, x: Float[Tensor, "token width"], residual: Float[Tensor, "token width"], number: int
    ) -> None:
        """Give dead features the direction of inputs drawn with probability ∝ loss² (Bricken et al.)."""
        dead = self.dead.nonzero().squeeze(1)
        if len(dead) == 0:
            return
        loss = residual.square().sum(dim=1).square().double().cpu() + 1e-30
        generator = torch.Generator().manual_seed(derived_seed(self.config.seed, "place", self.name, number))
        drawn = torch.multinomial(loss, len(dead), replacement=True, generator=generator).to(x.device)
        direction = normalize(x[drawn] - self.b_dec, dim=1)
        alive = ~self.dead
        norm = torch.linalg.vector_norm(self.w_enc[alive], dim=1).mean() if bool(alive.any()) else 1.0
        self.w_dec[dead] = direction
        self.w_enc[dead] = PLACED_NORM * norm * direction
        self.b_enc[dead] = -(self.w_enc[dead] @ self.b_dec)
        for parameter in (self.w_dec, self.w_enc, self.b_enc):
            for moment in ("exp_avg", "exp_avg_sq"):
                self.optimizer.state[parameter][moment][dead] = 0
        self.silent[dead] = 0

    # -- what comes out ------------------------------------------------------------------------------

    @torch.no_grad()
    def dictionary(self, tensor: str | None = None) -> Dictionary:
        """The trained dictionary in the site's own units: the constant scale is folded into the weights.

        With f the feature in scaled units, f / scale = act(W_enc x + b_enc / scale): only biases and the
        threshold change.
        """
        # Lengths differ from 1 for relu only; a write vector that shrank to nothing keeps its feature silent.
        length = torch.linalg.vector_norm(self.w_dec, dim=1, keepdim=True)
        weights: dict[str, Tensor] = {
            "w_enc": self.w_enc.detach() * length,
            "b_enc": self.b_enc.detach() * length[:, 0] / self.scale,
            "w_dec": normalize(self.w_dec.detach(), dim=1),
            "b_dec": self.b_dec.detach() / self.scale,
        }
        if self.config.kind == "topk":
            return TopKDictionary(k=self.config.k, tensor=tensor, **weights)
        if self.config.kind == "relu":
            return ReluDictionary(tensor=tensor, **weights)
        threshold = (self.threshold / self.scale).expand(self.n_features).clone()
        return JumpReluDictionary(threshold=threshold, tensor=tensor, **weights)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        found = {name: getattr(self, name).detach() for name in PARAMETERS}
        for name in PARAMETERS:
            moments = self.optimizer.state[getattr(self, name)]
            found |= {f"{name}.{moment}": moments[moment] for moment in ("exp_avg", "exp_avg_sq", "step")}
        scale = torch.tensor(self.scale, dtype=torch.float64)
        return {
            **found, "silent": self.silent, "threshold": self.threshold, "l1": self.l1, "scale": scale
        }  # fmt: skip

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to a saved ``state``."""
        for name in PARAMETERS:
            parameter = getattr(self, name)
            parameter.copy_(state[name])
            self.optimizer.state[parameter] = {
                # Copies, because a file's memory is not aligned as Adam's own is.
                moment: state[f"{name}.{moment}"].to(parameter.device, copy=True)
                for moment in ("exp_avg", "exp_avg_sq")
            }
            # A file holds single numbers as arrays of one entry.
            self.optimizer.state[parameter]["step"] = state[f"{name}.step"].clone().reshape(())
        for name in ("silent", "threshold", "l1"):
            saved = state[name].to(self.w_dec.device, copy=True)
            setattr(self, name, saved.reshape(getattr(self, name).shape))
        self.scale = float(state["scale"])


def kth_largest(values: Float[Tensor, "token feature"], k: int) -> Float[Tensor, "token 1"]:
    """Each token's k-th largest value."""
    if values.device.type != "cpu":
        return values.topk(k, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
    # On CPUs, numpy's partition takes a third of the time of torch's topk.
    place = values.shape[1] - k
    return torch.from_numpy(np.partition(values.numpy(), place, axis=1)[:, place, None])


WARM_UP_SHARE, DECAY_SHARE = 0.05, 0.2


def decays(number: int, steps: int) -> bool:
    """Whether a step lies in the last part of training, in which the learning rate falls."""
    return number >= (1 - DECAY_SHARE) * steps


def schedule(number: int, steps: int) -> float:
    """Share of the peak learning rate at a step: linear warm-up, plateau, linear decay to 0."""
    rise = (number + 1) / max(1.0, WARM_UP_SHARE * steps)
    fall = (steps - number) / max(1.0, DECAY_SHARE * steps)
    return min(1.0, rise, fall)
