"""Sub-word tokens pieced together: at every token of a text, the word as far as a model has read it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuitscope.model import TokenTexts
from circuitscope.results import word_at


@dataclass(frozen=True)
class WordsRead:
    """The words of some texts by token."""

    words: tuple[str, ...]
    """Each once."""
    flat: NDArray[np.int64]
    """The words of all tokens, text after text, as rows of ``words``."""
    first: NDArray[np.int64]
    """(text,) where each text begins in ``flat``."""

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]], names: TokenTexts) -> WordsRead:
        """The words of token ids."""
        known: dict[str, int] = {}
        flat = [known.setdefault(word, len(known)) for text in texts for word in words_read(names.many(text))]
        lengths = np.array([len(text) for text in texts], np.int64)
        return cls(tuple(known), np.array(flat, np.int64), np.cumsum(lengths) - lengths)

    def numbers(self, text: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.int64]:
        """(row, column): the word at ``place`` (row, column), a token's number in its text, of ``text`` (row,)."""
        return np.asarray(self.flat[self.first[text][:, None] + place])


def words_read(tokens: Sequence[str]) -> list[str]:
    """``Lu…``, ``Luke`` for the tokens " Lu" and "ke": what comes later in a word the model does not know yet."""
    found = []
    for index, token in enumerate(tokens):
        word = word_at(tokens, index)
        found.append(word.before + (word.token or token) + "…" * bool(word.after))
    return found
