"""Vectors in which clusters are planted, and contexts of token ids that a person can read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from circuitscope.behaviours.contexts import Contexts


def mixture(
    clusters: int = 6, each: int = 40, width: int = 32, noise: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Rows around random directions, each of any length, in random order; and the direction of each."""
    draw = np.random.default_rng(seed)
    middle = draw.normal(size=(clusters, width))
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    labels = draw.permutation(np.repeat(np.arange(clusters), each))
    rows = middle[labels] + noise * draw.normal(size=(len(labels), width))
    return (rows * draw.uniform(0.5, 20, size=(len(labels), 1))).astype(np.float32), labels


def as_sparse(rows: np.ndarray, every: int = 3) -> sparse.csr_matrix:
    """The same rows with zero columns between, as compressed sparse rows."""
    wide = np.zeros((len(rows), every * rows.shape[1]), np.float32)
    wide[:, ::every] = rows
    return sparse.csr_matrix(wide)


def labels_of(clusters: Sequence[np.ndarray], size: int) -> np.ndarray:
    """A cluster per row, -1 for none, from clusters that do not overlap."""
    labels = np.full(size, -1)
    for number, members in enumerate(clusters):
        assert (labels[members] == -1).all()
        labels[members] = number
    return labels


def contexts_of(
    tokens: Sequence[Sequence[int]], answers: Sequence[int], documents: Sequence[int] | None = None
) -> Contexts:
    """Contexts of these tokens, without BOS; each from a document of its own unless these are given."""
    size = len(tokens)
    starts = np.concatenate([[0], np.cumsum([len(one) for one in tokens])]).astype(np.int64)
    return Contexts(
        context_ids=np.arange(size),
        documents=np.arange(size) if documents is None else np.array(documents),
        positions=np.array([len(one) for one in tokens], np.int32),
        answers=np.array(answers, np.int32),
        losses=np.full(size, 0.05, np.float32),
        ids=np.array([token for one in tokens for token in one], np.int32),
        starts=starts,
        has_bos=False,
    )
