"""Which answers induction explains: the same pattern stands earlier in the context.

* *Bigram*: the answer already followed the context's last token. With ``A B … A`` the answer B is no surprise.
* *Skip-trigram*: the answer already stood two places after the context's second-to-last token, whatever stood
  between. With ``A x B … A y`` the answer B is no surprise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int


def repeats_bigram(
    ids: Sequence[int] | Int[np.ndarray, " token"],
    ends: Int[np.ndarray, " context"],
    answers: Int[np.ndarray, " context"],
) -> Bool[np.ndarray, " context"]:
    """Whether (last token, answer) stands in the context.

    Args:
        ids: tokens that contexts are beginnings of.
        ends: the index of each context's last token in ``ids``.
    """
    return _repeats(np.asarray(ids), np.asarray(ends), np.asarray(answers), gap=1)


def repeats_skip_trigram(
    ids: Sequence[int] | Int[np.ndarray, " token"],
    ends: Int[np.ndarray, " context"],
    answers: Int[np.ndarray, " context"],
) -> Bool[np.ndarray, " context"]:
    """Whether (second-to-last token, any token, answer) stands in the context; arguments as above."""
    return _repeats(np.asarray(ids), np.asarray(ends), np.asarray(answers), gap=2)


def _repeats(
    ids: np.ndarray, ends: np.ndarray, answers: np.ndarray, *, gap: int
) -> Bool[np.ndarray, " context"]:
    """Whether the answer already stood ``gap`` places after the token that now stands ``gap`` places before it."""
    cue = ends - gap + 1
    later = np.arange(gap, len(ids))  # where an earlier answer may stand; its cue is ``gap`` before
    if not len(later):
        return np.zeros(len(ends), dtype=bool)
    same_cue = ids[None, :-gap] == ids[np.maximum(cue, 0), None]
    same_answer = ids[None, gap:] == answers[:, None]
    inside = later[None, :] <= ends[:, None]
    found: np.ndarray = (same_cue & same_answer & inside).any(axis=1) & (cue >= 0)
    return found
