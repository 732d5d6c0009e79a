"""What a model makes of a task, before anything is discovered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NextToken:
    """A token that the model might say next."""

    text: str
    """With the space that it begins with."""
    token: int
    """Its id."""
    probability: float
