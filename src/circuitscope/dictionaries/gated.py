"""The gated kind: one path decides which features are active, the other how strongly.

Rajamanoharan et al. 2024, "Improving Dictionary Learning with Gated Sparse Autoencoders" (arXiv 2404.16014).
Both paths share their directions, W_enc:

    pre = W_enc (x − pre_bias) + b_enc                     (the gate)
    f   = ReLU(exp(r_mag) · (pre − b_enc) + b_mag) where pre > 0, else 0

Our b_enc is dictionary_learning's ``gate_bias`` and SAELens's ``b_gate``; our b_mag is their ``mag_bias`` and
``b_mag``. The same function is a JumpReLU with the threshold b_mag − exp(r_mag) · b_enc on the second path.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.dictionaries.affine import AffineDictionary


class GatedDictionary(AffineDictionary):
    """f = ReLU(exp(r_mag) · (pre − b_enc) + b_mag) where pre > 0, else 0."""

    kind = "gated"

    def __init__(
        self,
        *,
        r_mag: Float[Tensor, " feature"],
        b_mag: Float[Tensor, " feature"],
        **weights: Tensor | str | None,
    ) -> None:
        super().__init__(**weights)  # type: ignore[arg-type]
        self.r_mag, self.b_mag = r_mag, b_mag

    def activate(
        self, pre: Float[Tensor, "token some"], features: Int[Tensor, " some"] | None = None
    ) -> Float[Tensor, "token some"]:
        if features is None:
            scale, gate, bias = self.r_mag.exp(), self.b_enc, self.b_mag
        else:
            scale, gate, bias = self.r_mag[features].exp(), self.b_enc[features], self.b_mag[features]
        return torch.relu(scale * (pre - gate) + bias) * (pre > 0)

    def read_vectors(
        self, x: Float[Tensor, "some width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, "some width"]:
        return self.r_mag[features].exp()[:, None] * self.w_enc[features]

    def read_sum(
        self,
        x: Float[Tensor, "token width"],
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
        value: Float[Tensor, " entry"],
    ) -> Float[Tensor, "token width"]:
        return super().read_sum(x, token, feature, value * self.r_mag[feature].exp())

    def value_of_active(
        self, x: Float[Tensor, "some width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, " some"]:
        return (self.read_vectors(x, features) * self._centred(x)).sum(dim=1) + self.b_mag[features]

    def weights(self) -> Mapping[str, Tensor]:
        return {**super().weights(), "r_mag": self.r_mag, "b_mag": self.b_mag}
