"""Contexts as examples of a task: single inputs, whose answer is what the model says next."""

from __future__ import annotations

from collections.abc import Iterable

from circuitscope.behaviours.contexts.contexts import Contexts
from circuitscope.tasks import Encoded


def examples_of(contexts: Contexts, rows: Iterable[int] | None = None) -> list[Encoded]:
    """Single inputs, just as the model read them; ``contexts.has_bos`` says whether they begin with a BOS.

    Args:
        rows: which contexts, by their row; all of them if None.
    """
    every = range(len(contexts)) if rows is None else rows
    return [Encoded(tuple(contexts.tokens(row)), None, (int(contexts.answers[row]),), ()) for row in every]
