"""From examples to token batches: what an answer's token is, and which examples are skipped and why."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from circuitscope.errors import BadInput
from circuitscope.model import TokenBatch, pad
from circuitscope.tasks.examples import Example

log = logging.getLogger("circuitscope")

TYPED_BOS = "the text begins with a typed BOS, and BOS is off"
SAME_TEXT = "clean and patch are the same text"
OTHER_LENGTH = "clean and patch differ in length"

Skipped = Counter[str]
"""How many examples were left out, by reason."""


@dataclass(frozen=True)
class Inputs:
    """A batch of tokenised examples: pairs, or single inputs where ``patch`` is None."""

    clean: TokenBatch
    patch: TokenBatch | None
    """The other side of each pair, of the same length token by token."""
    clean_answers: Int[Tensor, "batch answer"]
    """Token ids of the clean answer; rows with fewer answers repeat under a false ``clean_answer_mask``."""
    clean_answer_mask: Bool[Tensor, "batch answer"]
    patch_answers: Int[Tensor, "batch other"]
    """Token ids of the patch answer; no columns where nothing is set against the clean answer."""
    patch_answer_mask: Bool[Tensor, "batch other"]

    def __len__(self) -> int:
        return self.clean.batch

    @property
    def is_pair(self) -> bool:
        return self.patch is not None

    def take(self, rows: Int[Tensor, " row"]) -> Inputs:
        """The examples at ``rows``, which may repeat."""
        return Inputs(
            self.clean.take(rows),
            None if self.patch is None else self.patch.take(rows),
            self.clean_answers[rows],
            self.clean_answer_mask[rows],
            self.patch_answers[rows],
            self.patch_answer_mask[rows],
        )

    @property
    def answers(self) -> Int[Tensor, "batch token"]:
        """Clean answers, then patch answers."""
        return torch.cat([self.clean_answers, self.patch_answers], dim=1)

    def numbered(self) -> Inputs:
        """The same with each answer's token replaced by its column in ``answers``.

        A metric that looks only at the answers' logits can then be given only those.
        """
        n_clean, n_patch = self.clean_answers.shape[1], self.patch_answers.shape[1]
        column = torch.arange(n_clean + n_patch, device=self.clean_answers.device).expand(len(self), -1)
        return replace(self, clean_answers=column[:, :n_clean], patch_answers=column[:, n_clean:])

    def to(self, device: torch.device) -> Inputs:
        return Inputs(
            self.clean.to(device),
            None if self.patch is None else self.patch.to(device),
            self.clean_answers.to(device),
            self.clean_answer_mask.to(device),
            self.patch_answers.to(device),
            self.patch_answer_mask.to(device),
        )

    def swapped(self) -> Inputs:
        """The patch inputs in place of the clean ones (answers stay), for m(patch)."""
        if self.patch is None:
            raise BadInput("single inputs have no patch side", expected="pairs")
        return Inputs(
            self.patch,
            self.clean,
            self.clean_answers,
            self.clean_answer_mask,
            self.patch_answers,
            self.patch_answer_mask,
        )


@dataclass(frozen=True)
class Encoded:
    """One example as token ids."""

    clean: tuple[int, ...]
    patch: tuple[int, ...] | None
    clean_answers: tuple[int, ...]
    patch_answers: tuple[int, ...]
    case: str = ""
    """What the task calls this kind of example; empty if it does not say."""

    @property
    def length(self) -> int:
        return len(self.clean)


class CannotUse(Exception):
    """An example that the task's rules leave out; the text is the reason that is counted."""


def encode_examples(
    examples: Sequence[Example],
    tokenizer: Any,
    *,
    bos: bool,
    limit: int | None = None,
    longest: int | None = None,
) -> tuple[list[Encoded], Skipped]:
    """Tokenise examples until ``limit`` are usable; those that cannot be used are counted by reason.

    Args:
        longest: texts of more tokens lose their beginning, but not the BOS; None leaves all whole.
    """
    encoded: list[Encoded] = []
    skipped = Skipped()
    typed = sum(types_bos(example, tokenizer) for example in examples)
    if typed and bos:
        log.info(
            "%d of the %d examples begin with a typed %s: every text gets one BOS, not two",
            typed,
            len(examples),
            tokenizer.bos_token,
        )
    for example in examples:
        if len(encoded) == limit:
            break
        try:
            encoded.append(encode_example(example, tokenizer, bos=bos, longest=longest))
        except CannotUse as reason:
            skipped[str(reason)] += 1
    return encoded, skipped


def begins_with_bos(text: str, tokenizer: Any) -> bool:
    """Whether a text itself begins with the tokenizer's BOS, as a word that was typed."""
    return bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)


def types_bos(example: Example, tokenizer: Any) -> bool:
    """Whether one of an example's own texts begins with the tokenizer's BOS."""
    return any(
        begins_with_bos(text or "", tokenizer) for text in (example.clean_prefix, example.patch_prefix)
    )


def _without_bos(example: Example, tokenizer: Any) -> Example:
    """An example whose texts begin after a typed BOS."""
    word = tokenizer.bos_token
    patch = example.patch_prefix
    return replace(
        example,
        clean_prefix=example.clean_prefix.removeprefix(word),
        patch_prefix=None if patch is None else patch.removeprefix(word),
    )


