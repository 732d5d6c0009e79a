"""ContextCounts: what a search looked at, and what it left out for which reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields

import numpy as np

COUNTS = "counts"
"""The name of a portion's counts among its arrays."""


@dataclass(frozen=True)
class ContextCounts:
    """How many documents and tokens a search saw, and what became of them; every token is counted once."""

    documents: int = 0
    """Documents that are not empty."""
    empty: int = 0
    """Documents without a word."""
    duplicates: int = 0
    """Documents that had come before, word for word."""
    tokens: int = 0
    """Tokens that have something before them, in documents that are new."""
    short: int = 0
    """Tokens with fewer tokens before them than were asked for."""
    high_loss: int = 0
    """Tokens that the model does not predict well enough."""
    bigram: int = 0
    """Well predicted tokens that already followed the context's last token."""
    skip_trigram: int = 0
    """Others that already stood two places after the context's second-to-last token."""
    thinned: int = 0
    """Others that fell between the every so many-th."""
    over_limit: int = 0
    """Others beyond the most of a document."""
    kept: int = 0
    """Those that became contexts."""

    def __add__(self, other: ContextCounts) -> ContextCounts:
        return ContextCounts(
            *(ours + theirs for ours, theirs in zip(astuple(self), astuple(other), strict=True))
        )

    @property
    def left(self) -> int:
        """Tokens that passed loss and induction, before they were thinned."""
        return self.thinned + self.over_limit + self.kept

    def as_array(self) -> np.ndarray:
        return np.array(astuple(self), dtype=np.int64)

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> ContextCounts:
        """Those of a portion, from among its arrays."""
        return cls(*(int(value) for value in arrays[COUNTS]))

    def reasons(self) -> list[tuple[str, int]]:
        """What was left out and why, in words, for tables; only what there was."""
        words = {
            "empty": "documents without a word",
            "duplicates": "documents that had come before",
            "short": "tokens with too few before them",
            "high_loss": "tokens that are not predicted well enough",
            "bigram": "explained by induction: a bigram seen before",
            "skip_trigram": "explained by induction: a skip-trigram seen before",
            "thinned": "not the every so many-th",
            "over_limit": "more than the limit in one document",
        }
        return [(words[item.name], getattr(self, item.name)) for item in fields(self)
                if item.name in words and getattr(self, item.name)]  # fmt: skip
