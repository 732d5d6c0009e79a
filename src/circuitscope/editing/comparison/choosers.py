"""Ways to choose the features that are then judged, each as a list with the strongest first.

* ``circuit``: by effect in the classifier's circuit, at all sites;
* ``direct attribution``: at the classifier's own site, |w · v_i| |f̄_i(1) − f̄_i(0)|, with w the probe and f̄_i(c) the
  pooled activation, mean over the texts of class c. With equally many texts of each class, that is twice the direct
  effect on the logit of the true class; it is also what SCR chooses by (Karvonen et al. 2024, arXiv 2411.18895).
  It is blind to all earlier sites;
* ``mean difference``: at the same site, ‖v_i‖ |f̄_i(1) − f̄_i(0)|, which does not look at the probe either;
* ``embedding only``: by total effect among the features of the embedding.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, neurons_like
from circuitscope.editing.classifier import Classifier
from circuitscope.editing.comparison.setup import ComparisonSetup, Feature
from circuitscope.editing.effects import classifier_circuit, up_to
from circuitscope.editing.pooled_features import class_means
from circuitscope.results import effects_of
from circuitscope.tasks.labelled import LabelledText, by_attribute
from circuitscope.terms import Site

log = logging.getLogger("circuitscope")

Chooser = Callable[[ComparisonSetup, Classifier, int], list[Feature]]
"""Chooses at most this many features."""


def by_circuit(setup: ComparisonSetup, classifier: Classifier) -> list[Feature]:
    """The features of the classifier's circuit, as many as its settings keep."""
    circuit = classifier_circuit(classifier, setup.dictionaries, setup.sets.train_ambiguous, **setup.circuit)
    return list(effects_of(circuit))


def by_direct_attribution(setup: ComparisonSetup, classifier: Classifier, most: int) -> list[Feature]:
    return _at_the_probe(setup, classifier, lambda write: (write @ classifier.weight.to(write)).abs(), most)


def by_mean_difference(setup: ComparisonSetup, classifier: Classifier, most: int) -> list[Feature]:
    return _at_the_probe(setup, classifier, lambda write: write.norm(dim=1), most)


def by_embedding(setup: ComparisonSetup, classifier: Classifier, most: int) -> list[Feature]:
    embed = Site("embed", -1)
    if embed not in setup.dictionaries:
        return []
    return _strongest(
        classifier, setup.dictionaries.only([embed]), setup.sets.train_ambiguous, most, setup.circuit
    )


CHOOSERS: dict[str, Chooser] = {
    "direct attribution": by_direct_attribution,
    "mean difference": by_mean_difference,
    "embedding only": by_embedding,
}
"""Besides ``by_circuit``, which says how many features there are to choose."""


def promoting_the_attribute(
    setup: ComparisonSetup, classifier: Classifier, most: int, *, neurons: bool
) -> tuple[Dictionaries, list[Feature]]:
    """What a skyline takes out: the units that most promote the attribute, on balanced texts where it is known."""
    units = up_to(classifier, setup.dictionaries)
    if neurons:
        units = neurons_like(units, setup.model)
    texts = by_attribute(setup.sets.train_balanced)
    with _about("the neuron skyline" if neurons else "the feature skyline"):
        return units, _strongest(classifier, units, texts, most, setup.circuit, promoting=True)


@contextmanager
def _about(what: str) -> Iterator[None]:
    """Say what messages on the way are about."""

    def named(record: logging.LogRecord) -> bool:
        record.msg = f"{what}: {record.msg}"
        return True

    log.addFilter(named)
    try:
        yield
    finally:
        log.removeFilter(named)


def _strongest(
    classifier: Classifier,
    units: Dictionaries,
    texts: Sequence[LabelledText],
    most: int,
    settings: Any,
    *,
    promoting: bool = False,
) -> list[Feature]:
    """The features with the largest effect; errors are skipped, and with ``promoting`` so are effects below 0."""
    plain = {name: value for name, value in settings.items() if name not in ("node_threshold", "nodes")}
    circuit = classifier_circuit(classifier, units, texts, **{**plain, "nodes": 4 * most + len(units)})
    effects = effects_of(circuit)
    return [feature for feature, effect in effects.items() if effect > 0 or not promoting][:most]


def _at_the_probe(
    setup: ComparisonSetup, classifier: Classifier, weigh: Callable[[Tensor], Tensor], most: int
) -> list[Feature]:
    """The features at the classifier's site whose difference between the classes weighs most."""
    site = classifier.site
    if site not in setup.dictionaries:
        return []
    dictionary = setup.dictionaries[site]
    first, second = class_means(
        setup.model, dictionary, site, setup.sets.train_ambiguous, pooling=setup.pooling, bos=setup.bos
    )
    every = torch.arange(dictionary.n_features, device=setup.model.device)
    strength = weigh(dictionary.write_vectors(every)) * (second - first).abs()
    order = torch.argsort(strength, descending=True, stable=True)[:most]
    return [(site, feature) for feature in order.tolist() if strength[feature] > 0]
