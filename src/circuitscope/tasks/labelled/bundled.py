"""Short biographies in the bundled language: generated, so that no person is in them.

Every biography is a few sentences about somebody with a profession and a gender, without the sentence that names the
profession (as ``hard_text`` of Bias in Bios). Each sentence has two wordings: training texts have one, test texts the
other, so what is tested is never a sentence that was trained on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from circuitscope.errors import BadInput, argument
from circuitscope.tasks.labelled.labelled_text import GROUPS, LabelledText
from circuitscope.tasks.labelled.sets import AGREEING
from circuitscope.tasks.language import PROFESSIONS, Document, person, vocabulary
from circuitscope.tasks.language.people import PRIVATE_FACTS, WORK_FACTS, Person

CLASSES = ("professor", "nurse")
ATTRIBUTES = ("male", "female")
SIZES = {"train": 4096, "test": 1024}
"""Texts of each set of a split, unless fewer are asked for."""
WORK, PRIVATE = 3, 1
"""Sentences about the work and about the person, in any order."""
WORDING = {"train": 0, "test": 1}
"""Which wording the sentences of a split have."""


@lru_cache(maxsize=8)  # every step of SHIFT asks for the same texts
def biographies(
    split: str, classes: tuple[str, str], attributes: tuple[str, str], seed: int
) -> tuple[LabelledText, ...]:
    """As many texts of each group as the split's two sets need."""
    return tuple(_drawn(split, classes, attributes, seed))


def _drawn(
    split: str, classes: tuple[str, str], attributes: tuple[str, str], seed: int
) -> Iterator[LabelledText]:
    draw = random.Random(f"bios {seed} {split}")
    professions = {profession.name: profession for profession in PROFESSIONS}
    for label, attribute in GROUPS:
        for _ in range(SIZES[split] // (2 if (label, attribute) in AGREEING else 4)):
            who = person(draw, attributes[attribute], professions[classes[label]])
            yield LabelledText(_biography(who, draw, WORDING[split]), label, attribute)


def _biography(who: Person, draw: random.Random, wording: int) -> str:
    facts = draw.sample(WORK_FACTS, WORK) + draw.sample(PRIVATE_FACTS, PRIVATE)
    words = " ".join(fact[wording](who, draw) for fact in draw.sample(facts, len(facts))).split()
    return Document(tuple(words), ()).text


def check_tokenizer(tokenizer: Any) -> None:
    """Raise BadInput for a tokenizer that does not know the words of the bundled language."""
    unknown = tokenizer.unk_token_id
    ids = tokenizer(sorted(vocabulary()), add_special_tokens=False)["input_ids"]
    if unknown is not None and any(unknown in word for word in ids):
        raise BadInput(
            "the bundled biographies have words that this model's tokenizer does not know",
            expected="the bundled model, or one whose tokenizer takes any text",
            mend=f"use {argument('model', 'bundled')}, or other texts",
        )
