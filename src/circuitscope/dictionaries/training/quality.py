"""How good dictionaries are, on text that they were not trained on.

Over the live tokens (no padding, no BOS) of the contexts:

* L0 = mean number of active features;
* variance unexplained = Σ |x − x̂|² / Σ |x − mean x|²;
* loss recovered = (L_zero − L_dict) / (L_zero − L_clean), where L is the mean next-token loss (nats) of the
  model when the site's tensor stays (clean), is reconstructed (dict) or is 0 (zero) at the live tokens.
  Undefined (None) where L_zero − L_clean is under 0.05 nats: the site does not matter enough to tell.
* dead features = those that are active on no token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.model import CutText, Edit, LanguageModel, Tap, TokenBatch
from circuitscope.results import SiteQuality
from circuitscope.terms import Site
from circuitscope.work import Progress, silent

SMALLEST_DAMAGE = 0.05
"""Nats that zero-ablating a site must cost for its loss recovered to mean something."""
LOSS_CONTEXTS = 64
LOGIT_BYTES = 256 * 2**20


def measure_quality(
    model: LanguageModel,
    dictionaries: Dictionaries,
    contexts: CutText,
    *,
    loss_contexts: int = LOSS_CONTEXTS,
    progress: Progress = silent,
) -> list[SiteQuality]:
    """Measure every dictionary; the losses, which cost most, on the first ``loss_contexts`` contexts only."""
    taps = dictionaries.taps(model)
    tallies = {site: _Tally(dictionary) for site, dictionary in dictionaries.items()}
    for tokens in _batches(model, contexts, len(contexts)):
        asked = torch.zeros(tokens.batch, 1, dtype=torch.long, device=model.device)
        for site, x in model.capture(tokens, taps, asked).x.items():
            tallies[site].add(x[tokens.live])
    loss_batches = list(_batches(model, contexts, loss_contexts))
    clean = _loss(model, loss_batches, {})
    found = []
    for number, (site, dictionary) in enumerate(dictionaries.items()):
        progress(number, len(dictionaries), f"measuring {site}")
        reconstruct = _loss(model, loss_batches, {site: (taps[site], reconstruction_of(dictionary))})
        zero = _loss(model, loss_batches, {site: (taps[site], torch.zeros_like)})
        found.append(tallies[site].quality(site, clean, reconstruct, zero))
    return found


def loss_recovered(clean: float, dictionary: float, zero: float) -> float | None:
    """(L_zero − L_dict) / (L_zero − L_clean), None where the denominator is under 0.05 nats."""
    return (zero - dictionary) / (zero - clean) if zero - clean >= SMALLEST_DAMAGE else None


def reconstruction_of(dictionary: Dictionary) -> Callable[[Tensor], Tensor]:
    """The map x → x̂ of a dictionary, in the dtype of x."""

    def reconstruct(x: Float[Tensor, "token width"]) -> Float[Tensor, "token width"]:
        own = x.to(dictionary.dtype)
        return dictionary.decode(dictionary.encode_active(own), own).to(x.dtype)

    return reconstruct


class _Tally:
    """Sums over tokens of one site, in float64, since the results are small differences of large sums."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.n_tokens = self.n_active = 0
        self.error = self.square = 0.0
        self.total: Float[Tensor, " width"] | float = 0.0
        self.fired: Bool[Tensor, " feature"] = torch.zeros(dictionary.n_features, dtype=torch.bool)

    def add(self, x: Float[Tensor, "token width"]) -> None:
        x = x.to(self.dictionary.dtype)
        active = self.dictionary.encode_active(x)
        residual = x - self.dictionary.decode(active, x)
        self.n_tokens += x.shape[0]
        self.n_active += len(active)
        self.error += float(residual.double().square().sum())
        self.square += float(x.double().square().sum())
        self.total = self.total + x.double().sum(dim=0)
        self.fired[active.feature.cpu()] = True

    def quality(self, site: Site, clean: float, dictionary: float, zero: float) -> SiteQuality:
        total = torch.as_tensor(self.total)
        variance = self.square - float(total.square().sum()) / self.n_tokens
        return SiteQuality(
            site=site.name,
            l0=self.n_active / self.n_tokens,
            variance_unexplained=self.error / max(variance, 1e-30),
            loss_recovered=loss_recovered(clean, dictionary, zero),
            loss_clean=clean,
            loss_dictionary=dictionary,
            loss_zero=zero,
            dead_features=int((~self.fired).sum()),
            n_features=self.dictionary.n_features,
        )


def _batches(model: LanguageModel, contexts: CutText, limit: int) -> Iterator[TokenBatch]:
    """The first contexts, in batches whose logits at all positions fit the budget."""
    count = min(limit, len(contexts))
    if count == 0:
        return
    per_context = (int(contexts.length.max()) + 1) * int(model.config.vocab_size) * 4
    rows = max(1, min(64, LOGIT_BYTES // per_context))
    for first in range(0, count, rows):
        yield contexts.take(range(first, min(first + rows, count))).to(model.device)


@torch.no_grad()
def _loss(
    model: LanguageModel,
    batches: list[TokenBatch],
    replace: dict[Site, tuple[Tap, Callable[[Tensor], Tensor]]],
) -> float:
    """Mean next-token loss (nats) of predictions made at live tokens, with sites replaced at live tokens."""
    total, count = 0.0, 0
    for tokens in batches:
        edits = {site: (tap, _at_live(tokens, function)) for site, (tap, function) in replace.items()}
        positions = torch.arange(tokens.positions - 1, device=tokens.ids.device).expand(tokens.batch, -1)
        logits = model.logits(tokens, positions, edits)
        counted = tokens.live[:, :-1] & tokens.mask[:, 1:]
        losses = cross_entropy(logits[counted].float(), tokens.ids[:, 1:][counted], reduction="sum")
        total, count = total + float(losses), count + int(counted.sum())
    return total / max(count, 1)


def _at_live(tokens: TokenBatch, function: Callable[[Tensor], Tensor]) -> Edit:
    def edit(x: Tensor) -> Tensor:
        changed = x.clone()
        changed[tokens.live] = function(x[tokens.live])
        return changed

    return edit
