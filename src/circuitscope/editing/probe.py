"""A linear probe on pooled activations: logit = w · x + b, above 0 for class 1.

Two ways to fit it:

* ``adamw``: as published (Marks et al. 2024, appendix D, and its code): PyTorch's usual initial weights,
  binary cross-entropy, AdamW with learning rate 0.01, one epoch of batches of 128, seed 42;
* ``logistic``: scikit-learn's logistic regression, which runs until it has converged and draws nothing.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from circuitscope.errors import BadInput
from circuitscope.tasks.labelled import Probe

log = logging.getLogger("circuitscope")

FITS = ("adamw", "logistic")
LOGISTIC_STEPS = 2000
FEW_STEPS = 30
"""Fewer steps of AdamW than this leave a probe near its initial weights."""


def fit_probe(
    x: Float[Tensor, "text width"],
    labels: Int[Tensor, " text"],
    *,
    lr: float = 0.01,
    epochs: int = 1,
    batch_size: int = 128,
    seed: int = 42,
    fit: str = "adamw",
    l1: float = 0.0,
) -> Probe:
    """The probe that tells class 1 from class 0.

    Args:
        x: pooled activations, one row per text.
        labels: 0 or 1.
        lr, epochs, batch_size, seed: for ``adamw``; the seed draws the initial weights and the order of the texts.
        fit: ``adamw`` or ``logistic``.
        l1: for ``adamw``: the weight of Σ|w| in the loss.

    Raises:
        BadInput: there is only one class, or no such fit.
    """
    counts = [int((labels == label).sum()) for label in (0, 1)]
    if min(counts) == 0 or sum(counts) != len(labels):
        raise BadInput(
            f"a probe for {len(labels)} texts, {counts[0]} of class 0 and {counts[1]} of class 1",
            expected="texts of both classes and no others",
            mend="check the labels",
        )
    if fit == "adamw":
        return _by_adamw(x, labels, lr, epochs, batch_size, seed, l1)
    if fit == "logistic":
        return _by_logistic(x, labels)
    raise BadInput(f"a probe fitted by {fit!r}", expected=" or ".join(FITS), mend="use one of these")


def _by_adamw(
    x: Tensor, labels: Tensor, lr: float, epochs: int, batch_size: int, seed: int, l1: float
) -> Probe:
    steps = epochs * -(-len(x) // batch_size)
    if steps < FEW_STEPS:
        log.warning(
            "AdamW makes only %d steps; use more epochs, smaller batches, or logistic regression", steps
        )
    generator = torch.Generator().manual_seed(seed)
    bound = 1 / math.sqrt(x.shape[1])  # what torch.nn.Linear draws from

    def drawn(*shape: int) -> Tensor:
        uniform = torch.rand(shape, generator=generator, dtype=torch.float32)
        return ((2 * uniform - 1) * bound).to(x.device, x.dtype).requires_grad_()

    weight, bias = drawn(x.shape[1]), drawn()
    optimizer = torch.optim.AdamW([weight, bias], lr=lr)
    target = labels.to(x.dtype)
    with torch.enable_grad():
        for rows in _batches(len(x), epochs, batch_size, generator):
            loss = binary_cross_entropy_with_logits(x[rows] @ weight + bias, target[rows])
            if l1:
                loss = loss + l1 * weight.abs().sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return Probe(weight.detach(), bias.detach())


def _batches(count: int, epochs: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Every epoch all rows once, in an order of its own."""
    for _ in range(epochs):
        yield from torch.split(torch.randperm(count, generator=generator), size)


def _by_logistic(x: Tensor, labels: Tensor) -> Probe:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        found = LogisticRegression(max_iter=LOGISTIC_STEPS)
        try:
            found.fit(x.double().cpu().numpy(), labels.cpu().numpy())
        except ConvergenceWarning:
            log.warning("the logistic regression did not converge in %d steps", LOGISTIC_STEPS)
            warnings.simplefilter("ignore", ConvergenceWarning)
            found.fit(x.double().cpu().numpy(), labels.cpu().numpy())
    weight = torch.from_numpy(np.asarray(found.coef_[0])).to(x.device, x.dtype)
    return Probe(weight, torch.tensor(float(found.intercept_[0]), device=x.device, dtype=x.dtype))
