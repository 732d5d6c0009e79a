"""A prompt as a task: one text, what should come next, and what that is set against.

1. The answer is what is given, or else the model's own most probable next token.
2. It is a single input: switching a part of the model off means putting its features and its error to 0.
3. There is one length, so positions are kept. Both splits are the prompt itself, since there is nothing to hold out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput, argument, expect, refuse_half_characters
from circuitscope.model import LanguageModel, TokenTexts, decide_bos, pad
from circuitscope.results import PROMPT, NextToken, TaskSource
from circuitscope.tasks.examples import Example, as_line
from circuitscope.tasks.inputs import (
    CannotUse,
    Encoded,
    begins_with_bos,
    encode_example,
    prefix_ids,
    types_bos,
)
from circuitscope.tasks.limits import longest_kept, refuse_unreadable
from circuitscope.tasks.task import Task, refuse_no_tokenizer

log = logging.getLogger("circuitscope")

_SHOWN = 5
"""How many of the model's own next tokens an error names."""
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Prompt:
    """A prompt and its answers as they are asked for, before there is a model."""

    text: str
    answer: str | None = None
    against: tuple[str, ...] = ()
    bos: str = "auto"
    truncate: str = "no"

    @property
    def contrasts(self) -> bool:
        """Whether its answer is set against another one."""
        return bool(self.against)

    def as_task(self, model: LanguageModel, dictionaries: Dictionaries | None = None) -> Task:
        return prompt_task(
            model,
            self.text,
            answer=self.answer,
            against=self.against,
            dictionaries=dictionaries,
            bos=self.bos,
            truncate=self.truncate,
        )


def prompt_task(
    model: LanguageModel,
    prompt: str,
    *,
    answer: str | None = None,
    against: str | Sequence[str] = (),
    dictionaries: Dictionaries | None = None,
    bos: str = "auto",
    truncate: str = "no",
) -> Task:
    """A task of one prompt: why does the model continue it with this answer?

    Args:
        answer: what should come next, one token; by default the model's own most probable next token.
        against: one or more other tokens; the behaviour is then the answer's logit minus theirs (several count
            together), and without them the answer's log probability.
        dictionaries: those of the discovery, if ``bos`` should follow them as it does there.
        bos: whether the prompt begins with a BOS; only the model's own next tokens depend on it here.
        truncate: ``left`` lets a prompt that is too long for the model lose its beginning.

    Raises:
        BadInput: the prompt has no tokens or unknown words, or an answer is not one token after it.
    """
    expect(model, LanguageModel, "model", "prompt_task(model, prompt)")
    expect(prompt, str, "prompt", "prompt_task(model, prompt)")
    refuse_no_tokenizer(model.name, model.tokenizer)
    others = (against,) if isinstance(against, str) else tuple(against)
    next_tokens = top_tokens(model, prompt, dictionaries=dictionaries, bos=bos, truncate=truncate)
    if answer is None:
        answer = _own_answer(model.tokenizer, prompt, next_tokens[0])
        likely = ", ".join(f"{token.text!r} {token.probability:.1%}" for token in next_tokens)
        log.info("the model's own next tokens are %s; the answer is the first, %r", likely, answer)
    example = Example(prompt, answer, patch_answer=others, where="the prompt")
    _refuse_unusable(example, model, next_tokens)
    name, line = _name(prompt), (as_line(example),)
    source = TaskSource(name, PROMPT, train=line, test=line, is_template=True)
    return Task(name, (example,), (example,), is_template=True, source=source)


def top_tokens(
    model: LanguageModel,
    prompt: str,
    *,
    count: int = 10,
    dictionaries: Dictionaries | None = None,
    bos: str = "auto",
    truncate: str = "no",
) -> tuple[NextToken, ...]:
    """The model's own most probable next tokens after a prompt, the first one first."""
    refuse_no_tokenizer(model.name, model.tokenizer)
    refuse_half_characters(prompt, "the prompt")
    typed = bos == "auto" and begins_with_bos(prompt, model.tokenizer)
    prepend_bos = None if dictionaries is None else dictionaries.prepend_bos
    with_bos = decide_bos("yes" if typed else bos, prepend_bos, model.tokenizer)
    try:
        ids = prefix_ids(model.tokenizer, prompt, bos=with_bos, longest=longest_kept(model, truncate))
    except CannotUse as reason:
        raise BadInput(
            f"{argument('prompt', prompt)} cannot be used: {reason}",
            expected="a text in words that the model's tokenizer knows",
            mend="check the words",
        ) from reason
    refuse_unreadable([Encoded(ids, None, (), ())], model, "the prompt")
    tokens = pad([ids], has_bos=with_bos).to(model.device)
    with torch.no_grad():
        scores = model.logits(tokens, tokens.last[:, None])[0, -1].float().log_softmax(dim=-1)
    best = scores.topk(min(count, len(scores)))
    texts = TokenTexts.of(model.tokenizer)
    return tuple(
        NextToken(texts[token], token, value)
        for token, value in zip(best.indices.tolist(), best.values.exp().tolist(), strict=True)
    )


def _own_answer(tokenizer: Any, prompt: str, best: NextToken) -> str:
    """The text that adds just this token to the prompt; it may be written in more than one way."""
    before = tuple(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    for text in (best.text, tokenizer.decode([best.token]), f" {best.text.strip()}"):
        if tuple(tokenizer(prompt + text, add_special_tokens=False)["input_ids"]) == (*before, best.token):
            return text
    raise BadInput(
        f"the model's own next token after the prompt, {best.text!r}, cannot be written as a text that follows it",
        expected="an answer that adds one token to the prompt",
        mend=f"add {argument('answer')}",
    )


def _refuse_unusable(example: Example, model: LanguageModel, own: Sequence[NextToken]) -> None:
    try:
        encode_example(example, model.tokenizer, bos=types_bos(example, model.tokenizer))
    except CannotUse as reason:
        answers = ", ".join(repr(text) for text in (*example.clean_answer, *example.patch_answer))
        likely = ", ".join(repr(token.text) for token in own[:_SHOWN])
        raise BadInput(
            f"the prompt cannot be used with {answers}: {reason}",
            expected="answers that differ, each adding exactly one token to the prompt",
            mend=f"answers usually begin with a space; the model's own next tokens are {likely}",
        ) from reason


def _name(prompt: str) -> str:
    """The prompt in quotation marks, cut if it is long: its end says more than its beginning."""
    words = " ".join(prompt.split())
    if len(words) <= _LONGEST_NAME:
        return f"“{words}”"
    end = words[-_LONGEST_NAME:]
    return f"“… {end.partition(' ')[2] or end}”"
