"""Contexts and vectors of a trained model on real text: what is saved is what the model itself says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import circuitscope as cs
from circuitscope.behaviours.contexts import examples_of
from circuitscope.behaviours.vectors.gradient_rows import linear_layers
from circuitscope.dictionaries import neuron_dictionaries
from circuitscope.effects import node_effects
from circuitscope.tasks import METRICS, make_inputs


@pytest.fixture(scope="module")
def model(shared):
    return cs.load_model(str(shared / "models" / "stories260K"), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def contexts(model, shared):
    text = shared / "data" / "text" / "tinystories_sample.txt"
    return cs.behaviours.find_contexts(model, text, loss=0.3, contexts=200, progress=False)


def test_losses_are_what_the_model_says(model, contexts):
    assert len(contexts) == 200
    assert contexts.losses.max() < 0.3
    for row in range(0, 200, 17):
        with torch.no_grad():
            logits = model.hf(torch.tensor([contexts.tokens(row)])).logits[0, -1]
        loss = -logits.log_softmax(dim=-1)[int(contexts.answers[row])]
        assert contexts.losses[row] == pytest.approx(float(loss), abs=1e-4)


def test_contexts_stand_in_the_text(model, contexts, shared):
    text = " ".join((shared / "data" / "text" / "tinystories_sample.txt").read_text(encoding="utf-8").split())
    read = zip(contexts.texts(model.tokenizer), contexts.answer_texts(model.tokenizer), strict=True)
    there = [" ".join((before + answer).split())[-30:] in text for before, answer in read]
    assert np.mean(there) > 0.9  # a piece may begin inside a character


def test_effects_are_those_of_node_effects(model, contexts, tmp_path):
    dictionaries = neuron_dictionaries(model)
    made = cs.behaviours.make_vectors(
        model, dictionaries, contexts.first(20), tmp_path / "v", kind="effects", progress=False
    )
    for row in (0, 7, 19):
        inputs = make_inputs(examples_of(contexts, [row]), has_bos=contexts.has_bos)
        effects = node_effects(model, dictionaries, inputs, METRICS["log-probability"], method="atp")
        parts = [
            np.bincount(side.features.feature, side.feature_effect, minlength=side.features.n_features)
            for side in effects.sites.values()
        ]
        expected = np.concatenate(parts)
        found = made.rows(row, row + 1).toarray()[0]
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max() + 1e-7


def test_gradients_have_the_lengths_and_angles_of_the_parameters_own(model, contexts, tmp_path):
    some = contexts.first(12)
    made = cs.behaviours.make_vectors(
        model, neuron_dictionaries(model), some, tmp_path / "v", kind="gradients", progress=False
    )
    weights = [
        weight.requires_grad_() for layer in linear_layers(model).values() for weight in layer.parameters()
    ]
    own = []
    for row in range(12):
        logits = model.hf(torch.tensor([some.tokens(row)])).logits[0, -1]
        loss = -logits.log_softmax(dim=-1)[int(some.answers[row])]
        own.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, weights)]).numpy())
    model.hf.requires_grad_(False)
    full, small = np.stack(own), np.asarray(made.rows())
    assert np.allclose(np.linalg.norm(small, axis=1), np.linalg.norm(full, axis=1), rtol=0.05)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (full, small)]
    assert np.abs(unit[0] @ unit[0].T - unit[1] @ unit[1].T).max() < 0.03
