"""Dictionary: what every kind of dictionary can do.

A dictionary at a site writes x = Σ f_i v_i + b + ε. Decoders are affine, so all of the mathematics needs just
a few verbs: which features are active (``encode_active``), their write vectors v_i, the bias b, and, for
edges, the read vectors ∂f_i/∂x and the pull-back of a gradient through encode and decode.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.dictionaries.rows import is_sorted
from circuitscope.sparse import ActiveFeatures, concatenate

CHUNK_BYTES = 64 * 2**20
"""How much memory a temporary of one chunk may take."""

BLOCK = 2048
"""Features that are encoded at a time on a CPU, where they can be."""

CACHE_BYTES = 2 * 2**20
"""How much memory their activations may take, so that they are still in the cache when they are looked at."""


class Dictionary(ABC):
    """An SAE at a site, or the identity (neurons)."""

    kind: str
    """The word for this kind of dictionary, as folders store it."""
    separable: bool = True
    """Whether a feature's activation depends on that feature alone (so a few can be encoded by themselves)."""

    reads_constant: bool = True
    """Whether read vectors are the same wherever the feature is active."""

    n_features: int
    width: int
    """Length of the vectors that it reads and writes."""
    tensor: str | None = None
    """Name of the tap that it reads; None for the usual one of its site."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype: ...

    @abstractmethod
    def encode(self, x: Float[Tensor, "token width"]) -> Float[Tensor, "token feature"]:
        """Every feature's activation, dense."""

    def encode_some(
        self, x: Float[Tensor, "token width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, "token some"]:
        """The activations of some features; kinds that are separable compute no others."""
        return self.encode(x)[:, features]

    @abstractmethod
    def bias(self, x: Float[Tensor, "*shape width"]) -> Float[Tensor, "*shape width"]:
        """b: what is left of the site when every feature and the error are 0."""

    @abstractmethod
    def write_vectors(self, features: Int[Tensor, " some"]) -> Float[Tensor, "some width"]:
        """v_i for some features."""

    @abstractmethod
    def read_vectors(
        self, x: Float[Tensor, "some width"], features: Int[Tensor, " some"]
    ) -> Float[Tensor, "some width"]:
        """∂f_i/∂x at x, for features that are active there (it is 0 where they are not; the caller knows)."""

    @abstractmethod
    def weights(self) -> Mapping[str, Tensor]:
        """The tensors that make the dictionary, by name."""

    def settings(self) -> dict[str, float | int | bool | str]:
        """What besides ``weights`` makes the dictionary, for its folder's manifest."""
        return {}

    def move(self, device: torch.device | str, dtype: torch.dtype) -> None:
        """Put the weights on a device, in a number format; the attributes have the names of ``weights``."""
        for name, weight in self.weights().items():
            setattr(self, name, weight.to(device, dtype))

    # -- what follows from these ---------------------------------------------------------------------

    def encode_block(self, x: Float[Tensor, "token width"], block: slice) -> Float[Tensor, "token some"]:
        """The activations of neighbouring features; kinds that are separable compute no others."""
        return self.encode(x)[:, block]

    def encode_active(self, x: Float[Tensor, "token width"]) -> ActiveFeatures:
        """The non-zero features of every token, sorted by (token, feature).

        On a CPU the features go through in blocks that stay in its cache, which is possible because each activation
        depends on its own feature alone.
        """
        small = self.separable and not x.is_cuda
        width = min(BLOCK, self.n_features) if small else self.n_features
        step = max(1, (CACHE_BYTES if small else CHUNK_BYTES) // (width * x.element_size()))
        parts = []
        for first in range(0, max(x.shape[0], 1), step):
            some = x[first : first + step]
            for start in range(0, self.n_features, width):
                dense = self.encode_block(some, slice(start, start + width))
                parts.append(ActiveFeatures.from_dense(dense, first, start))
        found = concatenate(parts, x.shape[0], self.n_features)
        return found.in_order() if width < self.n_features else found

    def decode_sum(
        self,
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
        value: Float[Tensor, " entry"],
        n_tokens: int,
    ) -> Float[Tensor, "{n_tokens} width"]:
        """Σ value · v_feature into each token, without the bias."""
        out = value.new_zeros(n_tokens, self.width)
        for part in self.parts_of(token):
            out.index_add_(0, token[part], value[part, None] * self.write_vectors(feature[part]))
        return out

    def decode(self, active: ActiveFeatures, x: Float[Tensor, "token width"]) -> Float[Tensor, "token width"]:
        """x̂ = Σ f_i v_i + b."""
        return self.bias(x) + self.decode_sum(active.token, active.feature, active.value, active.n_tokens)

    def write_dot(
        self,
        gradient: Float[Tensor, "token width"],
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
    ) -> Float[Tensor, " entry"]:
        """gradient · v_i for each (token, feature)."""
        if not gradient.is_cuda and is_sorted(token) and len(token) > gradient.shape[0]:
            return self._write_dot_by_token(gradient, token, feature)
        out = gradient.new_empty(token.shape)
        for part in self.parts_of(token):
            out[part] = (gradient[token[part]] * self.write_vectors(feature[part])).sum(dim=1)
        return out

    def _write_dot_by_token(
        self,
        gradient: Float[Tensor, "token width"],
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
    ) -> Float[Tensor, " entry"]:
        """The same, one product per token: its write vectors stay in the cache, and no gradient is copied."""
        counts = torch.bincount(token, minlength=gradient.shape[0]).tolist()
        by_token = zip(torch.split(feature, counts), gradient, strict=True)
        return torch.cat([self.write_vectors(some) @ one for some, one in by_token])

    def pull_back(
        self,
        x: Float[Tensor, "token width"],
        active: ActiveFeatures,
        gradient: Float[Tensor, "token width"],
    ) -> Float[Tensor, "token width"]:
        """(∂ decode(encode(x)) / ∂x)ᵀ gradient, in closed form: Σ over active i of (v_i · gradient) ∂f_i/∂x."""
        dots = self.write_dot(gradient, active.token, active.feature)
        return self.read_sum(x, active.token, active.feature, dots)

    def read_sum(
        self,
        x: Float[Tensor, "token width"],
        token: Int[Tensor, " entry"],
        feature: Int[Tensor, " entry"],
        value: Float[Tensor, " entry"],
    ) -> Float[Tensor, "token width"]:
        """Σ value · ∂f_feature/∂x into each token, for features that are active there."""
        out = torch.zeros_like(x)
        for part in self.parts_of(token):
            read = self.read_vectors(x[token[part]], feature[part])
            out.index_add_(0, token[part], value[part, None] * read)
        return out

    def parts_of(self, entries: Int[Tensor, " entry"]) -> list[slice]:
        """Slices of some entries, so that one ``entry × width`` temporary stays small."""
        step = max(1, CHUNK_BYTES // (8 * self.width))
        return [slice(start, start + step) for start in range(0, entries.numel(), step)]
