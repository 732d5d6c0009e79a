"""Clauses with a subject and a verb that agrees with it, in four structures.

Hidden variables: ``number`` is that of the noun that the next verb agrees with, from the noun up to the verb;
``outer_number`` is that of the subject that still waits for its verb while another noun is being talked about.

What is held out: the nouns that the test examples of the agreement templates use never occur in those structures the
way the templates have them, plain: "the captains" is never a subject, the subject of a relative clause or the noun of
a phrase between subject and verb. With an adjective or another determiner they are ("the old captains", "these
captains"), and "the captains" occurs elsewhere, for example as an object. So a model trained on these texts sees
every word, but never these words in these places.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache

from circuitscope.tasks.agreement import held_out_nouns
from circuitscope.tasks.agreement.words import PREPOSITIONS, RELATIVE_VERBS, VERBS
from circuitscope.tasks.language.draft import Draft
from circuitscope.tasks.language.words import (
    ADJECTIVES,
    LOOKS,
    PARTICIPLES,
    PEOPLE,
    PLACES,
    THINGS,
    Forms,
    vocabulary,
)

NUMBER = ("singular", "plural")
_COPULAS = ("is", "are", "was", "were")


@cache
def _plain(nouns: tuple[Forms, ...]) -> tuple[Forms, ...]:
    """The nouns that may occur plain in a structure of the templates."""
    held_out = held_out_nouns(frozenset(vocabulary()).__contains__)
    return tuple(noun for noun in nouns if noun[0] not in held_out)


def clause(draft: Draft, draw: random.Random, *, start: bool = True) -> None:
    """One clause without its full stop; ``start`` writes it with a capital letter."""
    kinds: tuple[Callable[[Draft, random.Random, bool], None], ...] = (
        _simple, _across_phrase, _across_bracket, _relative
    )  # fmt: skip
    (write,) = draw.choices(kinds, weights=(3, 4, 1, 6))
    write(draft, draw, start)


def _simple(draft: Draft, draw: random.Random, start: bool) -> None:
    """The friends are tall"""
    number = _noun_phrase(draft, draw, PEOPLE, start)
    _predicate(draft, draw, number)


def _across_phrase(draft: Draft, draw: random.Random, start: bool) -> None:
    """The teachers near the desk are tall"""
    number = _noun_phrase(draft, draw, PEOPLE, start)
    _phrase(draft, draw, number)
    _predicate(draft, draw, number)


def _across_bracket(draft: Draft, draw: random.Random, start: bool) -> None:
    """The teachers (near the desk) are tall"""
    number = _noun_phrase(draft, draw, PEOPLE, start)
    shape, (opening, closing) = draw.choice((("round", "()"), ("square", "[]")))
    draft.say(opening, bracket=shape)
    _phrase(draft, draw, number)
    draft.say(closing, bracket=None)
    _predicate(draft, draw, number)


def _relative(draft: Draft, draw: random.Random, start: bool) -> None:
    """The athletes that the chef likes are tall"""
    number = _noun_phrase(draft, draw, PEOPLE, start)
    draft.say("that")
    draft.learn("outer_number", NUMBER[number])
    draft.learn("number", None)
    inner = _noun_phrase(draft, draw, PEOPLE, False)
    _relative_verb(draft, draw, inner)
    draft.learn("outer_number", None)
    draft.learn("number", NUMBER[number])
    # The verb that ended the relative clause is the last word said: from there on the subject waits again.
    draft.known[-1] = dict(draft.state)
    _predicate(draft, draw, number)


def _noun_phrase(draft: Draft, draw: random.Random, nouns: tuple[Forms, ...], start: bool) -> int:
    """the friends, the old friends, these friends, an old friend; returns its number."""
    number = draw.randrange(2)
    kind = draw.choices(("plain", "adjective", "determiner"), weights=(6, 2, 2))[0]
    adjective, word = "", "the"
    if kind == "adjective":
        adjective = draw.choice(ADJECTIVES if nouns is PEOPLE else LOOKS)
    if kind == "determiner":
        word = draw.choice((("this", "these"), ("a", "some")))[number]
    noun = draw.choice(_plain(nouns) if kind == "plain" else nouns)[number]
    word = article(word, adjective or noun)
    draft.say(f"{word.capitalize() if start else word} {adjective} {noun}", number=NUMBER[number])
    return number


def _phrase(draft: Draft, draw: random.Random, number: int) -> None:
    """near the desks; the verb goes on to agree with the noun before it, whose ``number`` this is."""
    draft.say(draw.choice(PREPOSITIONS))
    first = len(draft.words)
    _noun_phrase(draft, draw, THINGS, False)
    draft.learn("number", NUMBER[number])
    draft.known[first:] = [dict(draft.state) for _ in draft.known[first:]]


def _relative_verb(draft: Draft, draw: random.Random, number: int) -> None:
    """likes, have met, are near, do not like"""
    if draw.random() < 0.55:
        draft.say(draw.choice(RELATIVE_VERBS)[number], number=None)
        return
    verb = draw.choice(VERBS)[number]
    draft.say(verb, number=None)
    if verb in _COPULAS:
        draft.say(draw.choice(PREPOSITIONS))
    elif verb in ("has", "have"):
        draft.say(draw.choice(PARTICIPLES))
    elif verb in ("does", "do"):
        draft.say(f"not {draw.choice(RELATIVE_VERBS)[1]}")
    else:
        draft.say("to")


def _predicate(draft: Draft, draw: random.Random, number: int) -> None:
    """A verb that agrees, and what follows it."""
    if draw.random() < 0.2:
        draft.say(draw.choice(RELATIVE_VERBS)[number], number=None)
        draft.say(f"the {_any(draw, PEOPLE)}")
        return
    verb = draw.choice(VERBS)[number]
    draft.say(verb, number=None)
    if verb in _COPULAS:
        place = f"{draw.choice(PREPOSITIONS)} the {_any(draw, THINGS)}"
        draft.say(draw.choice(ADJECTIVES) if draw.random() < 0.75 else place)
    elif verb in ("has", "have"):
        draft.say(thing(draw))
    elif verb in ("does", "do"):
        draft.say(f"not {draw.choice(RELATIVE_VERBS)[1]} the {_any(draw, PEOPLE)}")
    else:
        draft.say(f"to the {draw.choice(PLACES)}")


def thing(draw: random.Random) -> str:
    """a cup, a red cup, some cups"""
    number = draw.randrange(2)
    look = draw.choice(LOOKS) if draw.random() < 0.3 else ""
    noun = draw.choice(THINGS)[number]
    return f"{article('a', look or noun) if number == 0 else 'some'} {look} {noun}"


def article(word: str, following: str) -> str:
    """``a``, or ``an`` before a vowel."""
    return "an" if word == "a" and following[0] in "aeiou" else word


def _any(draw: random.Random, nouns: Sequence[Forms]) -> str:
    return draw.choice(nouns)[draw.randrange(2)]
