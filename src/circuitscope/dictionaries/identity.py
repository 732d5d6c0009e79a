"""The identity dictionary: neurons are features, so nothing else needs a branch for them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from circuitscope.dictionaries.base import Dictionary


class IdentityDictionary(Dictionary):
    """f = x, v_i the i-th unit vector, b = 0 and no error."""

    kind = "identity"

    def __init__(
        self,
        width: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        tensor: str | None = None,
    ) -> None:
        self.n_features = self.width = width
        self.tensor = tensor
        self._zero = torch.zeros(width, dtype=dtype, device=device)

    @property
    def dtype(self) -> torch.dtype:
        return self._zero.dtype

    def encode(self, x: Float[Tensor, "token width"]) -> Float[Tensor, "token feature"]:
        return x

    def encode_some(
        self, x: Float[Tensor, "token width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, "token some"]:
        return x[:, features]

    def bias(self, x: Float[Tensor, "*shape width"]) -> Float[Tensor, "*shape width"]:
        return self._zero.expand(x.shape)

    def write_vectors(self, features: Int[Tensor, " some"]) -> Float[Tensor, "some width"]:
        return one_hot(features, self.width).to(self.dtype)

    def read_vectors(
        self, x: Float[Tensor, "some width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, "some width"]:
        return self.write_vectors(features)

    def weights(self) -> Mapping[str, Tensor]:
        return {}

    def settings(self) -> dict[str, float | int | bool | str]:
        return {"width": self.width}

    def move(self, device: torch.device | str, dtype: torch.dtype) -> None:
        self._zero = self._zero.to(device, dtype)

    # Unit vectors need no products.

    def decode_sum(
        self,
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
        value: Float[Tensor, " entry"],
        n_tokens: int,
    ) -> Float[Tensor, "{n_tokens} width"]:
        return value.new_zeros(n_tokens, self.width).index_put_((token, feature), value, accumulate=True)

    def write_dot(
        self,
        gradient: Float[Tensor, "token width"],
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
    ) -> Float[Tensor, " entry"]:
        return gradient[token, feature]
