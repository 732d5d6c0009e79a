"""Sentences about people with a name: short biographies, and meetings of two.

Hidden variables: ``gender`` and ``profession`` of the person that the text is about, from the first word that
settles them to the end of what is said about the person.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from circuitscope.tasks.agreement.words import PREPOSITIONS, RELATIVE_VERBS
from circuitscope.tasks.language.clauses import article, thing
from circuitscope.tasks.language.draft import Draft
from circuitscope.tasks.language.words import (
    ADJECTIVES,
    FEMALE_NAMES,
    MALE_NAMES,
    PLACES,
    PROFESSIONS,
    THINGS,
    Profession,
)

GENDERS = ("female", "male")
_NAMES = {"female": FEMALE_NAMES, "male": MALE_NAMES}
_SUBJECT = {"female": "she", "male": "he"}
_OBJECT = {"female": "her", "male": "him"}
_OWNER = {"female": "her", "male": "his"}
_SPOUSE = {"female": "husband", "male": "wife"}


@dataclass(frozen=True)
class Person:
    """Somebody with a name."""

    name: str
    gender: str
    profession: Profession

    @property
    def he(self) -> str:
        return _SUBJECT[self.gender]

    @property
    def his(self) -> str:
        return _OWNER[self.gender]


def person(draw: random.Random, gender: str | None = None, profession: Profession | None = None) -> Person:
    """Somebody; what is not given is drawn."""
    gender = gender or draw.choice(GENDERS)
    return Person(draw.choice(_NAMES[gender]), gender, profession or draw.choice(PROFESSIONS))


Fact = Callable[[Person, random.Random], str]
"""One sentence about a person."""

TITLE: Fact = lambda who, draw: f"{who.name} is {article('a', who.profession.name)} {who.profession.name} ."  # noqa: E731

# Each fact has two wordings, so that a classifier can be tested on wordings that it was not trained on.
WORK_FACTS: tuple[tuple[Fact, Fact], ...] = (
    (
        lambda who, draw: f"{who.he.capitalize()} works at the {draw.choice(who.profession.places)} .",
        lambda who, draw: f"The {draw.choice(who.profession.places)} is where {who.he} works .",
    ),
    (
        lambda who, draw: f"{who.he.capitalize()} studied {who.profession.field} .",
        lambda who, draw: f"{who.name} has studied {who.profession.field} .",
    ),
    (
        lambda who, draw: f"{who.his.capitalize()} work is with {draw.choice(who.profession.objects)} .",
        lambda who, draw: f"Every day {who.he} works with {draw.choice(who.profession.objects)} .",
    ),
)
PRIVATE_FACTS: tuple[tuple[Fact, Fact], ...] = (
    (
        lambda who, draw: f"{who.he.capitalize()} lives with {who.his} {_SPOUSE[who.gender]} .",
        lambda who, draw: f"{who.his.capitalize()} {_SPOUSE[who.gender]} is {draw.choice(ADJECTIVES)} .",
    ),
    (
        lambda who, draw: f"{who.he.capitalize()} is {draw.choice(ADJECTIVES)} .",
        lambda who, draw: f"{who.name} is {' and '.join(draw.sample(ADJECTIVES, 2))} .",
    ),
    (
        lambda who, draw: f"{who.he.capitalize()} has {thing(draw)} .",
        lambda who, draw: f"{who.his.capitalize()} own {draw.choice(THINGS)[0]} is new .",
    ),
    (
        lambda who, draw: f"{who.name} goes to the {draw.choice(PLACES)} .",
        lambda who, draw: (
            f"{who.he.capitalize()} lives {draw.choice(PREPOSITIONS)} the {draw.choice(PLACES)} ."
        ),
    ),
)


def biography(
    draft: Draft,
    draw: random.Random,
    who: Person,
    *,
    title: bool = True,
    sentences: int = 4,
    wording: int | None = None,
) -> None:
    """A few sentences about a person.

    Args:
        title: whether it begins by naming the profession.
        wording: 0 or 1 for one of each fact's two wordings; None draws one.
    """
    facts = [(fact, True) for fact in WORK_FACTS] + [(fact, False) for fact in PRIVATE_FACTS]
    chosen = draw.sample(facts, sentences)
    if not any(about_work for _, about_work in chosen):
        chosen[0] = (draw.choice(WORK_FACTS), True)
    if title:
        _say(draft, TITLE(who, draw), who)
    for wordings, _ in chosen:
        fact = wordings[draw.randrange(2) if wording is None else wording]
        _say(draft, fact(who, draw), who)
    draft.learn("gender", None)
    draft.learn("profession", None)
    draft.known[-1] = dict(draft.state)  # after the last full stop nothing more is said about the person


def _say(draft: Draft, sentence: str, who: Person) -> None:
    """Say a sentence word by word; words that settle something about the person are marked."""
    for word in sentence.split():
        settled = word.lower() in (
            who.name.lower(),
            who.he,
            who.his,
            _OBJECT[who.gender],
            _SPOUSE[who.gender],
        )
        if settled:
            draft.learn("gender", who.gender)
        if word in (
            who.profession.name,
            who.profession.field,
            *who.profession.places,
            *who.profession.objects,
        ):
            draft.learn("profession", who.profession.name)
        draft.say(word)


def meeting(draft: Draft, draw: random.Random) -> None:
    """Tom meets Anna near the gate. He thanks her."""
    first, second = person(draw), person(draw)
    draft.say(first.name, gender=first.gender)
    verb = draw.choice(RELATIVE_VERBS)[0] if draw.random() < 0.5 else "meets"
    draft.say(f"{verb} {second.name} {draw.choice(PREPOSITIONS)} the {draw.choice(THINGS)[0]} .")
    # What follows the verb is about the second person, so the first one's gender settles nothing from there on.
    draft.say(f"{first.he.capitalize()} {draw.choice(RELATIVE_VERBS)[0]}", gender=None)
    draft.say(f"{_OBJECT[second.gender]} .")


def name(draw: random.Random) -> str:
    """Any name."""
    return draw.choice((*FEMALE_NAMES, *MALE_NAMES))
