"""Concept bottleneck probing: a classifier that sees a text only as its similarity to some words.

z_i = cos(pooled x, c_i), with c_i the activation at the classifier's site of the i-th word's last token, less the
mean over the words (Marks et al. 2024, appendix E; both sides are normalised, as in the code published for Gemma).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from circuitscope.model import LanguageModel
from circuitscope.tasks.labelled import pooled_activations
from circuitscope.terms import Site


def concept_vectors(
    model: LanguageModel, site: Site, words: Sequence[str], *, bos: bool
) -> Float[Tensor, "word width"]:
    """c: one vector of length 1 per word."""
    x = pooled_activations(model, list(words), site=site, pooling="last", bos=bos)
    return torch.nn.functional.normalize(x - x.mean(dim=0), dim=1)


def likeness(
    x: Float[Tensor, "text width"], concepts: Float[Tensor, "word width"]
) -> Float[Tensor, "text word"]:
    """z: the cosine of every text with every concept."""
    return torch.nn.functional.normalize(x, dim=1) @ concepts.to(x).T
