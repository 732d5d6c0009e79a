"""Contexts that are made by hand, for tests of what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuitscope.behaviours import Contexts


def contexts_from(sequences: Sequence[Sequence[int]], answers: Sequence[int], *, has_bos: bool) -> Contexts:
    """Contexts with these tokens and answers, numbered 10, 20, 30, …"""
    count = len(sequences)
    starts = np.cumsum([0, *map(len, sequences)])
    return Contexts(
        context_ids=10 * np.arange(1, count + 1),
        documents=np.arange(count),
        positions=np.array([len(tokens) for tokens in sequences], dtype=np.int32),
        answers=np.array(answers, dtype=np.int32),
        losses=np.full(count, 0.05, dtype=np.float32),
        ids=np.array([token for tokens in sequences for token in tokens], dtype=np.int32),
        starts=starts.astype(np.int64),
        has_bos=has_bos,
    )


def random_contexts(lengths: Sequence[int], *, vocab: int, has_bos: bool = True, seed: int = 0) -> Contexts:
    """Random tokens; token 0 is the BOS."""
    draw = np.random.default_rng(seed)
    front = [0] if has_bos else []
    sequences = [front + draw.integers(2, vocab, length - len(front)).tolist() for length in lengths]
    return contexts_from(sequences, draw.integers(2, vocab, len(lengths)).tolist(), has_bos=has_bos)
