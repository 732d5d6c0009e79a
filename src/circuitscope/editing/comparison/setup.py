"""ComparisonSetup: one classifier per seed, and what all rows of a comparison share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.dictionaries import Dictionaries
from circuitscope.editing.classifier import Classifier
from circuitscope.editing.probe import fit_probe
from circuitscope.model import EditsOf, LanguageModel
from circuitscope.tasks.labelled import LabelledSets, LabelledText, Probe, pooled_activations
from circuitscope.terms import Site
from circuitscope.work import Arrays, Batches, InMemory, Unit, kept_or_done

Feature = tuple[Site, int]

Verdicts = Mapping[Feature, str]
"""What somebody said about features; those that are missing were not judged."""

AutomaticJudge = Callable[[Sequence[Feature]], Verdicts]
"""Judges any features: an automatic judge."""


@dataclass(frozen=True, eq=False)
class ComparisonSetup:
    """Everything that rows are made from, except the seed."""

    model: LanguageModel
    dictionaries: Dictionaries
    sets: LabelledSets
    site: Site
    pooling: str
    bos: bool
    training: Mapping[str, Any]
    """The arguments of ``fit_probe`` without the seed."""
    circuit: Mapping[str, Any]
    """The arguments of ``classifier_circuit``: examples, node_threshold or nodes, and others."""
    person: Verdicts
    """What a person judged."""
    judge: AutomaticJudge
    """An automatic judge, the same for every way to choose features."""
    cue_words: tuple[str, ...]
    concepts: tuple[str, ...]
    how: str = "zero"
    """What features that are taken out are set to: ``zero``, or their ``mean`` over the ambiguous training texts."""
    draws: int = 5
    """Draws of random features."""
    kept: Batches = field(default_factory=InMemory)
    """Where finished rows are kept."""

    def pooled(
        self, texts: Sequence[LabelledText], edits: EditsOf | None = None
    ) -> Float[Tensor, "text width"]:
        """Pooled activations of texts, with edits."""
        return pooled_activations(
            self.model, texts, site=self.site, pooling=self.pooling, bos=self.bos, edits=edits
        )

    @cached_property
    def train(self) -> Float[Tensor, "text width"]:
        """The ambiguous training texts as they are."""
        return self.pooled(self.sets.train_ambiguous)

    @cached_property
    def test(self) -> Float[Tensor, "text width"]:
        """The balanced test texts as they are."""
        return self.pooled(self.sets.test_balanced)

    def fit(self, x: Float[Tensor, "text width"], texts: Sequence[LabelledText], seed: int) -> Probe:
        """A probe on pooled activations, or on whatever else says something about the texts."""
        labels = torch.tensor([text.label for text in texts], device=x.device)
        return fit_probe(x, labels, seed=seed, **self.training)

    def original(self, seed: int) -> Classifier:
        """The classifier that everything is about."""
        probe = self.fit(self.train, self.sets.train_ambiguous, seed)
        return Classifier(self.model, self.site, self.pooling, probe.weight, probe.bias, self.bos)

    def remember(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Arrays by name; made only if a stopped run has not made them already."""
        return kept_or_done(Unit(name, lambda _: make()), None, self.kept)


def classes(probe: Probe, x: Float[Tensor, "text _"]) -> Int[Tensor, " text"]:
    """What a probe predicts."""
    return (probe.logits(x) > 0).long()
