"""SCR and TPP: what they are made of, on texts where the right answer is known."""

from __future__ import annotations

import pytest
import torch

import circuitscope as cs
from circuitscope.editing.pooled_features import class_means, pooled_features
from circuitscope.editing.scr_tpp import _scr, _strongest, _tpp, _without, scr_and_tpp
from circuitscope.interventions.feature_edits import edits_of
from circuitscope.tasks.labelled import Probe, load_labelled_sets, pooled_activations
from circuitscope.terms import Site

SITE = Site("resid", 2)
QUICK = {"epochs": 4, "lr": 1e-2, "batch_size": 32}


@pytest.fixture(scope="module")
def world():
    model = cs.load_model("bundled", device="cpu")
    return model, cs.load_dictionaries("bundled", model), load_labelled_sets("bundled", model, limit=256)


def test_taking_features_out_of_the_mean_is_ablating_them_at_every_token(world):
    model, dictionaries, sets = world
    texts, features = sets.test_balanced[:40], torch.tensor([103, 112, 375, 7])
    x = pooled_activations(model, texts, site=SITE, bos=True)
    f = torch.cat(list(pooled_features(model, dictionaries[SITE], SITE, texts, features=features, bos=True)))
    ours = _without(x, f, dictionaries[SITE], features, 3)
    edits = edits_of(model, dictionaries, {SITE: features[:3]})
    torch.testing.assert_close(ours, pooled_activations(model, texts, site=SITE, bos=True, edits=edits))
    assert not torch.allclose(ours, x, atol=1e-2)


def test_class_means_are_means_of_the_pooled_features(world):
    model, dictionaries, sets = world
    texts = sets.train_ambiguous[:50]
    f = torch.cat(list(pooled_features(model, dictionaries[SITE], SITE, texts, bos=True)))
    labels = torch.tensor([text.label for text in texts])
    wanted = torch.stack([f[labels == label].mean(dim=0) for label in (0, 1)])
    torch.testing.assert_close(class_means(model, dictionaries[SITE], SITE, texts, bos=True), wanted)


def test_the_strongest_features_are_those_of_the_largest_product(world):
    model, dictionaries, sets = world
    probe = Probe(torch.randn(model.width, generator=torch.Generator().manual_seed(0)), torch.tensor(0.0))
    order = _strongest(model, dictionaries[SITE], SITE, sets.train_balanced, probe, 10, True)
    first, second = class_means(model, dictionaries[SITE], SITE, sets.train_balanced, bos=True)
    write = dictionaries[SITE].write_vectors(torch.arange(dictionaries[SITE].n_features))
    effect = ((second - first) * (write @ probe.weight)).abs()
    torch.testing.assert_close(effect[order], effect.sort(descending=True).values[:10])


def test_taking_out_the_spurious_concept_helps_the_biased_classifier(world):
    model, dictionaries, sets = world
    found = scr_and_tpp(model, dictionaries[SITE], SITE, sets, counts=(5, 20, 9999), bos=True, training=QUICK)
    assert found.counts == (5, 20)
    assert found.spurious == "attribute"
    assert found.biased["attribute"] > found.biased["label"]
    assert max(value for value in found.scr if value is not None) > 0.3
    assert max(found.tpp) > 0.05


def test_the_scores_are_what_their_formulas_say():
    assert _scr(0.8, 0.6, 0.9) == pytest.approx(2 / 3)
    assert _scr(0.6, 0.6, 0.9) == 0
    assert _scr(0.8, 0.89, 0.9) is None
    # One token of width 2: the label's probe reads the first coordinate, the attribute's the second.
    probes = {
        "label": Probe(torch.tensor([1.0, 0.0]), torch.tensor(0.0)),
        "attribute": Probe(torch.tensor([0.0, 1.0]), torch.tensor(0.0)),
    }
    truth = {"label": torch.tensor([True, True]), "attribute": torch.tensor([True, True])}
    perturbed = {
        "label": [torch.tensor([[-1.0, 1.0], [-1.0, 1.0]])],  # loses the label, keeps the attribute
        "attribute": [
            torch.tensor([[1.0, -1.0], [-1.0, -1.0]])
        ],  # loses the attribute, and half of the label
    }
    before = {"label": 1.0, "attribute": 1.0}
    assert _tpp(probes, perturbed, truth, before, 0) == pytest.approx((1 - 0 + 1 - 0.5) / 2)
