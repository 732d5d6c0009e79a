"""The rows of the comparison: predictions of one classifier for the balanced test texts, each by a function.

A row says how many features (or neurons) it takes out. Every row of a seed has the same first classifier. Features
that are taken out are set to what the run sets them to, and each site's error is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from circuitscope.dictionaries import Dictionaries
from circuitscope.editing.classifier import Classifier
from circuitscope.editing.comparison.choosers import CHOOSERS, by_circuit, promoting_the_attribute
from circuitscope.editing.comparison.concepts import concept_vectors, likeness
from circuitscope.editing.comparison.setup import Bench, Feature, Verdicts, classes
from circuitscope.editing.comparison.words import without_words
from circuitscope.interventions import edits_of, feature_means, feature_set
from circuitscope.model import EditsOf
from circuitscope.terms import Site
from circuitscope.work import Arrays

Predictions = Int[Tensor, "draw text"]

PUBLISHED = "as published"
JUDGED = "chosen otherwise, one judge"
TEXT = "without features"

CURVE = (1, 2, 5, 10, 20, 50, 100)
"""Numbers of features that the curves are measured at, as far as there are so many."""


@dataclass(frozen=True)
class Row:
    """A line of the table before it is made."""

    section: str
    name: str
    make: Callable[[], tuple[Predictions, int]]
    """Its predictions, and how many units it takes out."""


@dataclass(frozen=True, eq=False)
class OneSeed:
    """The rows of one seed."""

    bench: Bench
    seed: int

    @cached_property
    def classifier(self) -> Classifier:
        return self.bench.original(self.seed)

    # -- what is taken out ---------------------------------------------------------------------------

    def chosen(self, chooser: str) -> list[Feature]:
        """Features by one way to choose, as many as the circuit has, strongest first."""
        made = self.bench.remember(
            f"{self.seed}-features by {chooser}", lambda: _packed(self._choose(chooser))
        )
        return _unpacked(made)

    def _choose(self, chooser: str) -> list[Feature]:
        if chooser == "circuit":
            return by_circuit(self.bench, self.classifier)
        return CHOOSERS[chooser](self.bench, self.classifier, len(self.chosen("circuit")))

    def judged(self, chooser: str) -> list[Feature]:
        """Those of them that the automatic judge removes."""
        features = self.chosen(chooser)
        return _removed(features, self.bench.judge(features))

    @cached_property
    def by_person(self) -> list[Feature]:
        """The circuit's features that a person removes."""
        return _removed(self.chosen("circuit"), self.bench.person)

    # -- rows ----------------------------------------------------------------------------------------

    def rows(self) -> Iterator[Row]:
        """All rows; those that the dictionaries do not allow, or that lack their words, are left out."""
        removed = self.by_person
        yield Row(PUBLISHED, "original", lambda: (self._predict(), 0))
        yield Row(PUBLISHED, "random features", self._random)
        if self.bench.concepts:
            yield Row(PUBLISHED, "concept bottleneck", self._concepts)
        yield Row(PUBLISHED, "SHIFT", lambda: self._without(removed))
        yield Row(PUBLISHED, "SHIFT + retrain", lambda: self._without(removed, retrain=True))
        yield Row(PUBLISHED, "neuron skyline", lambda: self._skyline(neurons=True))
        yield Row(PUBLISHED, "feature skyline", lambda: self._skyline(neurons=False))
        yield Row(PUBLISHED, "oracle", self._oracle)
        if not self.bench.cue_words:
            return
        for chooser in ("circuit", *CHOOSERS):
            if self.chosen(chooser):
                judged = self.judged(chooser)
                yield Row(JUDGED, chooser, partial(self._without, judged))
                yield Row(JUDGED, f"{chooser} + retrain", partial(self._without, judged, retrain=True))
        yield Row(TEXT, "cue words deleted", lambda: self._deleted(retrain=False))
        yield Row(TEXT, "cue words deleted + retrain", lambda: self._deleted(retrain=True))

    def curve(self, chooser: str) -> Iterator[tuple[int, Callable[[], tuple[Predictions, int]]]]:
        """Predictions when only the strongest of the features are taken out that the judge removes."""
        features = self.judged(chooser)
        counts = sorted({count for count in CURVE if count < len(features)} | {len(features)} - {0})
        for count in counts:
            yield count, partial(self._without, features[:count])

    def _predict(self, edits: EditsOf | None = None) -> Predictions:
        x = self.bench.test if edits is None else self.bench.pooled(self.bench.sets.test_balanced, edits)
        return classes(self.classifier.probe, x)[None]

    def _without(self, features: Sequence[Feature], *, retrain: bool = False) -> tuple[Predictions, int]:
        bench = self.bench
        edits = _edits(bench, bench.dictionaries, features)
        if not retrain:
            return self._predict(edits), len(features)
        texts = bench.sets.train_ambiguous
        probe = bench.fit(bench.train if edits is None else bench.pooled(texts, edits), texts, self.seed)
        x = bench.test if edits is None else bench.pooled(bench.sets.test_balanced, edits)
        return classes(probe, x)[None], len(features)

    def _random(self) -> tuple[Predictions, int]:
        """As many features of each site as SHIFT takes out, others than these."""
        draw = np.random.default_rng(self.seed)
        found = []
        for _ in range(self.bench.draws):
            features = []
            for site in sorted({site for site, _ in self.by_person}):
                gone = [feature for at, feature in self.by_person if at == site]
                others = np.setdiff1d(np.arange(self.bench.dictionaries[site].n_features), gone)
                drawn = draw.choice(others, min(len(gone), len(others)), replace=False)
                features += [(site, int(feature)) for feature in drawn]
            found.append(self._without(features)[0])
        return torch.cat(found), len(self.by_person)

    def _concepts(self) -> tuple[Predictions, int]:
        bench = self.bench
        concepts = concept_vectors(bench.model, bench.site, bench.concepts, bos=bench.bos)
        probe = bench.fit(likeness(bench.train, concepts), bench.sets.train_ambiguous, self.seed)
        return classes(probe, likeness(bench.test, concepts))[None], 0

    def _skyline(self, *, neurons: bool) -> tuple[Predictions, int]:
        """As many units as SHIFT takes out, by their effect on the attribute; neurons are set to their mean."""
        bench, texts = self.bench, self.bench.sets.train_balanced
        units, features = promoting_the_attribute(
            bench, self.classifier, len(self.by_person), neurons=neurons
        )
        if not neurons or not features:
            return self._predict(_edits(bench, units, features)), len(features)
        chosen = feature_set(features)
        means = feature_means(bench.model, units, chosen, texts, bos=bench.bos)
        return self._predict(edits_of(bench.model, units, chosen, "mean", means)), len(features)

    def _oracle(self) -> tuple[Predictions, int]:
        texts = self.bench.sets.train_balanced
        probe = self.bench.fit(self.bench.pooled(texts), texts, self.seed)
        return classes(probe, self.bench.test)[None], 0

    def _deleted(self, *, retrain: bool) -> tuple[Predictions, int]:
        bench, words = self.bench, self.bench.cue_words
        probe = self.classifier.probe
        if retrain:
            texts = without_words(bench.sets.train_ambiguous, words)
            probe = bench.fit(bench.pooled(texts), texts, self.seed)
        return classes(probe, bench.pooled(without_words(bench.sets.test_balanced, words)))[None], 0


def _edits(bench: Bench, units: Dictionaries, features: Sequence[Feature]) -> EditsOf | None:
    """What sets features to 0, or to their mean if the run does so; None for no features."""
    if not features:
        return None
    chosen = feature_set(features)
    means = None
    if bench.how == "mean":
        means = feature_means(bench.model, units, chosen, bench.sets.train_ambiguous, bos=bench.bos)
    return edits_of(bench.model, units, chosen, bench.how, means)


def _removed(features: Sequence[Feature], verdicts: Verdicts) -> list[Feature]:
    return [feature for feature in features if verdicts.get(feature) == "remove"]


def _packed(features: Sequence[Feature]) -> Arrays:
    names = "\n".join(f"{site}/{feature}" for site, feature in features)
    return {"features": np.frombuffer(names.encode(), np.uint8)}


def _unpacked(arrays: Arrays) -> list[Feature]:
    names = arrays["features"].tobytes().decode().split("\n")
    pairs = (name.rsplit("/", 1) for name in names if name)
    return [(Site.parse(site), int(feature)) for site, feature in pairs]
