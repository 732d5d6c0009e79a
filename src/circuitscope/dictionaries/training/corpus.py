"""Corpus: a text as contexts of token ids, a part of them held out.

1. Documents are what ``<|endoftext|>`` separates; a text without it is one document.
2. Each is cut into pieces of ``context`` tokens; BOS, where it applies, stands before every piece and counts.
   A context never spans two documents; shorter ones are padded when they meet longer ones.
3. The last contexts are held out: they are for measuring and are never trained on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from circuitscope.config.train import TrainConfig
from circuitscope.errors import BadInput
from circuitscope.model import TokenBatch, decide_bos, pad

SEPARATOR = "<|endoftext|>"
SHORTEST = 2
"""A piece of fewer tokens predicts nothing and is left out."""
_TOKENIZED_AT_ONCE = 1000


@dataclass(frozen=True)
class Contexts:
    """Contexts of different lengths, end to end in one array."""

    ids: Int[np.ndarray, " token"]
    """Token ids of all contexts, without BOS."""
    start: Int[np.ndarray, " context"]
    """Where each context begins in ``ids``."""
    length: Int[np.ndarray, " context"]
    """How many tokens it has, without BOS."""
    bos: int | None
    """The BOS id that stands before every context; None where there is none."""

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: Sequence[int] | Int[np.ndarray, " row"]) -> TokenBatch:
        """Some contexts as one batch, padded on the right."""
        front = [] if self.bos is None else [self.bos]
        sequences = [
            front + self.ids[self.start[row] : self.start[row] + self.length[row]].tolist() for row in rows
        ]
        return pad(sequences, has_bos=self.bos is not None)

    def split(self, first: int) -> tuple[Contexts, Contexts]:
        """The contexts before number ``first``, and the rest."""
        return (
            Contexts(self.ids, self.start[:first], self.length[:first], self.bos),
            Contexts(self.ids, self.start[first:], self.length[first:], self.bos),
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the token ids, where they are cut, and BOS."""
        digest = hashlib.sha256(str(self.bos).encode())
        for array in (self.ids, self.start, self.length):
            digest.update(np.ascontiguousarray(array, dtype=np.int64).tobytes())
        return digest.hexdigest()


def read_corpus(text: str | Sequence[str], tokenizer: Any, config: TrainConfig) -> tuple[Contexts, Contexts]:
    """The contexts to train on and those held out.

    Args:
        text: one text, whose documents ``<|endoftext|>`` separates, or a sequence of documents.
        tokenizer: the model's.
        config: ``context``, ``bos`` and ``held_out`` are used.
    """
    if tokenizer is None:
        raise BadInput(
            "the model has no tokenizer",
            expected="a tokenizer beside the model",
            mend="give one: load_model(..., tokenizer=...)",
        )
    bos = bos_id(tokenizer, config.bos)
    texts = text.split(SEPARATOR) if isinstance(text, str) else text
    documents = [document.strip() for document in texts]
    contexts = cut(
        _tokenize([document for document in documents if document], tokenizer), config.context, bos
    )
    n_held_out = math.ceil(len(contexts) * config.held_out)
    if len(contexts) - n_held_out < 1:
        raise BadInput(
            f"the text makes {len(contexts)} contexts, of which {n_held_out} are held out",
            expected="at least one context to train on and one to measure on",
            mend="give a longer text or a smaller --context",
        )
    return contexts.split(len(contexts) - n_held_out)


def bos_id(tokenizer: Any, bos: str) -> int | None:
    """The BOS id to put before every context, or None for none."""
    return int(tokenizer.bos_token_id) if decide_bos(bos, None, tokenizer) else None


def cut(documents: Sequence[Sequence[int]], context: int, bos: int | None) -> Contexts:
    """Cut tokenised documents into contexts of at most ``context`` tokens, BOS included."""
    room = context - (bos is not None)
    lengths = np.array([len(document) for document in documents], dtype=np.int64)
    begins = np.concatenate([[0], lengths.cumsum()])[:-1].astype(np.int64)
    start, length = [], []
    for begin, total in zip(begins.tolist(), lengths.tolist(), strict=True):
        for offset in range(0, total, room):
            size = min(room, total - offset)
            if size >= SHORTEST:
                start.append(begin + offset)
                length.append(size)
    ids = np.fromiter((token for document in documents for token in document), dtype=np.int64)
    return Contexts(ids, np.array(start, dtype=np.int64), np.array(length, dtype=np.int64), bos)


def _tokenize(documents: Sequence[str], tokenizer: Any) -> list[list[int]]:
    found: list[list[int]] = []
    for first in range(0, len(documents), _TOKENIZED_AT_ONCE):
        part = list(documents[first : first + _TOKENIZED_AT_ONCE])
        # verbose=False: documents are longer than the model's context on purpose, they are cut afterwards.
        found += tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"]
    return found


def epoch_order(n_contexts: int, epoch: int, seed: int) -> Int[np.ndarray, " context"]:
    """The order in which an epoch visits the contexts, from seed and epoch alone."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "epoch", epoch))
    return torch.randperm(n_contexts, generator=generator).numpy()


def derived_seed(*parts: int | str) -> int:
    """A seed of its own for every use, from the run's seed and what it is used for."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7], "big")
