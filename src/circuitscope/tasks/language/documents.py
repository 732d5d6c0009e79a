"""Documents of the bundled language: a few sentences of every kind, with what is hidden in them.

A document is a function of the seed and its number alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache

from circuitscope.tasks.language.clauses import clause
from circuitscope.tasks.language.draft import Document, Draft
from circuitscope.tasks.language.people import biography, meeting, person
from circuitscope.tasks.language.sequences import counting, listing, quotation

WORDS = 63
"""The most words in a document: with BOS, 64 tokens."""
SEPARATOR = "<|endoftext|>"


def document(number: int, seed: int = 0) -> Document:
    """One document."""
    draw = random.Random(f"document {seed} {number}")
    draft = Draft()
    while len(draft.words) < WORDS:
        (write,) = draw.choices((_sentence, _biography, meeting, counting, listing, quotation),
                                weights=(12, 1.5, 1, 1, 1, 3))  # fmt: skip
        write(draft, draw)
    return draft.finish(WORDS)


def documents(count: int, seed: int = 0) -> Iterator[Document]:
    """The first ``count`` documents."""
    return (document(number, seed) for number in range(count))


@lru_cache(maxsize=2)
def text(count: int, seed: int = 0) -> str:
    """The first ``count`` documents as one text, in the form that training and dashboards take; made once."""
    return SEPARATOR.join(item.text for item in documents(count, seed))


def _sentence(draft: Draft, draw: random.Random) -> None:
    clause(draft, draw)
    draft.say(".")


def _biography(draft: Draft, draw: random.Random) -> None:
    biography(draft, draw, person(draw), title=draw.random() < 0.7, sentences=draw.randint(3, 5))
