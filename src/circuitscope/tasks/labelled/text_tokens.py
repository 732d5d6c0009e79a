"""From labelled texts to tokens, and to a task: the class of a text is its answer.

Nothing is asked of an answer's tokens here: a classifier's only word is its own logit, so the answer is the number of
the class. A text may contain words that the tokenizer does not know, and is cut at the longest input that the model
takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from circuitscope.errors import BadInput, argument, refuse_half_characters
from circuitscope.model import LanguageModel, TokenBatch, pad
from circuitscope.results import TaskSource
from circuitscope.tasks.examples import Example
from circuitscope.tasks.inputs import Encoded, Skipped, begins_with_bos
from circuitscope.tasks.labelled.labelled_text import LabelledText
from circuitscope.tasks.limits import longest_input
from circuitscope.tasks.task import Task

Texts = Sequence[LabelledText] | Sequence[str]

BATCH_SIZE = 32
"""Texts that go through the model together."""

SAVED_AT_ONCE = 16
"""How many batches have their results in one file of the partial results."""


@dataclass(frozen=True, repr=False)
class LabelledTask(Task):
    """Labelled texts as single inputs of a classifier; an example's answer is the name of its class."""

    classes: tuple[str, str] = ("0", "1")
    limit: int | None = None
    """Tokens of the longest input; longer ones are cut."""

    def as_source(self) -> TaskSource:
        return replace(super().as_source(), classes=self.classes)

    def encode(
        self, split: str, tokenizer: Any, *, bos: bool, limit: int | None = None, longest: int | None = None
    ) -> tuple[list[Encoded], Skipped]:
        """As for any task, except that every text is cut at its end, and ``longest`` changes nothing."""
        if split not in ("train", "test"):
            raise BadInput(f"no such split: {split!r}", expected="train or test")
        examples: Sequence[Example] = getattr(self, split)[:limit]
        texts = [example.clean_prefix for example in examples]
        encoded = [
            Encoded(ids, None, (self.classes.index(example.clean_answer[0]),), (), example.case)
            for ids, example in zip(
                encode_texts(texts, tokenizer, bos=bos, limit=self.limit), examples, strict=True
            )
        ]
        return encoded, Skipped()


def labelled_task(
    name: str,
    train: Sequence[LabelledText],
    test: Sequence[LabelledText],
    model: LanguageModel,
    *,
    classes: tuple[str, str] = ("0", "1"),
    source: TaskSource | None = None,
) -> LabelledTask:
    """The task of telling a text's class.

    Args:
        source: how to open the texts again; None for texts that were made in Python.
    """
    train_examples, test_examples = (
        tuple(Example(text.text, classes[text.label], case=classes[text.label]) for text in texts)
        for texts in (train, test)
    )
    return LabelledTask(
        name, train_examples, test_examples, source=source, classes=classes, limit=longest_input(model)
    )


def encode_texts(
    texts: Sequence[str], tokenizer: Any, *, bos: bool, limit: int | None = None
) -> list[tuple[int, ...]]:
    """Token ids of every text, with the BOS in front if asked for.

    Raises:
        BadInput: a text has no token; names it.
    """
    if tokenizer is None:
        raise BadInput(
            "the model has no tokenizer", expected="one beside it", mend="load_model(…, tokenizer=…)"
        )
    front = (int(tokenizer.bos_token_id),) if bos else ()
    found = []
    for number, text in enumerate(texts):
        refuse_half_characters(text, f"text {number}")
        text = _without_typed_bos(text, number, tokenizer, bos)
        ids = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
        if not ids:
            raise BadInput(
                f"text {number} has no tokens: {text!r}", expected="words in every text", mend="leave it out"
            )
        found.append((front + ids)[:limit])
    return found


def _without_typed_bos(text: str, number: int, tokenizer: Any, bos: bool) -> str:
    """A text after a BOS that was typed: it is the one that is put in front."""
    if not begins_with_bos(text, tokenizer):
        return text
    if not bos:
        raise BadInput(
            f"text {number} begins with a typed {tokenizer.bos_token}, and BOS is off",
            expected="texts without it, or BOS on",
            mend=argument("bos", "yes"),
        )
    return text.removeprefix(tokenizer.bos_token)


def token_batches(
    model: LanguageModel, texts: Texts | TokenBatch, *, bos: bool, size: int = BATCH_SIZE
) -> Iterator[TokenBatch]:
    """The texts in order, ``size`` at a time, where the model is; tokens that are given as such go through whole."""
    if isinstance(texts, TokenBatch):
        yield texts.to(model.device)
        return
    plain = [text.text if isinstance(text, LabelledText) else text for text in texts]
    encoded = encode_texts(plain, model.tokenizer, bos=bos, limit=longest_input(model))
    for start in range(0, len(encoded), size):
        yield pad(encoded[start : start + size], has_bos=bos).to(model.device)


@dataclass(frozen=True)
class Block:
    """Some batches whose results are kept together, so that a killed step continues after the last of them."""

    first: int
    """The number of its first batch."""
    batches: list[TokenBatch]


def token_blocks(
    model: LanguageModel, texts: Texts | TokenBatch, *, bos: bool, size: int = BATCH_SIZE
) -> Iterator[Block]:
    """The batches of the texts, ``SAVED_AT_ONCE`` at a time."""
    batches = token_batches(model, texts, bos=bos, size=size)
    for first in range(0, count_batches(texts, size), SAVED_AT_ONCE):
        yield Block(first, list(islice(batches, SAVED_AT_ONCE)))


def count_batches(texts: Texts | TokenBatch, size: int = BATCH_SIZE) -> int:
    """How many batches the texts make."""
    return 1 if isinstance(texts, TokenBatch) else -(-len(texts) // size)
