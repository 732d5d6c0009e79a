"""What the methods with gradients at clean share: one forward pass of the plain model as one autograd graph."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from circuitscope.model import LanguageModel, Tap
from circuitscope.tasks import Inputs, Metric
from circuitscope.terms import Site


def graph_at_clean(
    model: LanguageModel, inputs: Inputs, metric: Metric, taps: Mapping[Site, Tap]
) -> tuple[Tensor, Mapping[Site, Float[Tensor, "batch position _"]]]:
    """Σ over examples of m at clean, and the tensors of the sites that it comes from."""
    cache = model.capture(inputs.clean, taps, metric.positions(inputs), grad=True)
    with torch.enable_grad():
        return metric(cache.logits, inputs).sum(), cache.x


def gradients_at_clean(
    model: LanguageModel, inputs: Inputs, metric: Metric, taps: Mapping[Site, Tap]
) -> dict[Site, Float[Tensor, "batch position _"]]:
    """∂m/∂x of the plain model at clean, for every site, from one backward pass."""
    value, x = graph_at_clean(model, inputs, metric, taps)
    return dict(zip(x, torch.autograd.grad(value, list(x.values())), strict=True))
