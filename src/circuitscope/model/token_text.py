"""The text of a token as a person reads it, with the space that it begins with.

Tokenizers disagree about spaces: byte-level ones keep them in the token, SentencePiece drops the first one of
a text, word-level ones put one between any two. Decoding the token after another one, the anchor, and removing
the anchor's own text is right for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

_known: WeakKeyDictionary[Any, TokenTexts] = WeakKeyDictionary()


class TokenTexts:
    """Token id → text for one tokenizer; every id is decoded once."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        anchor = tokenizer("a", add_special_tokens=False)["input_ids"][-1:]
        self._anchor: list[int] = [int(token) for token in anchor]
        self._before = self._decode(self._anchor)
        self._texts: dict[int, str] = {}

    @classmethod
    def of(cls, tokenizer: Any) -> TokenTexts:
        """The same object for the same tokenizer, so that what was decoded stays known."""
        if tokenizer not in _known:
            _known[tokenizer] = cls(tokenizer)
        return _known[tokenizer]

    def __getitem__(self, token: int) -> str:
        if token not in self._texts:
            whole = self._decode([*self._anchor, token])
            after = whole.startswith(self._before)
            self._texts[token] = whole[len(self._before) :] if after else self._decode([token])
        return self._texts[token]

    def many(self, tokens: Iterable[int]) -> tuple[str, ...]:
        return tuple(self[int(token)] for token in tokens)

    def _decode(self, tokens: list[int]) -> str:
        # What is cleaned up would be characters that the token has.
        return str(self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False)) if tokens else ""
