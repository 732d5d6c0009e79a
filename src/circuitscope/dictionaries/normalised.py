"""Dictionaries that normalise their input by something that depends on it, token by token.

SAELens trains on n(x) instead of x and undoes that after decoding (``normalize_activations``):

| word | n(x) | s(x) | also added back |
|---|---|---|---|
| ``layer_norm`` | (x − mean) / (std + 1e-5), std with width − 1 below | std | mean |
| ``constant_norm_rescale`` | x · √width / ‖x‖ | ‖x‖ / √width | nothing |

So x = s(x) · (Σ f_i(n(x)) v_i + b) + mean + ε. A decoder that depends on x is not affine, and everything else in
this package needs an affine one. Therefore the *value* of a feature is s(x) · f_i(n(x)), in the model's own
units; its write vector is v_i, unchanged; b is 0; and everything else (s(x) · b, the mean, ε) is the error:

    x = Σ value_i v_i + error        exactly, and Σ value_i v_i is linear in the values.

Read vectors are exact: ∂value_i/∂x = f_i ∇s + s (∂n/∂x)ᵀ r_i, with r_i the read vector at n(x).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.dictionaries.affine import AffineDictionary
from circuitscope.dictionaries.base import Dictionary


class Normalisation(ABC):
    """n(x) and s(x) for some tokens, and what derivatives need."""

    normal: Float[Tensor, "token width"]
    """n(x): what the dictionary inside reads."""
    scale: Float[Tensor, "token 1"]
    """s(x): what its features are multiplied by."""

    @abstractmethod
    def __init__(self, x: Float[Tensor, "token width"]) -> None: ...

    @abstractmethod
    def gradient(
        self, value: Float[Tensor, " token"], read: Float[Tensor, "token width"]
    ) -> Float[Tensor, "token width"]:
        """∂(s f)/∂x per token, for a feature with f = ``value`` and ∂f/∂n = ``read`` there."""


class LayerNorm(Normalisation):
    """Mean 0 and standard deviation 1."""

    EPSILON = 1e-5

    def __init__(self, x: Float[Tensor, "token width"]) -> None:
        self._centred = x - x.mean(dim=-1, keepdim=True)
        # A norm, not the root of a sum of squares, which overflow in half precision.
        length = torch.linalg.vector_norm(self._centred, dim=-1, keepdim=True)
        self.scale = length / (x.shape[-1] - 1) ** 0.5
        self.normal = self._centred / (self.scale + self.EPSILON)

    def gradient(
        self, value: Float[Tensor, " token"], read: Float[Tensor, "token width"]
    ) -> Float[Tensor, "token width"]:
        # With c = x − mean and t = s + ε: n = c / t, so s (∂n/∂x)ᵀ r = (s / t) (r − mean(r)) − s (c·r) / t² ∇s.
        width, divisor = read.shape[-1], self.scale + self.EPSILON
        of_scale = self._centred / ((width - 1) * self.scale.clamp(min=torch.finfo(read.dtype).tiny))
        along = (self._centred * read).sum(dim=-1, keepdim=True) / divisor
        through = read - read.mean(dim=-1, keepdim=True) - along * of_scale
        gradient: Tensor = value[:, None] * of_scale + (self.scale / divisor) * through
        return gradient


class ConstantNorm(Normalisation):
    """Length √width."""

    def __init__(self, x: Float[Tensor, "token width"]) -> None:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        self._direction = x / length.clamp(min=torch.finfo(x.dtype).tiny)
        self.scale = length / x.shape[-1] ** 0.5
        self.normal = self._direction * x.shape[-1] ** 0.5

    def gradient(
        self, value: Float[Tensor, " token"], read: Float[Tensor, "token width"]
    ) -> Float[Tensor, "token width"]:
        # With u = x / ‖x‖: ∇s = u / √width, and s (∂n/∂x)ᵀ r = r − (u·r) u.
        along = (self._direction * read).sum(dim=-1)
        gradient: Tensor = read + (value / read.shape[-1] ** 0.5 - along)[:, None] * self._direction
        return gradient


NORMALISATIONS: Mapping[str, type[Normalisation]] = {
    "layer_norm": LayerNorm,
    "constant_norm_rescale": ConstantNorm,
}


class NormalisedDictionary(Dictionary):
    """value = s(x) · f(n(x)), with f a dictionary with an affine encoder; b = 0."""

    reads_constant = False

    def __init__(self, inner: AffineDictionary, normalisation: str) -> None:
        self.inner, self.normalisation = inner, normalisation
        self.kind = f"{normalisation} {inner.kind}"
        self.separable, self.tensor = inner.separable, inner.tensor
        self.n_features, self.width = inner.n_features, inner.width

    @property
    def dtype(self) -> torch.dtype:
        return self.inner.dtype

    def encode(self, x: Float[Tensor, "token width"]) -> Float[Tensor, "token feature"]:
        at = NORMALISATIONS[self.normalisation](x)
        return at.scale * self.inner.encode(at.normal)

    def encode_some(
        self, x: Float[Tensor, "token width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, "token some"]:
        at = NORMALISATIONS[self.normalisation](x)
        return at.scale * self.inner.encode_some(at.normal, features)

    def encode_block(self, x: Float[Tensor, "token width"], block: slice) -> Float[Tensor, "token some"]:
        at = NORMALISATIONS[self.normalisation](x)
        return at.scale * self.inner.encode_block(at.normal, block)

    def bias(self, x: Float[Tensor, "*shape width"]) -> Float[Tensor, "*shape width"]:
        """0: the decoder's bias is scaled by s(x), so it belongs to the error."""
        return self.inner.b_dec.new_zeros(()).expand(x.shape)

    def write_vectors(self, features: Int[Tensor, " some"]) -> Float[Tensor, "some width"]:
        return self.inner.write_vectors(features)

    def decode_sum(
        self,
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
        value: Float[Tensor, " entry"],
        n_tokens: int,
    ) -> Float[Tensor, "{n_tokens} width"]:
        return self.inner.decode_sum(token, feature, value, n_tokens)

    def read_vectors(
        self, x: Float[Tensor, "some width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, "some width"]:
        at = NORMALISATIONS[self.normalisation](x)
        read = self.inner.read_vectors(at.normal, features)
        return at.gradient(self.inner.value_of_active(at.normal, features), read)

    def weights(self) -> Mapping[str, Tensor]:
        return self.inner.weights()

    def settings(self) -> dict[str, float | int | bool | str]:
        return self.inner.settings()

    def move(self, device: torch.device | str, dtype: torch.dtype) -> None:
        self.inner.move(device, dtype)
