"""Dictionaries for planted models: the true features, and what training may make of them.

| dictionaries | features |
|---|---|
| true | one per variable |
| rotated | the variables in pairs, each pair turned by 30°: a feature is a mix of two variables |
| split | two per variable, one for each of the two classes of text: its read vector is pushed down by the other |
| noisy | one per variable, with write vectors turned by noise; what they miss goes to the error |

No dictionary has the directions of the variables that are left out. ``mix`` says how much of each variable is in each
feature's write vector, and so which features carry a variable; that is what truth means for all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import normalize

from benchmarks.recovery.planted_model import WIDTH, Directions
from benchmarks.recovery.program import CLASSES, LEFT_OUT, VARIABLES, Array
from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.dictionaries.affine import JumpReluDictionary
from circuitscope.model import LanguageModel

KINDS = ("true", "rotated", "split", "noisy")
ANGLE = math.radians(30)
NOISE = 0.3
"""Length of the noise on a write vector of length 1."""
PUSH = 4.0
"""How strongly the other class holds a split feature down; above the largest ratio of a variable to its class."""
THRESHOLD = 0.05
CARRIES = 0.1
"""From this share of a variable in its write vector on a feature carries it."""


@dataclass(frozen=True)
class Planted:
    """The dictionaries of a planted model, and what their features are."""

    kind: str
    dictionaries: Dictionaries
    mix: Array
    """(feature, variable)"""
    complete: bool
    """Whether the error holds nothing but what is left out by design (and leaks below the threshold)."""

    def carried(self, feature: int) -> set[str]:
        """The variables that a feature carries."""
        return {VARIABLES[index] for index in np.flatnonzero(np.abs(self.mix[feature]) >= CARRIES)}


def planted_dictionaries(model: LanguageModel, basis: Directions, kind: str, seed: int) -> Planted:
    """One dictionary for every site; they differ only in the constant, which attention and MLP do not write."""
    kept = np.eye(len(VARIABLES))[[name not in LEFT_OUT for name in VARIABLES]]
    mix = _turned(kept, seed) if kind == "rotated" else kept
    reads, noise = mix, 0.0
    if kind == "split":
        mix, reads = _split(kept)
    if kind == "noisy":
        noise = NOISE
    draw = torch.Generator().manual_seed(seed)
    write = torch.from_numpy(mix) @ basis.variables
    off = normalize(torch.randn(write.shape, generator=draw, dtype=torch.float64), dim=1)
    write = normalize(write + noise * off, dim=1)
    read = torch.from_numpy(reads) @ basis.variables
    found: dict = {site: _dictionary(read, write, basis, site.kind) for site in model.sites}
    return Planted(kind, Dictionaries(found, name=kind, prepend_bos=True), mix, kind in ("true", "split"))


def _dictionary(read: torch.Tensor, write: torch.Tensor, basis: Directions, site_kind: str) -> Dictionary:
    whole_stream = site_kind in ("embed", "resid")
    count = len(read)
    return JumpReluDictionary(
        w_enc=read,
        b_enc=torch.zeros(count, dtype=torch.float64),
        w_dec=write,
        b_dec=basis.constant if whole_stream else torch.zeros(WIDTH, dtype=torch.float64),
        threshold=torch.full((count,), THRESHOLD, dtype=torch.float64),
    )


def _turned(kept: Array, seed: int) -> Array:
    """Features in random pairs, each pair turned by ``ANGLE``; one may be left over."""
    order = np.random.default_rng(seed).permutation(len(kept))
    mix = kept.copy()
    for first, second in zip(order[::2], order[1::2], strict=False):
        mix[first] = math.cos(ANGLE) * kept[first] + math.sin(ANGLE) * kept[second]
        mix[second] = -math.sin(ANGLE) * kept[first] + math.cos(ANGLE) * kept[second]
    return mix


def _split(kept: Array) -> tuple[Array, Array]:
    """Every variable but the classes twice; the read vector of each half is pushed down by the other class."""
    of_class = [VARIABLES.index(name) for name in CLASSES]
    whole = kept[:, of_class].any(axis=1)
    mix, reads = [*kept[whole]], [*kept[whole]]
    for row in kept[~whole]:
        for other in of_class:
            mix.append(row)
            reads.append(row - PUSH * np.eye(len(VARIABLES))[other])
    return np.stack(mix), np.stack(reads)
