r"""Values as the text of a cell, and back without loss.

* A context is a line: its activation, two spaces, the text with the activating token in « ». Line breaks in the text
  are written ``\n`` and ``\r``, and « » \ get a \ in front. A line in brackets says where the contexts below it are
  from: ``[general text]`` or ``[training texts]``.
* Tokens are written ``" nurse" 0.52, " she" 0.31``: each as a JSON string, so that a reader sees its spaces.
* Spreadsheets run what begins with ``=``, ``+``, ``-`` or ``@``, in some countries their wide forms too, and some
  skip blanks before it. Such text gets a ``'`` in front; so does text that begins with ``'`` before one of these, so
  that reading removes exactly what writing has added. Other text keeps the ``'`` that it may begin with.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace

from circuitscope.results import GENERAL, TRAINING, MarkedContext, TokenWeight

_RUN = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")
_ESCAPED = {"\\": "\\\\", "«": "\\«", "»": "\\»", "\n": "\\n", "\r": "\\r"}
_PLAIN = {written: plain for plain, written in _ESCAPED.items()}
_CONTEXT = re.compile(r"(\S+)  ((?:[^\\«»]|\\.)*)«((?:[^\\«»]|\\.)*)»((?:[^\\«»]|\\.)*)")
_SOURCES = {f"[{source}]": source for source in (GENERAL, TRAINING, "")}
_WEIGHT = re.compile(r"\s+([^\s,]+)(?:,\s*|\s*$)")


def guarded(text: str) -> str:
    """Text that no spreadsheet runs as a formula."""
    return f"'{text}" if _RUN.match(text) else text


def unguarded(cell: str) -> str:
    """The inverse of ``guarded``; text that was typed into a cell stays as it is."""
    return cell[1:] if cell.startswith("'") and _RUN.match(cell) else cell


def marked(context: MarkedContext) -> str:
    """``the nurse said that «she» left``."""
    before, token, after = map(_escape, (context.before, context.token, context.after))
    return f"{before}«{token}»{after}"


def contexts_cell(contexts: Sequence[MarkedContext]) -> str:
    """One line per context, and one above the first of each source."""
    lines, source = [], ""
    for context in contexts:
        if context.source != source:
            source = context.source
            lines.append(f"[{source}]")
        lines.append(f"{context.activation!r}  {marked(context)}")
    return "\n".join(lines)


def read_contexts_cell(cell: str) -> tuple[MarkedContext, ...]:
    """The inverse of ``contexts_cell``; raises ValueError that says which line is damaged."""
    found, source = [], ""
    for line in [line.rstrip("\r") for line in cell.split("\n")] if cell else []:
        if line in _SOURCES:
            source = _SOURCES[line]
        else:
            found.append(replace(_context(line), source=source))
    return tuple(found)


def _context(line: str) -> MarkedContext:
    match = _CONTEXT.fullmatch(line)
    if match is None:
        raise ValueError(f"{line!r} is not a context with its token in « »")
    before, token, after = (_unescape(match[part]) for part in (2, 3, 4))
    return MarkedContext(before, token, after, number(match[1]))


def tokens_cell(tokens: Sequence[TokenWeight]) -> str:
    """``" nurse" 0.52, " she" 0.31``."""
    return ", ".join(f"{json.dumps(item.token, ensure_ascii=False)} {item.weight!r}" for item in tokens)


def read_tokens_cell(cell: str) -> tuple[TokenWeight, ...]:
    """The inverse of ``tokens_cell``; raises ValueError that says what is damaged."""
    decode, found, place = json.JSONDecoder().raw_decode, [], 0
    while place < len(cell):
        token, end = decode(cell, place)
        match = _WEIGHT.match(cell, end)
        if not isinstance(token, str) or match is None:
            raise ValueError(f"{cell[place:][:40]!r} is not a token in quotes with its number")
        found.append(TokenWeight(token, number(match[1])))
        place = match.end()
    return tuple(found)


def number(text: str) -> float:
    """A finite number; in some countries spreadsheets write a comma for the point."""
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


def _escape(text: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in text)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _PLAIN.get(match[0], match[0]), text)
