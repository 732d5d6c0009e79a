"""The four agreement structures as minimal pairs (after Finlayson et al. 2021; Marks et al. 2024, Table 1).

| structure | clean → patch | the verb agrees with |
|---|---|---|
| simple | The friends → The friend | the subject |
| across_pp | The teachers near the desk → The teacher near the desk | the subject, across a phrase |
| within_rc | The athlete that the chefs → The athlete that the chef | the subject of the relative clause |
| across_rc | The athletes that the chef likes → The athlete that … | the subject, across a clause |

Every word is a single token of the tokenizer at hand, so a structure's examples have one length. Train and
test share no noun, and the nouns of the test examples are the same in all structures.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from circuitscope.errors import BadInput
from circuitscope.tasks.agreement.words import PEOPLE, PREPOSITIONS, RELATIVE_VERBS, THINGS, VERBS
from circuitscope.tasks.examples import Example

Forms = tuple[str, str]
"""(singular, plural)."""

TEST_SHARE = 0.3
"""Share of the nouns that only the test examples use."""
LEAST_NOUNS = 4
"""With fewer nouns than this in a split, the task would be about a handful of words."""


@dataclass(frozen=True)
class _Words:
    people: Sequence[Forms]
    things: Sequence[Forms]
    verbs: Sequence[Forms]
    relative_verbs: Sequence[Forms]
    prepositions: Sequence[str]


def _simple(words: _Words, draw: random.Random) -> tuple[Callable[[int], str], list[int]]:
    noun = draw.choice(words.people)
    return lambda number: f"The {noun[number]}", []


def _across_pp(words: _Words, draw: random.Random) -> tuple[Callable[[int], str], list[int]]:
    noun, thing = draw.choice(words.people), draw.choice(words.things)
    preposition, other = draw.choice(words.prepositions), draw.randrange(2)
    return lambda number: f"The {noun[number]} {preposition} the {thing[other]}", [other]


def _within_rc(words: _Words, draw: random.Random) -> tuple[Callable[[int], str], list[int]]:
    head, noun = draw.sample(words.people, 2)
    other = draw.randrange(2)
    return lambda number: f"The {head[other]} that the {noun[number]}", [other]


def _across_rc(words: _Words, draw: random.Random) -> tuple[Callable[[int], str], list[int]]:
    noun, inner = draw.sample(words.people, 2)
    verb, other = draw.choice(words.relative_verbs), draw.randrange(2)
    return lambda number: f"The {noun[number]} that the {inner[other]} {verb[other]}", [other]


STRUCTURES = {
    "simple": _simple,
    "across_pp": _across_pp,
    "within_rc": _within_rc,
    "across_rc": _across_rc,
}


def agreement_examples(
    structure: str, tokenizer: Any, *, train: int = 400, test: int = 160, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """Distinct minimal pairs of a structure for a tokenizer: at most ``train`` and ``test`` of them.

    Raises:
        BadInput: no such structure, or too few of the words are single tokens.
    """
    refuse_unknown_structure(structure)
    words = _words(_single_token(tokenizer))
    _refuse_too_few(words, structure)
    train_words, test_words = _split(words, seed)
    draw = random.Random(f"{structure} {seed}")
    return _generate(structure, train_words, train, draw), _generate(structure, test_words, test, draw)


def refuse_unknown_structure(structure: str) -> None:
    """Raise BadInput if there is no such structure."""
    if structure not in STRUCTURES:
        raise BadInput(
            f"no such agreement structure: {structure!r}",
            expected=" or ".join(f"agreement/{name}" for name in STRUCTURES),
            mend="check the spelling",
        )


def held_out_nouns(known: Callable[[str], bool], *, seed: int = 0) -> frozenset[str]:
    """The nouns, in both forms, that only test examples use.

    Args:
        known: whether a word is a single token.
    """
    _, words = _split(_words(known), seed)
    return frozenset(form for noun in (*words.people, *words.things) for form in noun)


def _generate(structure: str, words: _Words, count: int, draw: random.Random) -> list[Example]:
    found: dict[Example, None] = {}
    for _ in range(20 * count):
        prefix, others = STRUCTURES[structure](words, draw)
        verb, number = draw.choice(words.verbs), draw.randrange(2)
        case = "_".join(("singular", "plural")[n] for n in (number, *others))
        found[
            Example(
                prefix(number), (f" {verb[number]}",), prefix(1 - number), (f" {verb[1 - number]}",), case
            )
        ] = None
        if len(found) == count:
            break
    return list(found)


def _single_token(tokenizer: Any) -> Callable[[str], bool]:
    """Whether a word adds exactly one token after another."""
    front = len(tokenizer("The", add_special_tokens=False)["input_ids"])

    def single(word: str) -> bool:
        ids = tokenizer(f"The {word}", add_special_tokens=False)["input_ids"]
        return len(ids) == front + 1 and ids[-1] != tokenizer.unk_token_id

    return single


def _words(known: Callable[[str], bool]) -> _Words:
    """The words of which every form is known."""

    def both(forms: Sequence[Forms]) -> list[Forms]:
        return [pair for pair in forms if known(pair[0]) and known(pair[1])]

    return _Words(
        both(PEOPLE), both(THINGS), both(VERBS), both(RELATIVE_VERBS), [p for p in PREPOSITIONS if known(p)]
    )


def _refuse_too_few(words: _Words, structure: str) -> None:
    needed = {"people": words.people, "verbs": words.verbs}
    if structure == "across_pp":
        needed |= {"things": words.things, "prepositions": [(p, p) for p in words.prepositions]}
    if structure == "across_rc":
        needed["relative_verbs"] = words.relative_verbs
    least = {"people": 2 * LEAST_NOUNS, "things": 2 * LEAST_NOUNS}
    short = {name: len(have) for name, have in needed.items() if len(have) < least.get(name, 1)}
    if short:
        raise BadInput(
            f"agreement/{structure} finds too few words that are single tokens of this tokenizer: {short}",
            expected=f"at least {2 * LEAST_NOUNS} nouns of each role and one word of every other",
            mend="write the task as JSON lines with words that this tokenizer knows",
        )


def _split(words: _Words, seed: int) -> tuple[_Words, _Words]:
    """Words for train and for test; the nouns are divided the same way for every structure, the verbs are shared."""
    draw = random.Random(f"nouns {seed}")
    people, things = _divide(words.people, draw), _divide(words.things, draw)
    parts = [
        _Words(people[side], things[side], words.verbs, words.relative_verbs, words.prepositions)
        for side in (0, 1)
    ]
    return parts[0], parts[1]


def _divide(nouns: Sequence[Forms], draw: random.Random) -> tuple[list[Forms], list[Forms]]:
    shuffled = draw.sample(nouns, len(nouns))
    held_out = max(min(LEAST_NOUNS, len(nouns)), round(TEST_SHARE * len(nouns)))
    return shuffled[held_out:], shuffled[:held_out]
