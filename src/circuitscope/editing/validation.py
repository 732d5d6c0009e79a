"""Which site a classifier reads, and in which batches its probe is trained, chosen without balanced texts.

The balanced texts are there to score with, so nothing may be settled by them. What is left are the ambiguous ones: a
part of them is held out, a probe is trained on the rest at every site and batch size, and the lowest loss on the part
held out decides. Accuracy could not: label and attribute agree there, so many probes make no mistake at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from circuitscope.editing.probe import fit_probe
from circuitscope.errors import BadInput
from circuitscope.results import TriedTraining
from circuitscope.terms import Site

BATCHES = (16, 32, 64, 128)
HELD_OUT = 4
"""One text in this many is held out."""


def try_trainings(
    pooled: Mapping[Site, Float[Tensor, "text width"]],
    labels: Int[Tensor, " text"],
    *,
    seed: int,
    batches: Sequence[int] = BATCHES,
    **training: Any,
) -> tuple[TriedTraining, ...]:
    """The loss on held-out texts of a probe at every site with every batch size, lowest loss first.

    Args:
        pooled: the ambiguous training texts' activations, by site.
        seed: draws which texts are held out, and is that of the probes.
        training: other arguments of ``fit_probe``.

    Raises:
        BadInput: there are too few texts to hold any of both classes out.
    """
    held, rest = _split(labels, seed)
    tried = []
    for site, x in pooled.items():
        for batch in batches:
            probe = fit_probe(x[rest], labels[rest], batch_size=batch, seed=seed, **training)
            logits, truth = probe.logits(x[held]).double(), labels[held]
            loss = binary_cross_entropy_with_logits(logits, truth.double())
            right = ((logits > 0).long() == truth).double().mean()
            tried.append(TriedTraining(str(site), batch, float(loss), float(right), len(held)))
    return tuple(sorted(tried, key=lambda one: one.loss))


def _split(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Texts held out and the rest, the same share of each class."""
    draw = np.random.default_rng(seed)
    held: list[int] = []
    for label in (0, 1):
        of_class = np.flatnonzero(labels.cpu().numpy() == label)
        held += draw.permutation(of_class)[: len(of_class) // HELD_OUT].tolist()
        if len(of_class) < HELD_OUT:
            raise BadInput(
                f"{len(of_class)} texts of class {label}",
                expected=f"at least {HELD_OUT} of each, since one in {HELD_OUT} is held out to choose by",
                mend="give more texts, or name the site and the batch size",
            )
    out = torch.tensor(sorted(held))
    rest = torch.tensor(sorted(set(range(len(labels))) - set(held)))
    return out, rest
