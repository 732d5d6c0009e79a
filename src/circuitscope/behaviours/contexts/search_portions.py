"""The search for contexts, portion by portion.

1. Cut each new document into pieces of ``context`` tokens, BOS included; a context is a beginning of a piece, and its
   answer the token after it. So a loss is always that of exactly the tokens that the context keeps.
2. One forward pass over the pieces gives −log p(answer) of every token.
3. Keep those below the loss; drop what a bigram or a skip-trigram seen before explains (``induction.py``).
4. Of what is left, keep every so many-th, counted over the whole text, and of those at most so many of a document,
   drawn by seed and document, so that no place in a document is preferred.

(Marks et al. 2024, appendix G: a loss below 0.1 or 0.3 nats, 64 tokens, one context per document.)
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from circuitscope.behaviours.contexts.contexts import starts_of
from circuitscope.behaviours.contexts.counts import COUNTS, ContextCounts
from circuitscope.behaviours.contexts.induction import repeats_bigram, repeats_skip_trigram
from circuitscope.behaviours.contexts.portions import Portion, portions_of
from circuitscope.behaviours.in_batches import in_batches
from circuitscope.config import ContextSearch, parse_bytes
from circuitscope.errors import BadInput, argument
from circuitscope.model import (
    NOTHING,
    CutText,
    LanguageModel,
    bos_id,
    cut,
    fingerprint,
    tokenize,
    tokenizer_fingerprint,
)
from circuitscope.runs import hash_json
from circuitscope.work import Arrays, Batches, Progress, Unit, kept_or_done

log = logging.getLogger("circuitscope")
_NOT_IN_PLAN = ("contexts", "memory")
"""Settings that change nothing in what is found in a portion."""


@dataclass(frozen=True)
class Search:
    """What is searched with: the model and the settings."""

    model: LanguageModel
    settings: ContextSearch
    prepend_bos: bool | None = None
    """What the dictionaries' own metadata says about BOS."""

    def __post_init__(self) -> None:
        if self.model.tokenizer is None:
            raise BadInput(
                "the model has no tokenizer",
                expected="a tokenizer beside the model",
                mend="pass one: load_model(..., tokenizer=...)",
            )
        longest, context = self.model.positions, self.settings.context
        if longest is not None and context > longest:
            raise BadInput(
                argument("context", context),
                expected=f"at most {longest}, the longest context of {self.model.name}",
                mend=f"lower {argument('context')}",
            )
        _ = self.front

    @cached_property
    def front(self) -> int | None:
        """The BOS id before every piece; None if there is none."""
        return bos_id(self.model.tokenizer, self.settings.bos, self.prepend_bos)

    def plan(self) -> dict[str, Any]:
        """What a stopped search must have in common with the one that continues it."""
        asked = {name: value for name, value in vars(self.settings).items() if name not in _NOT_IN_PLAN}
        return {
            "model": fingerprint(self.model),
            "tokenizer": tokenizer_fingerprint(self.model.tokenizer),
            "settings": hash_json({**asked, "front": self.front}),
            "where": f"{self.model.dtype} {self.model.device}",
        }


def search(
    with_: Search, documents: Iterable[str], kept: Batches, progress: Progress, *, size: int = 0
) -> Iterator[tuple[str, Arrays]]:
    """The name of each portion and the columns of its contexts, with its ``counts``; what is kept is not searched.

    No document is read before the portions before it are done, and none after enough contexts are found.

    Args:
        size: bytes of the whole text, for progress; 0 if it is not known.
    """
    most = with_.settings.contexts
    total, done, found, passed = most or size, 0, 0, 0
    for portion in portions_of(documents):
        unit: Unit[Search, Arrays] = Unit(portion.name, partial(_search_portion, portion, passed))
        arrays = kept_or_done(unit, with_, kept)
        counts = ContextCounts.of(arrays)
        passed += counts.left
        found, done = found + counts.kept, done + portion.size
        yield portion.name, arrays
        if most and found >= most:
            break
        if total:
            progress(min(found if most else done, total - 1), total, "contexts" if most else "text")
    if total:
        progress(total, total, "contexts" if most else "text")


@dataclass(frozen=True)
class _Candidates:
    """Tokens of some pieces that may become contexts."""

    piece: Int[np.ndarray, " candidate"]
    end: Int[np.ndarray, " candidate"]
    """The index in the piece, BOS included, of the last token before the answer."""
    answer: Int[np.ndarray, " candidate"]
    loss: Float[np.ndarray, " candidate"]

    def __len__(self) -> int:
        return len(self.piece)

    @classmethod
    def join(cls, parts: list[_Candidates]) -> _Candidates:
        return cls(
            np.concatenate([part.piece for part in parts]),
            np.concatenate([part.end for part in parts]),
            np.concatenate([part.answer for part in parts]),
            np.concatenate([part.loss for part in parts]),
        )

    def only(self, keep: np.ndarray) -> _Candidates:
        """Some of them, by a mask or by their numbers."""
        return _Candidates(self.piece[keep], self.end[keep], self.answer[keep], self.loss[keep])


