"""Ways to choose features, and concepts: against what a hand calculation and the circuit say."""

from __future__ import annotations

import pytest
import torch

import circuitscope as cs
from circuitscope.editing.comparison import ComparisonSetup
from circuitscope.editing.comparison.choosers import (
    by_circuit,
    by_direct_attribution,
    by_embedding,
    by_mean_difference,
    promoting_the_attribute,
)
from circuitscope.editing.comparison.concepts import concept_vectors, likeness
from circuitscope.editing.comparison.words import concepts_of, cue_words_of
from circuitscope.editing.effects import classifier_circuit
from circuitscope.editing.pooled_features import class_means
from circuitscope.results.judged_features import effects_of
from circuitscope.tasks.labelled import by_attribute, load_labelled_sets
from circuitscope.terms import Site

SITE = Site("resid", 2)
EXAMPLES = 64
FEW = {"examples": 16, "rule": "left", "points": 3, "batch_size": 32}


@pytest.fixture(scope="module")
def setup():
    model = cs.load_model("bundled", device="cpu")
    dictionaries = cs.load_dictionaries("bundled", model)
    sets = load_labelled_sets("bundled", model, limit=EXAMPLES)
    return ComparisonSetup(
        model, dictionaries, sets, SITE, "mean", True, {"epochs": 20, "batch_size": 16},
        {"nodes": 40, **FEW}, {}, lambda features: {},
        cue_words_of("bundled", sets), concepts_of("bundled", sets),
    )  # fmt: skip


@pytest.fixture(scope="module")
def classifier(setup):
    return setup.original(42)


def test_direct_attribution_orders_as_the_circuit_does_at_the_classifiers_own_site(setup, classifier):
    """The site is linear in the logit, so a feature's effect there is exactly half its direct attribution."""
    alone = setup.dictionaries.only([SITE])
    circuit = classifier_circuit(
        classifier, alone, setup.sets.train_ambiguous, examples=EXAMPLES, nodes=12, batch_size=32
    )
    effects = effects_of(circuit)
    chosen = by_direct_attribution(setup, classifier, len(effects))
    assert set(chosen) == set(effects)
    first, second = class_means(
        setup.model, setup.dictionaries[SITE], SITE, setup.sets.train_ambiguous, bos=True
    )
    for site, feature in chosen:
        write = setup.dictionaries[site].write_vectors(torch.tensor([feature]))[0]
        attribution = float((second - first)[feature] * (write @ classifier.weight))
        assert effects[site, feature] == pytest.approx(attribution / 2, rel=1e-3)


def test_mean_difference_does_not_look_at_the_probe(setup, classifier):
    other = setup.original(7)
    assert by_mean_difference(setup, classifier, 9) == by_mean_difference(setup, other, 9)
    assert by_direct_attribution(setup, classifier, 9) != by_mean_difference(setup, classifier, 9)


def test_each_way_chooses_as_many_features_as_asked_of_its_own_sites(setup, classifier):
    circuit = by_circuit(setup, classifier)
    assert 0 < len(circuit) <= 40
    assert len({site for site, _ in circuit}) > 3
    embedding = by_embedding(setup, classifier, 7)
    assert len(embedding) == 7
    assert {site for site, _ in embedding} == {Site("embed", -1)}


def test_a_skyline_promotes_the_attribute_on_balanced_texts(setup, classifier):
    units, features = promoting_the_attribute(setup, classifier, 6, neurons=False)
    assert len(features) == 6
    texts = by_attribute(setup.sets.train_balanced)
    circuit = classifier_circuit(classifier, units, texts, nodes=300, **FEW)
    effects = effects_of(circuit)
    positive = sorted((value for value in effects.values() if value > 0), reverse=True)
    assert [effects[feature] for feature in features] == pytest.approx(positive[:6], rel=1e-3)


def test_neurons_of_a_skyline_are_coordinates_of_the_sites(setup, classifier):
    units, neurons = promoting_the_attribute(setup, classifier, 5, neurons=True)
    assert len(neurons) == 5
    assert all(feature < setup.model.width for _, feature in neurons)
    assert max(units) <= SITE


def test_concepts_are_directions_of_length_1_around_their_mean(setup):
    words = ("nurse", "hospital", "professor", "library")
    vectors = concept_vectors(setup.model, SITE, words, bos=True)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    found = likeness(3.0 * vectors, vectors)
    torch.testing.assert_close(found.diagonal(), torch.ones(4))
    assert found.abs().max() <= 1 + 1e-5


def test_the_bundled_words_are_about_the_two_classes(setup):
    assert {"nurse", "professor", "hospital"} <= set(setup.concepts)
    assert "farm" not in setup.concepts
    assert {"she", "Julia"} <= set(setup.cue_words)
