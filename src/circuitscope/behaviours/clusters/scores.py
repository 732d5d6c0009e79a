"""How well clusters agree with labels that are known, over all contexts and given the answer token.

Contexts with the same answer are alike in a trivial way, and every clustering finds that. So the scores are also
taken within the contexts of one answer token at a time, where only the behaviour behind it can tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from circuitscope.results import LabelAgreement

NONE = -1


def agreement(
    labels: Int[np.ndarray, " context"],
    clusters: Int[np.ndarray, " context"],
    answers: Int[np.ndarray, " context"],
) -> LabelAgreement:
    """Adjusted mutual information and adjusted Rand index of clusters with labels (scikit-learn).

    Args:
        labels: the known behaviour of each context.
        clusters: one cluster each; a context in none (−1) counts as a cluster of its own.
        answers: the answer token of each context.
    """
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    found = _each_alone(clusters)
    parts = [rows for rows in _by_answer(answers) if len(np.unique(labels[rows])) > 1]

    def within(score: Callable[..., float]) -> float | None:
        sizes = np.array([len(rows) for rows in parts])
        scores = np.array([score(labels[rows], found[rows]) for rows in parts])
        return float(scores @ sizes / sizes.sum()) if parts else None

    return LabelAgreement(
        contexts=len(labels),
        ami=float(adjusted_mutual_info_score(labels, found)),
        ari=float(adjusted_rand_score(labels, found)),
        answers=len(parts),
        ami_given_answer=within(adjusted_mutual_info_score),
        ari_given_answer=within(adjusted_rand_score),
    )


def _each_alone(clusters: Int[np.ndarray, " context"]) -> Int[np.ndarray, " context"]:
    found = clusters.astype(np.int64)
    none = np.flatnonzero(found < 0)
    found[none] = found.max(initial=NONE) + 1 + np.arange(len(none))
    return found


def _by_answer(answers: Int[np.ndarray, " context"]) -> list[Int[np.ndarray, " row"]]:
    order = np.argsort(answers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(answers[order])) + 1)
