"""Model, dictionaries and tokens meet here: the features and the error of every site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.model import Cache, LanguageModel, TokenBatch
from circuitscope.sparse import ActiveFeatures, merge
from circuitscope.terms import Site


class Encoding:
    """The features of several sets of tokens of one site, found together when the first of them is asked for.

    One product with the encoder for both sides of pairs costs much less than two.
    """

    def __init__(self, dictionary: Dictionary, *parts: Float[Tensor, "_ width"]) -> None:
        self._dictionary, self._parts = dictionary, parts

    @cached_property
    def of_parts(self) -> list[ActiveFeatures]:
        """Per set, its features; tokens are numbered within the set."""
        together = self._dictionary.encode_active(torch.cat(self._parts))
        found, first = [], 0
        for part in self._parts:
            mine = together.select((together.token >= first) & (together.token < first + len(part)))
            found.append(replace(mine, token=mine.token - first, n_tokens=len(part)))
            first += len(part)
        return found


@dataclass(frozen=True)
class SiteState:
    """One site on one batch: its tensor, written as Σ f_i v_i + b + ε."""

    dictionary: Dictionary
    x: Float[Tensor, "batch position width"]
    live: Bool[Tensor, "batch position"]
    """Tokens that can be nodes: neither padding nor BOS."""
    own: Int[Tensor, " own"]
    """The live tokens that were encoded for this state: all of them, or those that ``like`` does not have."""
    encoding: Encoding
    part: int
    """Which part of the encoding the own tokens are."""
    like: SiteState | None = None
    """The other side of the pairs: tokens with exactly the same tensor share its features and error."""

    @cached_property
    def active(self) -> ActiveFeatures:
        """The active features of the live tokens; token = example · positions + position."""
        local = self._encoded
        fresh = replace(local, token=self.own[local.token], n_tokens=self.flat.shape[0])
        if self.like is None:
            return fresh
        is_own = torch.zeros_like(self.live).flatten()
        is_own[self.own] = True
        return merge(fresh, self.like.active.select(~is_own[self.like.active.token]))

    @cached_property
    def error(self) -> Float[Tensor, "batch position width"]:
        """ε = x − decode(encode(x)) at live tokens, 0 elsewhere."""
        error = torch.zeros_like(self.flat) if self.like is None else self.like.error.flatten(0, 1).clone()
        own = self.flat[self.own]
        error[self.own] = own - self.dictionary.decode(self._encoded, own)
        return error.view(self.x.shape)

    @property
    def _encoded(self) -> ActiveFeatures:
        """The features of the own tokens, by their number there."""
        return self.encoding.of_parts[self.part]

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
    (own,) = tokens.live.flatten().nonzero(as_tuple=True)
    states = {}
    for site, dictionary in dictionaries.items():
        x = cache.x[site]
        encoding = Encoding(dictionary, x.flatten(0, 1)[own])
        states[site] = SiteState(dictionary, x, tokens.live, own, encoding, 0)
    return cache, states


def read_pairs(
    model: LanguageModel,
    dictionaries: Dictionaries,
    clean: TokenBatch,
    patch: TokenBatch,
    clean_positions: Int[Tensor, "batch asked"],
    patch_positions: Int[Tensor, "batch asked"],
) -> tuple[tuple[Cache, Mapping[Site, SiteState]], tuple[Cache, Mapping[Site, SiteState]]]:
    """Both sides of pairs, as ``read_sites`` reads one; what they have in common is encoded once."""
    clean_cache, alone = read_sites(model, dictionaries, clean, clean_positions)
    patch_cache = model.capture(patch, dictionaries.taps(model), patch_positions)
    clean_states, patch_states = {}, {}
    for site, dictionary in dictionaries.items():
        x, before = patch_cache.x[site], alone[site]
        changed = patch.live & (x != before.x).any(dim=-1)
        (own,) = changed.flatten().nonzero(as_tuple=True)
        encoding = Encoding(dictionary, before.flat[before.own], x.flatten(0, 1)[own])
        clean_states[site] = replace(before, encoding=encoding)
        patch_states[site] = SiteState(dictionary, x, patch.live, own, encoding, 1, like=clean_states[site])
    return (clean_cache, clean_states), (patch_cache, patch_states)