def _search_portion(portion: Portion, passed: int, with_: Search) -> Arrays:
    """The contexts of a portion.

    Args:
        passed: how many tokens of earlier portions passed loss and induction, for every so many-th.
    """
    settings = with_.settings
    ids = tokenize([text for _, text in portion.documents], with_.model.tokenizer)
    pieces = cut(ids, settings.context, with_.front)
    every = _losses(with_, pieces)
    long_enough = every.only(every.end + 1 - (with_.front is not None) >= settings.shortest)
    low = long_enough.only(long_enough.loss < settings.loss)
    new, bigram, skip_trigram = _without_induction(low, pieces, settings)
    thin = new.only((passed + np.arange(len(new))) % settings.every == 0)
    begins = starts_of(map(len, ids))
    document = np.searchsorted(begins, pieces.start[thin.piece], side="right") - 1
    numbers = np.array([number for number, _ in portion.documents], dtype=np.int64)
    drawn = _drawn(numbers[document], settings)
    chosen = thin.only(drawn)
    counts = ContextCounts(
        documents=portion.seen,
        empty=portion.empty,
        duplicates=portion.seen - len(portion.documents),
        tokens=len(every),
        short=len(every) - len(long_enough),
        high_loss=len(long_enough) - len(low),
        bigram=bigram,
        skip_trigram=skip_trigram,
        thinned=len(new) - len(thin),
        over_limit=len(thin) - len(chosen),
        kept=len(chosen),
    )
    offset = pieces.start[chosen.piece] - begins[document[drawn]]
    return {**_columns(chosen, pieces, numbers[document[drawn]], offset), COUNTS: counts.as_array()}


def _columns(chosen: _Candidates, pieces: CutText, documents: np.ndarray, offset: np.ndarray) -> Arrays:
    front = [] if pieces.bos is None else [pieces.bos]
    contexts = [
        (front + pieces.tokens(int(piece)))[: end + 1]
        for piece, end in zip(chosen.piece, chosen.end, strict=True)
    ]
    return {
        "documents": documents,
        "positions": (offset + chosen.end + 1 - len(front)).astype(np.int32),
        "answers": chosen.answer.astype(np.int32),
        "losses": chosen.loss,
        "lengths": np.array([len(tokens) for tokens in contexts], dtype=np.int32),
        "ids": np.array([token for tokens in contexts for token in tokens], dtype=np.int32),
    }


def _losses(with_: Search, pieces: CutText) -> _Candidates:
    """−log p(answer) of every token that has something before it, piece by piece."""
    model, front = with_.model, int(with_.front is not None)
    found: list[_Candidates] = []
    order = np.argsort(pieces.length, kind="stable")  # pieces of similar length run together

    def run(part: slice) -> None:
        rows = order[part]
        tokens = pieces.take(rows).to(model.device)
        answers = _answers(pieces, rows, tokens.positions)
        columns = torch.arange(tokens.positions, device=model.device).expand(tokens.batch, -1)
        with torch.no_grad():
            logits = model.logits(tokens, columns)
            scores = logits if logits.dtype == torch.float64 else logits.float()
            asked = torch.from_numpy(np.maximum(answers, 0)).to(model.device)
            losses = scores.logsumexp(dim=-1) - scores.gather(2, asked[:, :, None])[:, :, 0]
        row, end = np.nonzero(answers != NOTHING)
        values = losses.cpu().numpy()[row, end].astype(np.float32)
        found.append(_Candidates(rows[row], end, answers[row, end], values))

    width = int(pieces.length.max(initial=0)) + front
    in_batches(len(order), run, each=_bytes_of_piece(model, width), budget=parse_bytes(with_.settings.memory))
    none = np.zeros(0, dtype=np.int64)
    joined = _Candidates.join([_Candidates(none, none, none, np.zeros(0, dtype=np.float32)), *found])
    order = np.lexsort((joined.end, joined.piece))
    return joined.only(order)


def _answers(pieces: CutText, rows: Int[np.ndarray, " row"], width: int) -> Int[np.ndarray, "row {width}"]:
    """The token after each column of a padded batch; ``NOTHING`` where there is none."""
    answers = np.full((len(rows), width), NOTHING, dtype=np.int64)
    for number, row in enumerate(rows.tolist()):
        after = [*pieces.tokens(row)[1:], int(pieces.follows[row])]
        first = int(pieces.bos is not None)  # BOS alone says nothing about what follows
        answers[number, first : first + len(after)] = after
    return answers


def _bytes_of_piece(model: LanguageModel, width: int) -> int:
    """What one piece takes: a pass through the model, and its logits at every position, twice in float32."""
    vocabulary = int(model.embedding.shape[0])
    return model.bytes_per_example(width) // 3 + width * vocabulary * (model.dtype.itemsize + 8)


def _without_induction(
    low: _Candidates, pieces: CutText, settings: ContextSearch
) -> tuple[_Candidates, int, int]:
    """What induction does not explain, and how many tokens each of its patterns does."""
    front = [] if pieces.bos is None else [pieces.bos]
    bigram, skip = np.zeros(len(low), dtype=bool), np.zeros(len(low), dtype=bool)
    for here in _runs(low.piece):
        ids = front + pieces.tokens(int(low.piece[here.start]))
        if settings.bigrams:
            bigram[here] = repeats_bigram(ids, low.end[here], low.answer[here])
        if settings.skip_trigrams:
            skip[here] = repeats_skip_trigram(ids, low.end[here], low.answer[here])
    return low.only(~bigram & ~skip), int(bigram.sum()), int((skip & ~bigram).sum())


def _drawn(
    documents: Int[np.ndarray, " candidate"], settings: ContextSearch
) -> Bool[np.ndarray, " candidate"]:
    """At most ``per_document`` candidates of each document."""
    keep = np.ones(len(documents), dtype=bool)
    if not settings.per_document:
        return keep
    for here in _runs(documents):
        count = here.stop - here.start
        if count > settings.per_document:
            draw = np.random.default_rng((settings.seed, int(documents[here.start])))
            keep[here] = False
            keep[here.start + draw.choice(count, settings.per_document, replace=False)] = True
    return keep


def _runs(numbers: Int[np.ndarray, " candidate"]) -> Iterator[slice]:
    """Where equal numbers stand beside each other, in their order."""
    ends = [*(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)] if len(numbers) else []
    for start, stop in zip([0, *ends], ends, strict=False):
        yield slice(start, stop)
