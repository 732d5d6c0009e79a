"""Contexts: a text as pieces of token ids that a model can read, for training and for dashboards.

1. Documents are what ``<|endoftext|>`` separates; a text without it is one document.
2. Each is cut into pieces of ``context`` tokens; BOS, where it applies, comes before every piece and counts.
   A context never spans two documents; shorter ones are padded when they meet longer ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from circuitscope.errors import BadInput, refuse_half_characters
from circuitscope.model.bos import decide_bos
from circuitscope.model.tokens import TokenBatch, pad

SEPARATOR = "<|endoftext|>"
SHORTEST = 2
"""A piece of fewer tokens predicts nothing and is left out."""
NOTHING = -1
"""What follows the last token of a document."""
_TOKENIZED_AT_ONCE = 1000


@dataclass(frozen=True)
class CutText:
    """A text cut into contexts of different lengths, end to end in one array."""

    ids: Int[np.ndarray, " token"]
    """Token ids of all contexts, without BOS."""
    start: Int[np.ndarray, " context"]
    """Where each context begins in ``ids``."""
    length: Int[np.ndarray, " context"]
    """How many tokens it has, without BOS."""
    follows: Int[np.ndarray, " context"]
    """The token that comes after it in its document, or ``NOTHING``."""
    bos: int | None
    """The BOS id that comes before every context; None if there is none."""

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: Sequence[int] | Int[np.ndarray, " row"]) -> TokenBatch:
        """Some contexts as one batch, padded on the right."""
        front = [] if self.bos is None else [self.bos]
        return pad([front + self.tokens(int(row)) for row in rows], has_bos=self.bos is not None)

    def tokens(self, row: int) -> list[int]:
        """The token ids of one context, without BOS."""
        start = int(self.start[row])
        ids: list[int] = self.ids[start : start + int(self.length[row])].tolist()
        return ids

    def split(self, first: int) -> tuple[CutText, CutText]:
        """The contexts before number ``first``, and the rest."""
        parts = (slice(None, first), slice(first, None))
        before, rest = (
            CutText(self.ids, self.start[part], self.length[part], self.follows[part], self.bos)
            for part in parts
        )
        return before, rest

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the token ids, where they are cut, and BOS."""
        digest = hashlib.sha256(str(self.bos).encode())
        for array in (self.ids, self.start, self.length):
            digest.update(np.ascontiguousarray(array, dtype=np.int64).tobytes())
        return digest.hexdigest()


def documents_of(text: str | Sequence[str]) -> list[str]:
    """The documents of a text that ``<|endoftext|>`` separates, or of a sequence; empty ones are left out."""
    texts = text.split(SEPARATOR) if isinstance(text, str) else text
    documents = [document.strip() for document in texts]
    return [document for document in documents if document]


def read_contexts(
    documents: Sequence[str],
    tokenizer: Any,
    *,
    context: int,
    bos: str = "auto",
    prepend_bos: bool | None = None,
    most: int | None = None,
) -> CutText:
    """Tokenise documents and cut them into contexts.

    Args:
        tokenizer: the model's.
        context: at most this many tokens per context, BOS included.
        bos, prepend_bos: see ``decide_bos``.
        most: stop after the document in which this many tokens are reached.
    """
    if tokenizer is None:
        raise BadInput(
            "the model has no tokenizer",
            expected="a tokenizer beside the model",
            mend="pass one: load_model(..., tokenizer=...)",
        )
    front = bos_id(tokenizer, bos, prepend_bos)
    return cut(tokenize(documents, tokenizer, most=most), context, front)


def bos_id(tokenizer: Any, bos: str, prepend_bos: bool | None = None) -> int | None:
    """The BOS id to put before every context, or None for none."""
    return int(tokenizer.bos_token_id) if decide_bos(bos, prepend_bos, tokenizer) else None


def cut(documents: Sequence[Sequence[int]], context: int, bos: int | None) -> CutText:
    """Cut tokenised documents into contexts of at most ``context`` tokens, BOS included."""
    room = context - (bos is not None)
    start, length, follows = [], [], []
    begin = 0
    for document in documents:
        for offset in range(0, len(document), room):
            size = min(room, len(document) - offset)
            if size >= SHORTEST:
                start.append(begin + offset)
                length.append(size)
                after = offset + size
                follows.append(document[after] if after < len(document) else NOTHING)
        begin += len(document)
    ids = np.fromiter((token for document in documents for token in document), dtype=np.int64)
    starts, lengths, nexts = (np.array(column, dtype=np.int64) for column in (start, length, follows))
    return CutText(ids, starts, lengths, nexts, bos)


def tokenize(documents: Sequence[str], tokenizer: Any, *, most: int | None = None) -> list[list[int]]:
    """Token ids of each document, without special tokens; ``most`` as in ``read_contexts``."""
    found: list[list[int]] = []
    total = 0
    for first in range(0, len(documents), _TOKENIZED_AT_ONCE):
        part = list(documents[first : first + _TOKENIZED_AT_ONCE])
        for number, document in enumerate(part, start=first):
            refuse_half_characters(document, f"document {number}")
        # verbose=False: documents are longer than the model's context on purpose; they are cut afterwards.
        for ids in tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"]:
            if most is not None and total >= most:
                return found
            found.append(ids)
            total += len(ids)
    return found
