"""Probes: fitted as published or to the end, and repeatable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from circuitscope.editing.probe import FITS, fit_probe
from circuitscope.errors import BadInput


def separable(count=400, width=6, seed=0):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(count, width, generator=draw)
    labels = (x[:, 0] - 0.5 * x[:, 1] > 0.2).long()
    return x, labels


@pytest.mark.parametrize("fit", FITS)
def test_a_probe_tells_the_classes_apart(fit):
    x, labels = separable()
    probe = fit_probe(x, labels, fit=fit, epochs=40, lr=0.1)
    assert ((probe.logits(x) > 0).long() == labels).float().mean() > 0.97
    assert probe.weight.shape == (6,)
    assert probe.bias.shape == ()


def test_adamw_is_torch_s_own_training_loop():
    """One epoch in the seed's order, written out with torch's Linear and AdamW."""
    x, labels = separable(50)
    probe = fit_probe(x, labels, lr=0.02, epochs=2, batch_size=16, seed=9)
    draw = torch.Generator().manual_seed(9)
    linear = torch.nn.Linear(6, 1)
    with torch.no_grad():
        linear.weight.copy_((2 * torch.rand(6, generator=draw) - 1) / np.sqrt(6))
        linear.bias.copy_((2 * torch.rand((), generator=draw) - 1) / np.sqrt(6))
    optimizer = torch.optim.AdamW(linear.parameters(), lr=0.02)
    for _ in range(2):
        for rows in torch.randperm(50, generator=draw).split(16):
            optimizer.zero_grad()
            logits = linear(x[rows])[:, 0]
            torch.nn.functional.binary_cross_entropy_with_logits(logits, labels[rows].float()).backward()
            optimizer.step()
    assert_close(probe.weight, linear.weight[0].detach(), atol=1e-5, rtol=1e-5)
    assert_close(probe.bias, linear.bias[0].detach(), atol=1e-5, rtol=1e-5)


def test_logistic_is_at_the_minimum_of_its_loss():
    """The gradient of Σ cross-entropy + |w|² / 2 is 0."""
    x, labels = separable()
    probe = fit_probe(x.double(), labels, fit="logistic")
    wrong = torch.sigmoid(probe.logits(x.double())) - labels
    assert_close(x.double().T @ wrong + probe.weight, torch.zeros(6, dtype=torch.float64), atol=0.05, rtol=0)
    assert float(wrong.sum()) == pytest.approx(0, abs=0.05)


def test_a_seed_makes_it_repeatable():
    x, labels = separable()
    first, same, other = (fit_probe(x, labels, seed=seed).weight for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    state = torch.get_rng_state()
    fit_probe(x, labels, seed=3)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], [0, 1, 2], [-1, 0, 1]])
def test_labels_other_than_two_classes_are_refused(labels):
    with pytest.raises(BadInput, match="of class 0 and"):
        fit_probe(torch.zeros(3, 2), torch.tensor(labels))


def test_another_fit_is_refused():
    with pytest.raises(BadInput, match="a probe fitted by 'svm'") as refused:
        fit_probe(torch.zeros(2, 2), torch.tensor([0, 1]), fit="svm")
    assert refused.value.expected == "adamw or logistic"


def test_the_defaults_are_those_of_the_paper():
    """lr 0.01, one epoch, batches of 128, seed 42 (Marks et al. 2024, appendix D)."""
    from circuitscope.config import ShiftEffectsConfig, ShiftTrainConfig

    train = ShiftTrainConfig()
    assert (train.learning_rate, train.epochs, train.batch, train.seed) == (0.01, 1, 128, 42)
    assert (train.fit, train.pooling, train.data_seed) == ("adamw", "mean", 42)
    assert ShiftEffectsConfig().examples == 100
