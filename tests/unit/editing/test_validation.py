"""try_trainings: what is chosen on texts held out, from activations of which it is known what they tell."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from circuitscope.editing import try_trainings
from circuitscope.editing.probe import fit_probe
from circuitscope.errors import BadInput
from circuitscope.terms import Site

CLEAR, NOISE = Site("resid", 1), Site("resid", 0)


def activations(texts=400):
    """At one site the class is plain to see, at the other it is not there at all."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(texts) % 2
    noise = torch.randn(texts, 6, generator=draw)
    return {NOISE: noise, CLEAR: noise + 4.0 * (2 * labels[:, None] - 1)}, labels


def test_the_site_that_tells_the_classes_apart_comes_first():
    pooled, labels = activations()
    tried = try_trainings(pooled, labels, seed=1, batches=(8, 64))
    assert [one.loss for one in tried] == sorted(one.loss for one in tried)
    assert (tried[0].site, tried[0].batch) == ("resid_1", 8), "small batches make more steps"
    assert tried[0].accuracy == 1
    assert {(one.site, one.batch) for one in tried} == {(f"resid_{n}", b) for n in (0, 1) for b in (8, 64)}
    assert {one.texts for one in tried} == {100}
    noise = [one for one in tried if one.site == "resid_0"]
    assert all(one.accuracy < 0.7 and one.loss > 0.6 for one in noise)


def test_what_is_held_out_is_not_trained_on():
    """Labels drawn at random: a probe knows those that it was trained on better than others."""
    x = torch.randn(80, 60, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(80) % 2
    (tried,) = try_trainings({NOISE: x}, labels, seed=1, batches=(4,), epochs=40)
    probe = fit_probe(x, labels, batch_size=4, seed=1, epochs=40)
    known = binary_cross_entropy_with_logits(probe.logits(x), labels.float())
    assert tried.loss > 5 * known


def test_the_same_seed_holds_the_same_texts_out():
    pooled, labels = activations()
    assert try_trainings(pooled, labels, seed=3) == try_trainings(pooled, labels, seed=3)


def test_too_few_texts_are_refused():
    with pytest.raises(BadInput, match="3 texts of class 0"):
        try_trainings({NOISE: torch.randn(6, 2)}, torch.arange(6) % 2, seed=0)
