"""Dictionaries with an affine encoder and decoder: the weights that ReLU, TopK and JumpReLU share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import linear

from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.rows import sum_rows
from circuitscope.errors import BadDictionary


class AffineDictionary(Dictionary):
    """pre = W_enc (x − pre_bias) + b_enc, f = activate(pre), x̂ = W_decᵀ f + b_dec.

    Where a feature is active, f_i = pre_i, so its read vector is its row of W_enc; ``gated``, which scales pre,
    has its own.
    """

    def __init__(
        self,
        *,
        w_enc: Float[Tensor, "feature width"],
        b_enc: Float[Tensor, " feature"],
        w_dec: Float[Tensor, "feature width"],
        b_dec: Float[Tensor, " width"],
        pre_bias: Float[Tensor, " width"] | None = None,
        tensor: str | None = None,
    ) -> None:
        self.w_enc, self.b_enc, self.w_dec, self.b_dec = w_enc, b_enc, w_dec, b_dec
        self.pre_bias = pre_bias
        self.tensor = tensor
        self.n_features, self.width = w_dec.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.w_dec.dtype

    @abstractmethod
    def activate(
        self, pre: Float[Tensor, "token some"], features: Int[Tensor, " some"] | None = None
    ) -> Float[Tensor, "token some"]:
        """Activations of pre-activations; ``features`` says which they are, None for all in order."""

    def encode(self, x: Float[Tensor, "token width"]) -> Float[Tensor, "token feature"]:
        return self.activate(linear(self._centred(x), self.w_enc, self.b_enc))

    def encode_some(
        self, x: Float[Tensor, "token width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, "token some"]:
        if not self.separable:
            return super().encode_some(x, features)
        return self.activate(linear(self._centred(x), self.w_enc[features], self.b_enc[features]), features)

    def encode_block(self, x: Float[Tensor, "token width"], block: slice) -> Float[Tensor, "token some"]:
        if not self.separable:
            return super().encode_block(x, block)
        features = torch.arange(self.n_features, device=x.device)[block]
        return self.activate(linear(self._centred(x), self.w_enc[block], self.b_enc[block]), features)

    def bias(self, x: Float[Tensor, "*shape width"]) -> Float[Tensor, "*shape width"]:
        return self.b_dec.expand(x.shape)

    def write_vectors(self, features: Int[Tensor, " some"]) -> Float[Tensor, "some width"]:
        return self.w_dec.index_select(0, features)

    def decode_sum(
        self,
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
        value: Float[Tensor, " entry"],
        n_tokens: int,
    ) -> Float[Tensor, "{n_tokens} width"]:
        return sum_rows(self.w_dec, token, feature, value, n_tokens)

    def read_vectors(
        self, x: Float[Tensor, "some width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, "some width"]:
        return self.w_enc.index_select(0, features)

    def read_sum(
        self,
        x: Float[Tensor, "token width"],
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
        value: Float[Tensor, " entry"],
    ) -> Float[Tensor, "token width"]:
        return sum_rows(self.w_enc, token, feature, value, x.shape[0])

    def value_of_active(
        self, x: Float[Tensor, "some width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, " some"]:
        """f_i at x, one feature per row, for features that are active there."""
        return (self.w_enc[features] * self._centred(x)).sum(dim=1) + self.b_enc[features]

    def weights(self) -> Mapping[str, Tensor]:
        named = {"w_enc": self.w_enc, "b_enc": self.b_enc, "w_dec": self.w_dec, "b_dec": self.b_dec}
        return named if self.pre_bias is None else {**named, "pre_bias": self.pre_bias}

    def _centred(self, x: Tensor) -> Tensor:
        return x if self.pre_bias is None else x - self.pre_bias


class ReluDictionary(AffineDictionary):
    """f = ReLU(pre)."""

    kind = "relu"

    def activate(
        self, pre: Float[Tensor, "token some"], features: Int[Tensor, " some"] | None = None
    ) -> Float[Tensor, "token some"]:
        return torch.relu(pre)


class JumpReluDictionary(AffineDictionary):
    """f = ReLU(pre) where pre > threshold, else 0 (Rajamanoharan et al. 2024, arXiv 2407.14435).

    A BatchTopK dictionary is one of these at inference, with the same threshold for every feature.
    """

    kind = "jumprelu"

    def __init__(self, *, threshold: Float[Tensor, " feature"], **weights: Tensor | str | None) -> None:
        super().__init__(**weights)  # type: ignore[arg-type]
        self.threshold = threshold

    def activate(
        self, pre: Float[Tensor, "token some"], features: Int[Tensor, " some"] | None = None
    ) -> Float[Tensor, "token some"]:
        threshold = self.threshold if features is None else self.threshold[features]
        return torch.relu(pre) * (pre > threshold)

    def weights(self) -> Mapping[str, Tensor]:
        return {**super().weights(), "threshold": self.threshold}


class TopKDictionary(AffineDictionary):
    """f = ReLU(pre) for the k largest of a token, else 0 (Gao et al. 2024, arXiv 2406.04093)."""

    kind = "topk"
    separable = False

    def __init__(self, *, k: int, **weights: Tensor | str | None) -> None:
        super().__init__(**weights)  # type: ignore[arg-type]
        if not 1 <= k <= self.n_features:
            raise BadDictionary(f"k = {k}", expected=f"1 to {self.n_features}, the number of features")
        self.k = k

    def activate(
        self, pre: Float[Tensor, "token some"], features: Int[Tensor, " some"] | None = None
    ) -> Float[Tensor, "token some"]:
        value, index = torch.relu(pre).topk(self.k, dim=-1)
        return torch.zeros_like(pre).scatter(-1, index, value)

    def settings(self) -> dict[str, float | int | bool | str]:
        return {"k": self.k}
