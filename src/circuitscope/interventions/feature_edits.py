"""Edits of a run that set features to zero or to their mean, and keep each site's error.

At a site, with A the features ablated and a_i the value of each (0 or a mean),

    x' = x + Σ_{i∈A} (a_i − f_i(x)) v_i  =  decode(f with f_A = a_A) + ε(x),

which is what ``change`` does to features that are held.

x is the site's tensor as it is in the edited run by then, so a later edit sees what an earlier one changed, as
published (Marks et al. 2024, section 4). BOS and padding are never touched.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.errors import BadInput
from circuitscope.interventions.change import at_live, with_features_at
from circuitscope.model import Edit, Edits, EditsOf, LanguageModel, TokenBatch
from circuitscope.tasks.labelled import BATCH_SIZE, Texts, count_batches, token_blocks
from circuitscope.terms import Site
from circuitscope.work import Arrays, Batches, InMemory, Progress, Unit, finished, silent

FeatureSet = Mapping[Site, Int[Tensor, " _some"]]
"""Features to ablate, for the sites that have any; each site has as many as it has."""

Means = Mapping[Site, Float[Tensor, " _some"]]
"""The mean activation of each feature of a ``FeatureSet``, in its order."""

HOW = ("zero", "mean")
_TOKENS = "tokens"


def feature_edits(
    model: LanguageModel,
    dictionaries: Dictionaries,
    features: FeatureSet,
    tokens: TokenBatch,
    how: str = "zero",
    means: Means | None = None,
) -> Edits:
    """Edits that set features to 0 or to their mean, and keep the error.

    Args:
        features: which ones, per site; a site with none is left alone.
        tokens: the batch that the edits are for: neither its padding nor its BOS is touched.
        how: ``zero`` or ``mean``.
        means: mean activations, for ``mean`` (see ``feature_means``).

    Raises:
        BadInput: a site has no dictionary, a dictionary no such feature, or the means are missing.
    """
    _check(dictionaries, features, how, means)
    taps = dictionaries.taps(model)
    edits = {}
    for site in sorted(site for site, some in features.items() if len(some)):
        dictionary, some = dictionaries[site], features[site].to(model.device)
        value = means[site] if how == "mean" and means else torch.zeros(len(some))
        edits[site] = (taps[site], _edit(dictionary, some, value.to(model.device, dictionary.dtype), tokens))
    return edits


def edits_of(
    model: LanguageModel,
    dictionaries: Dictionaries,
    features: FeatureSet,
    how: str = "zero",
    means: Means | None = None,
) -> EditsOf:
    """The same for any batch of tokens; what it cannot do is refused at once."""
    _check(dictionaries, features, how, means)
    return lambda tokens: feature_edits(model, dictionaries, features, tokens, how, means)


def feature_means(
    model: LanguageModel,
    dictionaries: Dictionaries,
    features: FeatureSet,
    texts: Texts | TokenBatch,
    *,
    bos: bool = False,
    batch_size: int = BATCH_SIZE,
    partial: Batches | None = None,
    progress: Progress = silent,
) -> Means:
    """Mean activation of features over all tokens of the texts that are neither padding nor BOS.

    Args:
        partial: where the sums of finished batches are kept, so that a killed run can continue.
    """
    _check(dictionaries, features, "zero", None)
    store = InMemory() if partial is None else partial
    some = {site: features[site] for site in dictionaries if site in features}
    units = (
        Unit(
            f"means-{block.first:06d}",
            functools.partial(_sums, dictionaries=dictionaries, features=some, batches=block.batches),
            len(block.batches),
        )
        for block in token_blocks(model, texts, bos=bos, size=batch_size)
    )
    sums = {site: np.zeros(len(features[site])) for site in some}
    count, total = 0, count_batches(texts, batch_size)
    for _, arrays in finished(units, model, store, progress, "mean activations", total=total):
        for site, summed in sums.items():
            summed += arrays[site.name]
        count += int(arrays[_TOKENS])
    means = {site: torch.from_numpy(summed / max(1, count)) for site, summed in sums.items()}
    return {site: mean.to(model.dtype).to(model.device) for site, mean in means.items()}


def _sums(
    model: LanguageModel, *, dictionaries: Dictionaries, features: FeatureSet, batches: Sequence[TokenBatch]
) -> Arrays:
    """The summed activation of each feature over some batches, per site, and the number of tokens."""
    taps = dictionaries.only(list(features)).taps(model)
    placed = {site: some.to(model.device) for site, some in features.items()}
    sums: Arrays = {site.name: np.zeros(len(some)) for site, some in placed.items()}
    for tokens in batches:
        cache = model.capture(tokens, taps, tokens.last[:, None])
        for site, some in placed.items():
            f = dictionaries[site].encode_some(cache.x[site][tokens.live], some)
            sums[site.name] += f.cpu().double().sum(dim=0).numpy()
    return {**sums, _TOKENS: np.array(sum(int(tokens.live.sum()) for tokens in batches))}


def _edit(
    dictionary: Dictionary, features: Int[Tensor, " some"], value: Float[Tensor, " some"], tokens: TokenBatch
) -> Edit:
    live = tokens.live

    def hold(x: Tensor) -> Tensor:
        return at_live(
            x,
            live.to(x.device),
            lambda flat: with_features_at(dictionary, flat, features, torch.zeros_like(value), value),
        )

    return hold


def _check(dictionaries: Dictionaries, features: FeatureSet, how: str, means: Means | None) -> None:
    if how not in HOW:
        raise BadInput(f"features ablated by {how!r}", expected=" or ".join(HOW), mend="use one of these")
    for site, some in features.items():
        if site not in dictionaries:
            raise BadInput(
                f"features of {site} are to be ablated, but there is no dictionary for it",
                expected=", ".join(map(str, dictionaries)),
                mend="leave them out, or load the dictionaries that they come from",
            )
        count = dictionaries[site].n_features
        wrong = [feature for feature in some.tolist() if not 0 <= feature < count]
        if wrong or len(set(some.tolist())) != len(some):
            raise BadInput(
                f"{site}/{wrong[0]}: its dictionary has {count} features"
                if wrong
                else f"a feature of {site} is named twice",
                expected=f"each of 0 to {count - 1} at most once",
            )
        if how == "mean" and (means is None or site not in means or len(means[site]) != len(some)):
            raise BadInput(
                f"features of {site} are to be set to their mean, which was not passed",
                expected="the mean activation of each of them",
                mend="means=feature_means(model, dictionaries, features, texts)",
            )


def names_of(features: FeatureSet) -> list[str]:
    """The features as nodes are written, ``resid_3/1024``, in the order of computation."""
    return [f"{site}/{feature}" for site in sorted(features) for feature in sorted(features[site].tolist())]


def feature_set(nodes: Sequence[tuple[Site, int]]) -> FeatureSet:
    """Features given one by one as a set per site; each once."""
    sites = sorted({site for site, _ in nodes})
    return {site: torch.tensor(sorted({f for at, f in nodes if at == site})) for site in sites}
