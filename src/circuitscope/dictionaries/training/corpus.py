"""Corpus: a text as contexts of token ids, a part of them held out.

The text is cut as ``circuitscope.model.contexts`` says. The last contexts are held out: they are for measuring
and are never trained on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from circuitscope.config import TrainConfig
from circuitscope.errors import BadInput, argument
from circuitscope.model import CutText, documents_of, read_contexts


def read_corpus(text: str | Sequence[str], tokenizer: Any, config: TrainConfig) -> tuple[CutText, CutText]:
    """The contexts to train on and those held out.

    Args:
        text: one text, whose documents ``<|endoftext|>`` separates, or a sequence of documents.
        tokenizer: the model's.
        config: ``context``, ``bos`` and ``held_out`` are used.
    """
    contexts = read_contexts(documents_of(text), tokenizer, context=config.context, bos=config.bos)
    n_held_out = math.ceil(len(contexts) * config.held_out)
    if len(contexts) - n_held_out < 1:
        raise BadInput(
            f"the text makes {len(contexts)} contexts, of which {n_held_out} are held out",
            expected="at least one context to train on and one to measure on",
            mend=f"give a longer text or a smaller {argument('context')}",
        )
    return contexts.split(len(contexts) - n_held_out)


def epoch_order(n_contexts: int, epoch: int, seed: int) -> Int[np.ndarray, " context"]:
    """The order in which an epoch visits the contexts, from seed and epoch alone."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "epoch", epoch))
    return torch.randperm(n_contexts, generator=generator).numpy()


def derived_seed(*parts: int | str) -> int:
    """A seed of its own for every use, from the run's seed and what it is used for."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7], "big")
