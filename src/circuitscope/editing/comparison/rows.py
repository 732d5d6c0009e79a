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
from circuitscope.editing.comparison.setup import ComparisonSetup, Feature, Verdicts, classes
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
"""Numbers of features that the curves are measured at, as long as there are that many."""


@dataclass(frozen=True)
class PlannedRow:
    """A line of the table before it is made."""

    section: str
    name: str
    make: Callable[[], tuple[Predictions, int]]
    """Its predictions, and how many units it takes out."""


@dataclass(frozen=True, eq=False)
class OneSeed:
    """The rows of one seed."""

    setup: ComparisonSetup
    seed: int

    @cached_property
    def classifier(self) -> Classifier:
        return self.setup.original(self.seed)

    # -- what is taken out ---------------------------------------------------------------------------

    def chosen(self, chooser: str) -> list[Feature]:
        """Features by one way to choose, as many as the circuit has, strongest first."""
        made = self.setup.remember(
            f"{self.seed}-features by {chooser}", lambda: _packed(self._choose(chooser))
        )
        return _unpacked(made)

    def _choose(self, chooser: str) -> list[Feature]:
        if chooser == "circuit":
            return by_circuit(self.setup, self.classifier)
        return CHOOSERS[chooser](self.setup, self.classifier, len(self.chosen("circuit")))

    def judged(self, chooser: str) -> list[Feature]:
        """Those of them that the automatic judge removes."""
        features = self.chosen(chooser)
        return _removed(features, self.setup.judge(features))

    @cached_property
    def by_person(self) -> list[Feature]:
        """The circuit's features that a person removes."""
        return _removed(self.chosen("circuit"), self.setup.person)

    # -- rows ----------------------------------------------------------------------------------------

    def rows(self) -> Iterator[PlannedRow]:
        """All rows; those that the dictionaries do not allow, or that lack their words, are left out."""
        removed = self.by_person
        yield PlannedRow(PUBLISHED, "original", lambda: (self._predict(), 0))
        yield PlannedRow(PUBLISHED, "random features", self._random)
        if self.setup.concepts:
            yield PlannedRow(PUBLISHED, "concept bottleneck", self._concepts)
        yield PlannedRow(PUBLISHED, "SHIFT", lambda: self._without(removed))
        yield PlannedRow(PUBLISHED, "SHIFT + retrain", lambda: self._without(removed, retrain=True))
        yield PlannedRow(PUBLISHED, "neuron skyline", lambda: self._skyline(neurons=True))
        yield PlannedRow(PUBLISHED, "feature skyline", lambda: self._skyline(neurons=False))
        yield PlannedRow(PUBLISHED, "oracle", self._oracle)
        if not self.setup.cue_words:
            return
        for chooser in ("circuit", *CHOOSERS):
            if self.chosen(chooser):
                judged = self.judged(chooser)
                yield PlannedRow(JUDGED, chooser, partial(self._without, judged))
                yield PlannedRow(JUDGED, f"{chooser} + retrain", partial(self._without, judged, retrain=True))
        yield PlannedRow(TEXT, "cue words deleted", lambda: self._deleted(retrain=False))
        yield PlannedRow(TEXT, "cue words deleted + retrain", lambda: self._deleted(retrain=True))

    def curve(self, chooser: str) -> Iterator[tuple[int, Callable[[], tuple[Predictions, int]]]]:
        """Predictions when only the strongest of the features that the judge removes are taken out."""
        features = self.judged(chooser)
        counts = sorted({count for count in CURVE if count < len(features)} | {len(features)} - {0})
        for count in counts:
            yield count, partial(self._without, features[:count])

    def _predict(self, edits: EditsOf | None = None) -> Predictions:
        x = self.setup.test if edits is None else self.setup.pooled(self.setup.sets.test_balanced, edits)
        return classes(self.classifier.probe, x)[None]

    def _without(self, features: Sequence[Feature], *, retrain: bool = False) -> tuple[Predictions, int]:
        setup = self.setup
        edits = _edits(setup, setup.dictionaries, features)
        if not retrain:
            return self._predict(edits), len(features)
        texts = setup.sets.train_ambiguous
        probe = setup.fit(setup.train if edits is None else setup.pooled(texts, edits), texts, self.seed)
        x = setup.test if edits is None else setup.pooled(setup.sets.test_balanced, edits)
        return classes(probe, x)[None], len(features)

    def _random(self) -> tuple[Predictions, int]:
        """As many features at each site as SHIFT takes out, but different ones."""
        draw = np.random.default_rng(self.seed)
        found = []
        for _ in range(self.setup.draws):
            features = []
            for site in sorted({site for site, _ in self.by_person}):
                gone = [feature for at, feature in self.by_person if at == site]
                others = np.setdiff1d(np.arange(self.setup.dictionaries[site].n_features), gone)
                drawn = draw.choice(others, min(len(gone), len(others)), replace=False)
                features += [(site, int(feature)) for feature in drawn]
            found.append(self._without(features)[0])
        return torch.cat(found), len(self.by_person)

    def _concepts(self) -> tuple[Predictions, int]:
        setup = self.setup
        concepts = concept_vectors(setup.model, setup.site, setup.concepts, bos=setup.bos)
        probe = setup.fit(likeness(setup.train, concepts), setup.sets.train_ambiguous, self.seed)
        return classes(probe, likeness(setup.test, concepts))[None], 0

    def _skyline(self, *, neurons: bool) -> tuple[Predictions, int]:
        """As many units as SHIFT takes out, by their effect on the attribute; neurons are set to their mean."""
        setup, texts = self.setup, self.setup.sets.train_balanced
        units, features = promoting_the_attribute(
            setup, self.classifier, len(self.by_person), neurons=neurons
        )
        if not neurons or not features:
            return self._predict(_edits(setup, units, features)), len(features)
        chosen = feature_set(features)
        means = feature_means(setup.model, units, chosen, texts, bos=setup.bos)
        return self._predict(edits_of(setup.model, units, chosen, "mean", means)), len(features)

    def _oracle(self) -> tuple[Predictions, int]:
        texts = self.setup.sets.train_balanced
        probe = self.setup.fit(self.setup.pooled(texts), texts, self.seed)
        return classes(probe, self.setup.test)[None], 0

    def _deleted(self, *, retrain: bool) -> tuple[Predictions, int]:
        setup, words = self.setup, self.setup.cue_words
        probe = self.classifier.probe
        if retrain:
            texts = without_words(setup.sets.train_ambiguous, words)
            probe = setup.fit(setup.pooled(texts), texts, self.seed)
        return classes(probe, setup.pooled(without_words(setup.sets.test_balanced, words)))[None], 0


def _edits(setup: ComparisonSetup, units: Dictionaries, features: Sequence[Feature]) -> EditsOf | None:
    """What sets features to 0, or to their mean if the run does so; None for no features."""
    if not features:
        return None
    chosen = feature_set(features)
    means = None
    if setup.how == "mean":
        means = feature_means(setup.model, units, chosen, setup.sets.train_ambiguous, bos=setup.bos)
    return edits_of(setup.model, units, chosen, setup.how, means)


def _removed(features: Sequence[Feature], verdicts: Verdicts) -> list[Feature]:
    return [feature for feature in features if verdicts.get(feature) == "remove"]


def _packed(features: Sequence[Feature]) -> Arrays:
    names = "\n".join(f"{site}/{feature}" for site, feature in features)
    return {"features": np.frombuffer(names.encode(), np.uint8)}


def _unpacked(arrays: Arrays) -> list[Feature]:
    names = arrays["features"].tobytes().decode().split("\n")
    pairs = (name.rsplit("/", 1) for name in names if name)
    return [(Site.parse(site), int(feature)) for site, feature in pairs]
