"""Behaviours of the bundled language, units that tell their variables, and units that turn the answer."""

from __future__ import annotations

import random

import numpy as np
import pytest

import circuitscope as cs
from benchmarks.recovery import language
from benchmarks.recovery.behaviours import behaviours, structure_at
from benchmarks.recovery.language import Flipper, Units, inputs_of, strongest
from benchmarks.recovery.probes import (
    Places,
    balanced,
    balanced_interval,
    best_cut,
    right_by_cut,
    right_by_regression,
)
from circuitscope.tasks.language import documents
from training.check import needed


@pytest.fixture(scope="module")
def model():
    return cs.load_model("bundled", device="cpu")


@pytest.fixture(scope="module")
def all_behaviours(model):
    return {behaviour.name: behaviour for behaviour in behaviours(model)}


def test_every_pair_is_usable_and_its_splits_share_no_text(model, all_behaviours):
    assert len(all_behaviours) == 8
    for behaviour in all_behaviours.values():
        for split in ("train", "test"):
            encoded, skipped = behaviour.task.encode(split, model.tokenizer, bos=True)
            assert len(encoded) >= 40, behaviour.name
            assert not skipped
            assert len({item.length for item in encoded}) == 1
        texts = [
            {text for example in split for text in (example.clean_prefix, example.patch_prefix)}
            for split in (behaviour.task.train, behaviour.task.test)
        ]
        assert not texts[0] & texts[1]
        assert {behaviour.value(example) for example in behaviour.task.train} == set(behaviour.values)


def test_the_model_has_the_behaviours(model, all_behaviours):
    units = Units.of(cs.load_dictionaries("bundled", model))
    for behaviour in all_behaviours.values():
        assert Flipper(model, units, behaviour, 20).right.mean() > 0.9, behaviour.name


def test_one_side_of_every_pair_has_the_value_asked_for(model, all_behaviours):
    behaviour = all_behaviours["pronoun"]
    ids = model.tokenizer.get_vocab()
    for value, answers in (("female", ("She", "Her")), ("male", ("He", "His"))):
        inputs = inputs_of(model, behaviour, behaviour.task.test[:20], value)
        assert {tuple(row) for row in inputs.clean_answers.tolist()} == {tuple(ids[word] for word in answers)}


def test_places_of_a_structure_are_where_its_verb_is_due(all_behaviours):
    words = {name: set() for name in ("simple", "across_pp", "within_rc", "across_rc")}
    for document in documents(40, 5):
        for name, found in words.items():
            for place, value in all_behaviours[name].places(document):
                item = needed(document, place)
                assert structure_at(document, place, item) == name
                assert value == item.value
                found.add(document.words[place])
    assert all(words.values())
    assert not words["simple"] & words["across_pp"]  # people, things


def test_two_features_of_a_circuit_turn_the_pronoun_and_random_ones_do_not(
    model, all_behaviours, monkeypatch
):
    monkeypatch.setattr(language, "EXAMPLES", 10)
    behaviour = all_behaviours["pronoun"]
    units = Units.of(cs.load_dictionaries("bundled", model))
    flipper = Flipper(model, units, behaviour, 20)
    assert flipper.flipped(strongest(model, units, behaviour)[:2]).mean() > 0.9
    others = random.Random(0).sample(range(len(units.nodes)), 2)
    assert flipper.flipped(others).mean() < 0.1


# -- probes ----------------------------------------------------------------------------------------------


def made(count: int, seed: int) -> Places:
    """Unit 0 is noise, unit 1 is lower for the first value, units 2 and 3 tell it only together."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % 3 == 0
    x = draw.standard_normal((count, 4))
    x[:, 1] = np.where(labels, -1.0, 2.0)
    x[:, 3] = x[:, 2] + np.where(labels, 0.5, -0.5)
    return Places(x, labels)


def test_the_best_cut_finds_unit_side_and_threshold():
    cut = best_cut(made(60, 0), [0, 1])
    assert (cut.unit, cut.above, cut.accuracy) == (1, False, 1.0)
    assert cut.threshold == 0.5
    assert right_by_cut(made(60, 0), made(90, 1), [0, 1]).all()


def test_a_constant_unit_tells_nothing():
    places = Places(np.zeros((10, 1)), np.arange(10) < 3)
    assert best_cut(places, [0]).accuracy == 0.5


def test_a_regression_uses_units_together():
    fitted, tested = made(300, 0), made(300, 1)
    alone = balanced(right_by_cut(fitted, tested, [2, 3]), tested.labels)
    together = balanced(right_by_regression(fitted, tested, [2, 3]), tested.labels)
    assert alone < 0.8
    assert together > 0.95


def test_balanced_accuracy_weighs_both_values_the_same():
    labels = np.array([True] * 10 + [False] * 90)
    right = np.concatenate([np.zeros(10, bool), np.ones(90, bool)])
    assert balanced(right, labels) == 0.5
    half = np.arange(100) % 2 == 0
    low, high = balanced_interval(half, labels)
    assert 0.25 < low < 0.5 < high < 0.75
