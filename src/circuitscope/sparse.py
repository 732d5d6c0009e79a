"""ActiveFeatures: the features of a batch that are not zero, and nothing else.

A dictionary of 32,768 features has about 100 active on a token. Every effect, every mean and every edge
concerns active features only, so a dense ``batch × position × feature`` tensor never exists for longer than
one chunk of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class ActiveFeatures:
    """The non-zero features of ``n_tokens`` tokens, sorted by (token, feature)."""

    token: Int[Tensor, " entry"]
    """Which token: ``example * positions + position``."""
    feature: Int[Tensor, " entry"]
    """Which dictionary element."""
    value: Float[Tensor, " entry"]
    """Its activation."""
    n_tokens: int
    n_features: int

    def __len__(self) -> int:
        return int(self.token.numel())

    @classmethod
    def from_dense(
        cls, dense: Float[Tensor, "token feature"], first_token: int = 0, first_feature: int = 0
    ) -> ActiveFeatures:
        """The non-zero entries of a dense matrix of features, whose first row and column have these numbers."""
        token, feature = dense.nonzero(as_tuple=True)
        value = dense[token, feature]
        return cls(token + first_token, feature + first_feature, value, dense.shape[0], dense.shape[1])

    def to_dense(self) -> Float[Tensor, "token feature"]:
        dense = self.value.new_zeros(self.n_tokens, self.n_features)
        dense[self.token, self.feature] = self.value
        return dense

    @property
    def key(self) -> Int[Tensor, " entry"]:
        """One sortable integer per entry: ``token * n_features + feature``."""
        return self.token * self.n_features + self.feature

    def select(self, keep: Bool[Tensor, " entry"]) -> ActiveFeatures:
        """Only the entries where ``keep`` is true."""
        return ActiveFeatures(
            self.token[keep], self.feature[keep], self.value[keep], self.n_tokens, self.n_features
        )

    def in_order(self) -> ActiveFeatures:
        """The same entries sorted by (token, feature)."""
        order = torch.argsort(self.key)
        return ActiveFeatures(
            self.token[order], self.feature[order], self.value[order], self.n_tokens, self.n_features
        )

    def on_tokens(self, live: Bool[Tensor, " token"]) -> ActiveFeatures:
        """Only the entries of the tokens that are live (neither padding nor BOS)."""
        return self.select(live[self.token])

    def lookup(self, token: Int[Tensor, " query"], feature: Int[Tensor, " query"]) -> Float[Tensor, " query"]:
        """The activation of (token, feature) pairs; 0 where the feature is silent."""
        if len(self) == 0:
            return self.value.new_zeros(token.shape)
        wanted = token * self.n_features + feature
        place = torch.searchsorted(self.key, wanted).clamp(max=len(self) - 1)
        return torch.where(self.key[place] == wanted, self.value[place], 0.0)


def concatenate(parts: list[ActiveFeatures], n_tokens: int, n_features: int) -> ActiveFeatures:
    """Join chunks of a batch into one, in their order."""
    return ActiveFeatures(
        torch.cat([part.token for part in parts]),
        torch.cat([part.feature for part in parts]),
        torch.cat([part.value for part in parts]),
        n_tokens,
        n_features,
    )


def merge(ours: ActiveFeatures, theirs: ActiveFeatures) -> ActiveFeatures:
    """The features of two sets of tokens of one batch that have no token in common."""
    return concatenate([ours, theirs], ours.n_tokens, ours.n_features).in_order()


@dataclass(frozen=True)
class FeatureDelta:
    """Clean and patch activations of every feature that is active in one of them, sorted by (token, feature)."""

    token: Int[Tensor, " entry"]
    feature: Int[Tensor, " entry"]
    clean: Float[Tensor, " entry"]
    patch: Float[Tensor, " entry"]
    n_tokens: int
    n_features: int

    def __len__(self) -> int:
        return int(self.token.numel())

    @property
    def delta(self) -> Float[Tensor, " entry"]:
        """patch − clean."""
        return self.patch - self.clean

    def select(self, keep: Bool[Tensor, " entry"]) -> FeatureDelta:
        return FeatureDelta(
            self.token[keep],
            self.feature[keep],
            self.clean[keep],
            self.patch[keep],
            self.n_tokens,
            self.n_features,
        )


def align(clean: ActiveFeatures, patch: ActiveFeatures | None) -> FeatureDelta:
    """Put the two sides of a pair on common entries; no patch means that every feature goes to 0."""
    if patch is None:
        zero = torch.zeros_like(clean.value)
        return FeatureDelta(clean.token, clean.feature, clean.value, zero, clean.n_tokens, clean.n_features)
    if (clean.n_tokens, clean.n_features) != (patch.n_tokens, patch.n_features):
        raise ValueError(f"clean has {clean.n_tokens} tokens, patch {patch.n_tokens}: they must match")
    keys = torch.unique(torch.cat([clean.key, patch.key]))
    token = torch.div(keys, clean.n_features, rounding_mode="floor")
    feature = keys - token * clean.n_features
    return FeatureDelta(
        token,
        feature,
        clean.lookup(token, feature),
        patch.lookup(token, feature),
        clean.n_tokens,
        clean.n_features,
    )
