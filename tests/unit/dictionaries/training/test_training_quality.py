"""The figures of a dictionary, against a computation by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from circuitscope.dictionaries import Dictionaries, neuron_dictionaries
from circuitscope.dictionaries.affine import ReluDictionary
from circuitscope.dictionaries.training import measure_quality
from circuitscope.dictionaries.training.quality import loss_recovered
from circuitscope.model import LanguageModel, cut
from circuitscope.terms import Site

MLP = Site("mlp", 0)
DOCUMENTS = [[5, 6, 7, 9, 8], [3, 4, 11]]


def relu_dictionary() -> ReluDictionary:
    generator = torch.Generator().manual_seed(0)
    w_enc, w_dec = (torch.randn(10, 16, generator=generator) for _ in range(2))
    b_enc = torch.randn(10, generator=generator)
    b_enc[3] = -1e6  # can never be active
    return ReluDictionary(w_enc=w_enc, b_enc=b_enc, w_dec=0.1 * w_dec, b_dec=torch.ones(16))


def by_hand(model: LanguageModel, replace: str) -> float:
    """Loss of the untouched HuggingFace model, one context at a time, with a hook of the test's own."""
    own = relu_dictionary()

    def hook(module: object, arguments: object, output: torch.Tensor) -> torch.Tensor | None:
        changed = output.clone()  # position 0 is BOS and stays
        x = output[0, 1:]
        new = torch.relu(x @ own.w_enc.T + own.b_enc) @ own.w_dec + own.b_dec
        changed[0, 1:] = {"clean": x, "dictionary": new, "zero": 0 * x}[replace]
        return changed

    handle = model.hf.model.layers[0].mlp.register_forward_hook(hook)
    losses = []
    for document in DOCUMENTS:
        ids = torch.tensor([[0, *document]])
        logits = model.hf(input_ids=ids).logits[0]
        # Predictions from the live tokens: all but the one that BOS makes and the last.
        losses.append(cross_entropy(logits[1:-1], ids[0, 2:], reduction="none"))
    handle.remove()
    return float(torch.cat(losses).mean())


@torch.no_grad()
def test_every_figure_equals_its_definition(model: LanguageModel) -> None:
    dictionary = relu_dictionary()
    contexts = cut(DOCUMENTS, 10, 0)
    (found,) = measure_quality(model, Dictionaries({MLP: dictionary}, name="test"), contexts)
    clean, other, zero = (by_hand(model, what) for what in ("clean", "dictionary", "zero"))
    assert found.loss_clean == pytest.approx(clean, rel=1e-5)
    assert found.loss_dictionary == pytest.approx(other, rel=1e-5)
    assert found.loss_zero == pytest.approx(zero, rel=1e-5)
    assert found.loss_recovered == loss_recovered(found.loss_clean, found.loss_dictionary, found.loss_zero)
    tokens = contexts.take([0, 1])
    x = model.capture(tokens, model.taps([MLP]), torch.zeros(2, 1, dtype=torch.long)).x[MLP][tokens.live]
    assert x.shape[0] == 8
    features = torch.relu(x @ dictionary.w_enc.T + dictionary.b_enc)
    residual = x - features @ dictionary.w_dec - dictionary.b_dec
    variance = (x - x.mean(dim=0)).square().sum()
    assert found.variance_unexplained == pytest.approx(float(residual.square().sum() / variance), rel=1e-5)
    assert found.l0 == pytest.approx(float((features > 0).sum() / 8))
    assert found.dead_features == int((features == 0).all(dim=0).sum()) >= 1
    assert found.n_features == 10


def test_loss_recovered_is_undefined_where_zero_hardly_hurts() -> None:
    assert loss_recovered(1.0, 1.25, 2.0) == 0.75
    assert loss_recovered(1.0, 1.0, 1.04) is None
    assert loss_recovered(1.0, 1.0, 0.5) is None


def test_neurons_reconstruct_everything(model: LanguageModel) -> None:
    contexts = cut(DOCUMENTS, 10, 0)
    for found in measure_quality(model, neuron_dictionaries(model), contexts):
        assert found.variance_unexplained == pytest.approx(0, abs=1e-10)
        assert found.loss_dictionary == pytest.approx(found.loss_clean, abs=1e-6)
        assert found.loss_recovered is None or found.loss_recovered == pytest.approx(1, abs=1e-5)
