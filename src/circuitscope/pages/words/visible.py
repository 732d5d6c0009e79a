"""Texts from outside, made fit to be shown: one line, nothing invisible, nothing that moves other text.

This is not escaping, which the templates do: a tokenizer's entries may be line breaks, control characters, or
characters that turn the direction of the text after them.
"""

from __future__ import annotations

import unicodedata

NAMED = {"\n": "⏎", "\r": "␍", "\t": "⇥", "\x7f": "␡", "\u00a0": " "}
UNKNOWN = "�"


def visible(text: str) -> str:
    """``text`` with a mark for every control character, and a box for what no reader could see."""
    if text.isprintable():  # as nearly all texts are
        return text
    return "".join(_mark(letter) for letter in text)


def _mark(letter: str) -> str:
    if letter in NAMED:
        return NAMED[letter]
    if ord(letter) < 32:
        return chr(0x2400 + ord(letter))  # Unicode's pictures of control characters
    category = unicodedata.category(letter)
    if letter != " " and category in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return UNKNOWN
    return letter


def token_mark(token: str) -> str:
    """A token by itself: its leading space as a mark, so that " he" and "he" differ; blank ones in full."""
    shown = visible(token)
    if not shown.strip(" "):
        return "␣" * len(shown) or "∅"
    return "·" + shown[1:] if shown.startswith(" ") else shown
