"""A dictionary's activations pooled over each text, as a classifier pools, and their means by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from circuitscope.dictionaries import Dictionary
from circuitscope.model import LanguageModel, cut_after
from circuitscope.tasks.labelled import LabelledText, pool, token_batches
from circuitscope.terms import Site


def pooled_features(
    model: LanguageModel,
    dictionary: Dictionary,
    site: Site,
    texts: Sequence[LabelledText],
    *,
    features: Int[Tensor, " some"] | None = None,
    pooling: str = "mean",
    bos: bool = False,
) -> Iterator[Float[Tensor, "text some"]]:
    """Activations at a residual site, pooled over tokens, a batch of texts at a time.

    Args:
        features: which; all of them if None.
    """
    cut = cut_after(model, site, nn.Identity())
    for tokens in token_batches(model, texts, bos=bos):
        columns = torch.arange(tokens.positions, device=cut.device).expand(tokens.batch, -1)
        with torch.no_grad():
            x = cut.logits(tokens, columns)
            flat = x.flatten(0, 1)
            f = dictionary.encode(flat) if features is None else dictionary.encode_some(flat, features)
        yield pool(f.reshape(*x.shape[:2], -1), tokens, pooling)


def class_means(
    model: LanguageModel,
    dictionary: Dictionary,
    site: Site,
    texts: Sequence[LabelledText],
    *,
    pooling: str = "mean",
    bos: bool = False,
) -> Float[Tensor, "class feature"]:
    """f̄(0) and f̄(1): every feature's pooled activation, mean over the texts of each class."""
    labels = torch.tensor([text.label for text in texts])
    sums = torch.zeros(2, dictionary.n_features, dtype=torch.float64)
    start = 0
    for f in pooled_features(model, dictionary, site, texts, pooling=pooling, bos=bos):
        here, wide = labels[start : start + len(f)], f.double().cpu()
        for label in (0, 1):
            sums[label] += wide[here == label].sum(dim=0)
        start += len(f)
    counts = torch.bincount(labels, minlength=2).clamp(min=1)
    return (sums / counts[:, None]).to(model.device, dictionary.dtype)
