"""check: how a task's examples are read, which are left out, and whether the model has the behaviour.

1. Tokenise the examples in order until enough can be used; note where each of the others is, and why not.
2. Run the model on the clean texts, and on the patch texts of pairs, and look at its next-token scores.
3. An answer's rank is 1 + the number of tokens that score higher; several answers count with their best rank and
   their summed probability. A text is right if the model prefers its own answer: to the other one, or, where there is
   no other, to every token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput, NothingFound, expect
from circuitscope.model import LanguageModel, TokenTexts
from circuitscope.results import (
    CheckedExample,
    CheckedSide,
    CheckedText,
    NextToken,
    SkippedExample,
    TaskCheck,
)
from circuitscope.tasks.inputs import CannotUse, Encoded, Inputs, batches, encode_example
from circuitscope.tasks.labelled.text_tokens import LabelledTask
from circuitscope.tasks.limits import longest_kept, refuse_unreadable
from circuitscope.tasks.metrics import Measure, Metric, metric_named
from circuitscope.tasks.task import USABLE, Examples, Task, load_task, mend_of


@dataclass(frozen=True)
class _Read:
    """An example that can be used."""

    where: str
    encoded: Encoded


@dataclass(frozen=True)
class AnswerScores:
    """What the model says after some texts, one value per text."""

    right: Bool[Tensor, " text"]
    rank: Int[Tensor, " text"]
    probability: Float[Tensor, " text"]
    other_rank: Int[Tensor, " text"] | None
    other_probability: Float[Tensor, " text"] | None
    likeliest: Int[Tensor, " text"]
    likeliest_probability: Float[Tensor, " text"]
    metric: Float[Tensor, " text"]
    """The higher-is-better side."""


def check(
    model: LanguageModel,
    task: Task | str | Path | Examples,
    *,
    split: str = "train",
    examples: int = 100,
    metric: str | Metric | Measure = "auto",
    rows: int = 5,
    bos: str = "auto",
    truncate: str = "no",
    batch_size: int = 16,
    dictionaries: Dictionaries | None = None,
) -> TaskCheck:
    """Check a task on a model before discovering anything; ``circuitscope.config.CheckConfig`` explains the settings.

    Args:
        dictionaries: those of the discovery, if ``bos`` should follow them as it does there.

    Raises:
        NothingFound: no example can be used; says why, example by example.
    """
    call = "check(model, task)"
    expect(model, LanguageModel, "model", call)
    expect(task, Task | str | Path | Sequence, "task", call)
    loaded = load_task(task, model)
    if isinstance(loaded, LabelledTask):
        raise BadInput(
            f"the task {loaded.name} is about classes of texts",
            expected="a task with answers that the model itself can give",
            mend="see how well the classifier does: circuitscope shift train",
        )
    chosen = metric_named(metric, pairs=loaded.contrasts)
    prepend_bos = None if dictionaries is None else dictionaries.prepend_bos
    has_bos = loaded.has_bos(bos, prepend_bos, model.tokenizer)
    longest = longest_kept(model, truncate)
    read, skipped = _read(loaded, split, model.tokenizer, examples, bos=has_bos, longest=longest)
    if not read:
        raise _nothing(loaded, split, skipped)
    encoded = [one.encoded for one in read]
    refuse_unreadable(encoded, model, loaded.name)
    clean = answer_scores(model, encoded, chosen, has_bos=has_bos, batch_size=batch_size)
    patch = answer_scores(
        model, [turned(one) for one in encoded], chosen, has_bos=has_bos, batch_size=batch_size
    ) if loaded.pairs else None  # fmt: skip
    texts = TokenTexts.of(model.tokenizer)
    first = range(min(rows, len(read)))
    return TaskCheck(
        task=loaded.name,
        model=model.name,
        split=split,
        kind=(loaded.train or loaded.test)[0].kind,
        bos=has_bos,
        metric=chosen.name,
        metric_shown_as=chosen.shown_as,
        examples=len(read),
        skipped=tuple(skipped),
        lengths=dict(sorted(Counter(one.length for one in encoded).items())),
        differ=_differing(encoded),
        shown=tuple(_shown(read[row], row, texts, clean, patch) for row in first),
        clean=_side(clean),
        patch=None if patch is None else _side(patch),
    )


def answer_scores(
    model: LanguageModel, encoded: Sequence[Encoded], metric: Metric, *, has_bos: bool, batch_size: int
) -> AnswerScores:
    """What the model says after the clean texts."""
    parts = [
        _scores(model, inputs.to(model.device), metric)
        for inputs in batches(encoded, batch_size, has_bos=has_bos)
    ]

    def joined(name: str) -> Any:
        column = [getattr(part, name) for part in parts]
        return None if column[0] is None else torch.cat(column)

    return AnswerScores(**{name: joined(name) for name in AnswerScores.__dataclass_fields__})


def turned(example: Encoded) -> Encoded:
    """The other side of a pair in front."""
    assert example.patch is not None
    return replace(
        example,
        clean=example.patch,
        patch=example.clean,
        clean_answers=example.patch_answers,
        patch_answers=example.clean_answers,
    )


def _scores(model: LanguageModel, inputs: Inputs, metric: Metric) -> AnswerScores:
    with torch.no_grad():
        logits = model.logits(inputs.clean, metric.positions(inputs))
        measured = -metric(logits, inputs)
    scores = logits[:, -1].float().log_softmax(dim=-1)
    rank, own = _rank_and_probability(scores, inputs.clean_answers, inputs.clean_answer_mask)
    other_rank, other = None, None
    right = rank == 1
    if inputs.patch_answers.shape[1]:
        other_rank, other = _rank_and_probability(scores, inputs.patch_answers, inputs.patch_answer_mask)
        right = own > other
    best = scores.max(dim=-1)
    return AnswerScores(right, rank, own, other_rank, other, best.indices, best.values.exp(), measured)


def _rank_and_probability(
    scores: Float[Tensor, "text vocab"], ids: Int[Tensor, "text answer"], mask: Bool[Tensor, "text answer"]
) -> tuple[Int[Tensor, " text"], Float[Tensor, " text"]]:
    asked = scores.gather(1, ids).masked_fill(~mask, -torch.inf)
    rank = 1 + (scores > asked.max(dim=1, keepdim=True).values).sum(dim=1)
    return rank, asked.logsumexp(dim=1).exp()


def _read(
    task: Task, split: str, tokenizer: Any, limit: int, **reading: Any
) -> tuple[list[_Read], list[SkippedExample]]:
    if split not in ("train", "test"):
        raise BadInput(f"no such split: {split!r}", expected="train or test")
    read: list[_Read] = []
    skipped: list[SkippedExample] = []
    for number, example in enumerate(getattr(task, split), start=1):
        if len(read) == limit:
            break
        where = example.where or f"example {number}"
        try:
            read.append(_Read(where, encode_example(example, tokenizer, **reading)))
        except CannotUse as reason:
            skipped.append(SkippedExample(where, str(reason)))
    return read, skipped


def _nothing(task: Task, split: str, skipped: Sequence[SkippedExample]) -> NothingFound:
    some = "; ".join(f"{one.where}: {one.reason}" for one in skipped[:3]) or "it is empty"
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return NothingFound(
        f"the {split} split of {task.name} has no usable example: {some}{more}",
        expected=USABLE,
        mend=mend_of(Counter(one.reason for one in skipped)),
    )


def _differing(encoded: Sequence[Encoded]) -> dict[int, int]:
    found: Counter[int] = Counter()
    for example in encoded:
        sides = zip(example.clean, example.patch or example.clean, strict=True)
        found.update(position for position, (clean, patch) in enumerate(sides) if clean != patch)
    return dict(sorted(found.items()))


def _side(scores: AnswerScores) -> CheckedSide:
    other_rank, other = scores.other_rank, scores.other_probability
    return CheckedSide(
        right=int(scores.right.sum()),
        rank=float(median(scores.rank.tolist())),
        probability=mean(scores.probability.tolist()),
        other_rank=None if other_rank is None else float(median(other_rank.tolist())),
        other_probability=None if other is None else mean(other.tolist()),
        metric=float(scores.metric.double().mean()),
    )


def _shown(
    read: _Read, row: int, texts: TokenTexts, clean: AnswerScores, patch: AnswerScores | None
) -> CheckedExample:
    sides = [_text(ids, row, texts, scores) for ids, scores in _sides(read.encoded, clean, patch)]
    return CheckedExample(read.where, sides[0], sides[1] if len(sides) > 1 else None)


def _sides(
    example: Encoded, clean: AnswerScores, patch: AnswerScores | None
) -> Iterator[tuple[tuple[int, ...], AnswerScores]]:
    yield example.clean, clean
    if example.patch is not None and patch is not None:
        yield example.patch, patch


def _text(ids: tuple[int, ...], row: int, texts: TokenTexts, scores: AnswerScores) -> CheckedText:
    best = int(scores.likeliest[row])
    other_rank, other = scores.other_rank, scores.other_probability
    return CheckedText(
        pieces=texts.many(ids),
        likeliest=NextToken(texts[best], best, float(scores.likeliest_probability[row])),
        rank=int(scores.rank[row]),
        probability=float(scores.probability[row]),
        other_rank=None if other_rank is None else int(other_rank[row]),
        other_probability=None if other is None else float(other[row]),
        right=bool(scores.right[row]),
    )
