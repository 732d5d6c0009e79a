"""SCR and TPP: how well a dictionary lets one concept be taken out without the other (Karvonen et al. 2024).

Both are from arXiv 2411.18895, with the settings of SAEBench. A text's two concepts are its label and its attribute.
A concept's *probe* is trained on balanced texts; a feature's effect on a concept is
|(f̄_i(1) − f̄_i(0)) (w · v_i)|, with f̄_i(c) its pooled activation, mean over texts with value c, w the concept's probe
and v_i the write vector. Taking out N features sets the N with the largest effect to 0 at every token; errors stay.

*SCR* (spurious correlation removal): a biased classifier is trained on ambiguous texts. One concept is meant, the
other spurious; N features of the spurious one are taken out. With A the accuracy on the concept that is meant,
SCR_N = (A_N − A_biased) / (A_oracle − A_biased), the oracle being that concept's probe. Of the two directions the one
whose biased accuracy is lower is reported.

*TPP* (targeted probe perturbation): TPP_N is how much a concept's probe loses when its own N features are taken out,
less what the other concept's probe loses by that; mean over both concepts. (SAEBench has
more than two, one per class.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuitscope.dictionaries import Dictionary
from circuitscope.editing.pooled_features import class_means, pooled_features
from circuitscope.editing.probe import fit_probe
from circuitscope.model import LanguageModel
from circuitscope.results import ScrTpp
from circuitscope.tasks.labelled import LabelledSets, LabelledText, Probe, by_attribute, pooled_activations
from circuitscope.terms import Site

COUNTS = (2, 5, 10, 20, 50, 100, 500)
"""N, as published."""
TRAINING: Mapping[str, Any] = {"epochs": 20, "lr": 1e-3, "l1": 1e-3, "batch_size": 16}
"""How probes are trained, as published."""
LEAST_GAP = 0.02
"""SCR is undefined where the biased classifier is less than this below the oracle's accuracy."""

CONCEPTS = ("label", "attribute")


def scr_and_tpp(
    model: LanguageModel,
    dictionary: Dictionary,
    site: Site,
    sets: LabelledSets,
    *,
    counts: Sequence[int] = COUNTS,
    bos: bool = False,
    seed: int = 42,
    training: Mapping[str, Any] = TRAINING,
) -> ScrTpp:
    """Both scores of the dictionary at a residual site on a task; see this module's text.

    Args:
        counts: how many features to take out; numbers above the dictionary's size are left out.
        training: arguments of ``fit_probe``.
    """
    some = tuple(sorted({count for count in counts if 0 < count <= dictionary.n_features}))
    pooled = {
        name: pooled_activations(model, getattr(sets, name), site=site, bos=bos)
        for name in ("train_ambiguous", "train_balanced", "test_balanced")
    }

    def probe(name: str, texts: Sequence[LabelledText]) -> Probe:
        labels = torch.tensor([text.label for text in texts], device=model.device)
        return fit_probe(pooled[name], labels, seed=seed, **training)

    biased = probe("train_ambiguous", sets.train_ambiguous)
    train = {"label": sets.train_balanced, "attribute": by_attribute(sets.train_balanced)}
    probes = {concept: probe("train_balanced", texts) for concept, texts in train.items()}
    truth = {
        concept: torch.tensor([getattr(text, concept) == 1 for text in sets.test_balanced])
        for concept in CONCEPTS
    }
    x = pooled["test_balanced"]
    perturbed = {}
    for concept in CONCEPTS:
        order = _strongest(model, dictionary, site, train[concept], probes[concept], max(some), bos)
        f = torch.cat(
            list(pooled_features(model, dictionary, site, sets.test_balanced, features=order, bos=bos))
        )
        perturbed[concept] = [_without(x, f, dictionary, order, count) for count in some]
    before = {concept: _accuracy(probes[concept], x, truth[concept]) for concept in CONCEPTS}
    base = {concept: _accuracy(biased, x, truth[concept]) for concept in CONCEPTS}
    meant = min(CONCEPTS, key=lambda concept: base[concept])
    spurious = next(concept for concept in CONCEPTS if concept != meant)
    return ScrTpp(
        some,
        tuple(
            _scr(_accuracy(biased, y, truth[meant]), base[meant], before[meant]) for y in perturbed[spurious]
        ),
        tuple(_tpp(probes, perturbed, truth, before, number) for number in range(len(some))),
        spurious,
        base,
        before,
    )


def _strongest(
    model: LanguageModel,
    dictionary: Dictionary,
    site: Site,
    texts: Sequence[LabelledText],
    probe: Probe,
    most: int,
    bos: bool,
) -> Int[Tensor, " some"]:
    """The features with the largest effect on a concept, largest first."""
    first, second = class_means(model, dictionary, site, texts, bos=bos)
    every = torch.arange(dictionary.n_features, device=model.device)
    effect = ((second - first) * (dictionary.write_vectors(every) @ probe.weight.to(dictionary.dtype))).abs()
    return torch.argsort(effect, descending=True, stable=True)[:most]


def _without(
    x: Float[Tensor, "text width"],
    f: Float[Tensor, "text some"],
    dictionary: Dictionary,
    order: Int[Tensor, " some"],
    count: int,
) -> Float[Tensor, "text width"]:
    """Pooled activations with features at 0: pooling is linear, so what they write is taken from the mean."""
    return x - f[:, :count] @ dictionary.write_vectors(order[:count]).to(f)


def _accuracy(probe: Probe, x: Float[Tensor, "text width"], truth: Bool[Tensor, " text"]) -> float:
    return float(((probe.logits(x) > 0).cpu() == truth).float().mean())


def _scr(value: float, base: float, oracle: float) -> float | None:
    return (value - base) / (oracle - base) if oracle - base >= LEAST_GAP else None


def _tpp(
    probes: Mapping[str, Probe],
    perturbed: Mapping[str, Sequence[Tensor]],
    truth: Mapping[str, Tensor],
    before: Mapping[str, float],
    number: int,
) -> float:
    def lost(concept: str, by: str) -> float:
        return before[concept] - _accuracy(probes[concept], perturbed[by][number], truth[concept])

    label, attribute = CONCEPTS
    return (
        lost(label, label) - lost(attribute, label) + lost(attribute, attribute) - lost(label, attribute)
    ) / 2