def encode_example(example: Example, tokenizer: Any, *, bos: bool, longest: int | None = None) -> Encoded:
    """Tokenise one example, or raise CannotUse with the reason; a typed BOS counts as the BOS in front."""
    if types_bos(example, tokenizer):
        if not bos:
            raise CannotUse(TYPED_BOS)
        example = _without_bos(example, tokenizer)
    clean = _ids(tokenizer, example.clean_prefix)
    clean_answers = _answer_tokens(tokenizer, example.clean_prefix, clean, example.clean_answer)
    other = example.clean_prefix if example.patch_prefix is None else example.patch_prefix
    patch = _ids(tokenizer, other)
    patch_answers = _answer_tokens(tokenizer, other, patch, example.patch_answer)
    if len(clean) != len(patch):
        raise CannotUse(OTHER_LENGTH)
    if set(clean_answers) & set(patch_answers):
        raise CannotUse("clean and patch have an answer in common")
    clean_ids = _framed(clean, tokenizer, bos, longest)
    if example.patch_prefix is None:
        return Encoded(clean_ids, None, clean_answers, patch_answers, example.case)
    if clean == patch:
        raise CannotUse(SAME_TEXT)
    patch_ids = _framed(patch, tokenizer, bos, longest)
    if clean_ids == patch_ids:
        raise CannotUse("clean and patch differ only in what is cut off")
    return Encoded(clean_ids, patch_ids, clean_answers, patch_answers, example.case)


def prefix_ids(tokenizer: Any, prefix: str, *, bos: bool, longest: int | None = None) -> tuple[int, ...]:
    """A prefix as token ids, or raise CannotUse with the reason."""
    if begins_with_bos(prefix, tokenizer):
        if not bos:
            raise CannotUse(TYPED_BOS)
        prefix = prefix.removeprefix(tokenizer.bos_token)
    return _framed(_ids(tokenizer, prefix), tokenizer, bos, longest)


def _framed(ids: tuple[int, ...], tokenizer: Any, bos: bool, longest: int | None) -> tuple[int, ...]:
    """The tokens of a text with the BOS in front, and without their beginning if there are too many."""
    front = (int(tokenizer.bos_token_id),) if bos else ()
    room = len(ids) if longest is None else max(longest - len(front), 1)
    return front + ids[-room:]


def _ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    ids = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    if not ids:
        raise CannotUse("the prefix has no tokens")
    if ids.count(tokenizer.unk_token_id) > _meant_unknown(tokenizer, text):
        raise CannotUse("the prefix has words that the tokenizer does not know")
    return ids


def _meant_unknown(tokenizer: Any, text: str) -> int:
    """How many tokens for unknown words were typed as such: GPT-2 and GPT-NeoX have one token for them and BOS."""
    of_texts = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    return (
        text.count(tokenizer.unk_token) if tokenizer.unk_token_id in of_texts and tokenizer.unk_token else 0
    )


def _answer_tokens(
    tokenizer: Any, prefix: str, prefix_ids: tuple[int, ...], answers: Sequence[str]
) -> tuple[int, ...]:
    """What prefix + answer adds after the prefix's own tokens, for each answer."""
    tokens = []
    for answer in answers:
        whole = tuple(tokenizer(prefix + answer, add_special_tokens=False)["input_ids"])
        if whole[: len(prefix_ids)] != prefix_ids:
            raise CannotUse("an answer changes the prefix's tokens")
        if len(whole) != len(prefix_ids) + 1:
            raise CannotUse("an answer is not one token")
        if whole[-1] == tokenizer.unk_token_id:
            raise CannotUse("an answer is a word that the tokenizer does not know")
        tokens.append(whole[-1])
    return tuple(dict.fromkeys(tokens))


def make_inputs(encoded: Sequence[Encoded], *, has_bos: bool, side: str = "right") -> Inputs:
    """One padded batch of examples that are all pairs or all single inputs."""
    pairs = {example.patch is not None for example in encoded}
    if len(pairs) != 1:
        raise BadInput(
            f"{len(encoded)} examples, some of them pairs and some single inputs" if pairs else "no examples",
            expected="one kind per task",
        )
    clean_answers, clean_mask = _rows([example.clean_answers for example in encoded])
    patch_answers, patch_mask = _rows([example.patch_answers for example in encoded])
    patches = [example.patch for example in encoded if example.patch is not None]
    return Inputs(
        pad([example.clean for example in encoded], has_bos=has_bos, side=side),
        pad(patches, has_bos=has_bos, side=side) if patches else None,
        clean_answers,
        clean_mask,
        patch_answers,
        patch_mask,
    )


def batches(encoded: Sequence[Encoded], size: int, *, has_bos: bool) -> Iterator[Inputs]:
    """The examples in order, ``size`` at a time."""
    for start in range(0, len(encoded), size):
        yield make_inputs(encoded[start : start + size], has_bos=has_bos)


def _rows(answers: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    widest = max(map(len, answers))
    ids = torch.zeros(len(answers), widest, dtype=torch.long)
    mask = torch.zeros(len(answers), widest, dtype=torch.bool)
    for row, tokens in enumerate(answers):
        ids[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        mask[row, : len(tokens)] = True
    return ids, mask
