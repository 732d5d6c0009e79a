"""Model, dictionaries and tokens meet here: the features and the error of every site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.model import Cache, LanguageModel, TokenBatch
from circuitscope.sparse import ActiveFeatures
from circuitscope.terms import Site


@dataclass(frozen=True)
class SiteState:
    """One site on one batch: its tensor, written as Σ f_i v_i + b + ε."""

    dictionary: Dictionary
    x: Float[Tensor, "batch position width"]
    live: Bool[Tensor, "batch position"]
    """Tokens that can be nodes: neither padding nor BOS."""

    @cached_property
    def active(self) -> ActiveFeatures:
        """The active features of the live tokens; token = example · positions + position."""
        return self.dictionary.encode_active(self.flat).on_tokens(self.live.flatten())

    @cached_property
    def error(self) -> Float[Tensor, "batch position width"]:
        """ε = x − decode(encode(x)) at live tokens, 0 elsewhere."""
        error = (self.flat - self.dictionary.decode(self.active, self.flat)).view(self.x.shape)
        return error * self.live[:, :, None]

    @property
    def flat(self) -> Float[Tensor, "token width"]:
        return self.x.reshape(-1, self.x.shape[-1])


def read_sites(
    model: LanguageModel,
    dictionaries: Dictionaries,
    tokens: TokenBatch,
    positions: Int[Tensor, "batch asked"],
) -> tuple[Cache, Mapping[Site, SiteState]]:
    """Run the plain model once; features and errors are computed when asked for."""
    cache = model.capture(tokens, dictionaries.taps(model), positions)
    states = {
        site: SiteState(dictionary, cache.x[site], tokens.live) for site, dictionary in dictionaries.items()
    }
    return cache, states
