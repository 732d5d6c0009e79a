"""Baselines: what ablated nodes are set to.

* ``mean``: the mean over the patch inputs (over the clean ones where there are no pairs), at each position where
  positions are kept, otherwise over all tokens that are neither padding nor BOS; the mean of one clean input alone is
  always over its tokens, since at a position it would be that input itself;
* ``clean-mean``: the same over the clean inputs;
* ``zero``: every feature 0 and the error 0, which leaves the decoder's bias;
* ``resample``: what another example's patch input has there, drawn once per example.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.activations import SiteState, read_sites
from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.errors import BadInput, argument
from circuitscope.model import LanguageModel, TokenBatch
from circuitscope.tasks import Inputs
from circuitscope.terms import Site


@dataclass(frozen=True)
class SiteBaseline:
    """The ablation values of one site, for one batch; leading axes are 1 where they do not differ."""

    decoded: Float[Tensor, "batch position width"]
    """decode(a): the site when every feature has its ablation value and the error is 0."""
    error: Float[Tensor, "batch position width"]
    """The error's ablation value."""
    features: Float[Tensor, "batch position some"]
    """a, for the features asked for."""

    def for_rows(self, count: int) -> SiteBaseline:
        """The same for a batch that has every example several times, one set of all after the other."""

        def repeated(values: Tensor) -> Tensor:
            return values if len(values) in (1, count) else values.repeat(count // len(values), 1, 1)

        return SiteBaseline(*map(repeated, (self.decoded, self.error, self.features)))


class Baseline(ABC):
    """Ablation values of every site."""

    @abstractmethod
    def at(self, site: Site, batch: int, features: Int[Tensor, " some"]) -> SiteBaseline:
        """The values for batch number ``batch``, which broadcast over its examples and positions."""


@dataclass(frozen=True)
class MeanBaseline(Baseline):
    """Means over inputs, one per position or one for all."""

    dictionaries: Dictionaries
    x: Mapping[Site, Float[Tensor, "place width"]]
    error: Mapping[Site, Float[Tensor, "place width"]]
    features: Mapping[Site, Float[Tensor, "place feature"]]

    def at(self, site: Site, batch: int, features: Int[Tensor, " some"]) -> SiteBaseline:
        return SiteBaseline(
            (self.x[site] - self.error[site])[None],
            self.error[site][None],
            self.features[site][None, :, features],
        )


@dataclass(frozen=True)
class ZeroBaseline(Baseline):
    """Every feature 0 and the error 0."""

    model: LanguageModel
    dictionaries: Dictionaries

    def at(self, site: Site, batch: int, features: Int[Tensor, " some"]) -> SiteBaseline:
        dictionary = self.dictionaries[site]
        zero = torch.zeros(1, 1, dictionary.width, dtype=dictionary.dtype, device=self.model.device)
        return SiteBaseline(dictionary.bias(zero), zero, zero[:, :, :1].expand(1, 1, len(features)))


@dataclass(frozen=True)
class ResampleBaseline(Baseline):
    """Each example takes the values of another one, token by token."""

    donors: list[Mapping[Site, SiteState]]

    def at(self, site: Site, batch: int, features: Int[Tensor, " some"]) -> SiteBaseline:
        state = self.donors[batch]
        here = state[site]
        token = torch.arange(here.flat.shape[0], device=features.device)
        values = here.active.lookup(
            token.repeat_interleave(len(features)), features.repeat(here.flat.shape[0])
        )
        return SiteBaseline(here.x - here.error, here.error, values.view(*here.x.shape[:2], len(features)))


def make_baseline(
    kind: str,
    model: LanguageModel,
    dictionaries: Dictionaries,
    batches: list[Inputs],
    *,
    places: int,
    seed: int = 0,
) -> Baseline:
    """The baseline ``kind`` from the evaluation's own inputs; ``places`` is 1 if positions are summed."""
    if kind == "zero":
        return ZeroBaseline(model, dictionaries)
    sides = [batch.clean if kind == "clean-mean" else batch.patch or batch.clean for batch in batches]
    if kind in ("mean", "clean-mean"):
        of_clean = kind == "clean-mean" or batches[0].patch is None
        if of_clean and sum(map(len, batches)) == 1:
            places = 1
        return _means(model, dictionaries, sides, places)
    if kind == "resample":
        return ResampleBaseline([_read(model, dictionaries, side) for side in _drawn(sides, seed)])
    raise BadInput(f"no such baseline: {kind!r}", expected="mean, zero, resample or clean-mean")


def _read(model: LanguageModel, dictionaries: Dictionaries, tokens: TokenBatch) -> Mapping[Site, SiteState]:
    _, states = read_sites(model, dictionaries, tokens, tokens.last[:, None])
    return states


def _means(
    model: LanguageModel, dictionaries: Dictionaries, sides: Iterable[TokenBatch], places: int
) -> MeanBaseline:
    counts = torch.zeros(places, dtype=torch.long, device=model.device)
    totals: dict[Site, list[Tensor]] = {}
    for tokens in sides:
        live = tokens.live.flatten()
        place = tokens.position_ids.flatten() if places > 1 else torch.zeros_like(live, dtype=torch.long)
        counts += torch.bincount(place[live], minlength=places)
        for site, state in _read(model, dictionaries, tokens).items():
            if site not in totals:
                totals[site] = _nothing(dictionaries[site], places, model.device)
            x, error, features = totals[site]
            x.index_add_(0, place[live], state.flat[live])
            error.index_add_(0, place[live], state.error.flatten(0, 1)[live])
            active = state.active
            features.index_put_((place[active.token], active.feature), active.value, accumulate=True)
    divisor = counts.clamp(min=1)[:, None]
    return MeanBaseline(
        dictionaries,
        {site: parts[0] / divisor for site, parts in totals.items()},
        {site: parts[1] / divisor for site, parts in totals.items()},
        {site: parts[2] / divisor for site, parts in totals.items()},
    )


def _nothing(dictionary: Dictionary, places: int, device: torch.device) -> list[Tensor]:
    widths = (dictionary.width, dictionary.width, dictionary.n_features)
    return [torch.zeros(places, width, dtype=dictionary.dtype, device=device) for width in widths]


def _drawn(sides: list[TokenBatch], seed: int) -> list[TokenBatch]:
    """For every example, another one of the same length if there is one, in batches of the same shapes."""
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for tokens in sides:
        lengths = tokens.mask.sum(dim=1).cpu()
        donor = torch.arange(tokens.batch)
        for length in set(lengths.tolist()):
            rows = (lengths == length).nonzero()[:, 0]
            order = rows[torch.randperm(len(rows), generator=generator)]
            donor[order] = order.roll(1)  # a cycle: nobody draws itself, unless it is alone
        single = len(donor) == 1 and len(sides) > 1  # what is left over after full batches
        if not single and bool((donor == torch.arange(tokens.batch)).all()):
            raise BadInput(
                "resample finds no two examples of the same length in a batch",
                expected="at least two",
                mend=f"use {argument('baseline', 'mean')}, or a larger {argument('batch_size')}",
            )
        drawn.append(tokens.take(donor.to(tokens.ids.device)))
    return drawn
