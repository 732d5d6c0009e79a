"""Sentences whose course is settled by what came before: counting, lists, quotations.

Hidden variables: ``next_number`` while somebody counts; ``remaining``, whether none, one or several things of a list
are still to come, which settles what comes before the next; ``quote``, ``open`` between quotation marks.
"""

from __future__ import annotations

import random

from circuitscope.tasks.language.clauses import article, clause
from circuitscope.tasks.language.draft import Draft
from circuitscope.tasks.language.people import name
from circuitscope.tasks.language.words import NUMBERS, THINGS

LONGEST_LIST = 5


def counting(draft: Draft, draw: random.Random) -> None:
    """Anna counts up: three, four, five, six."""
    down = draw.random() < 0.5
    length = draw.randint(3, 6)
    first = draw.randrange(len(NUMBERS) - length)
    run = list(range(first, first + length + 1))
    if down:
        run.reverse()
    draft.say(f"{name(draw)} counts {'down' if down else 'up'} :")
    for place, number in enumerate(run[:-1]):
        draft.say(NUMBERS[number], next_number=NUMBERS[run[place + 1]])
        draft.say("," if place < length - 1 else ".", next_number=draft.state["next_number"])
    draft.learn("next_number", None)
    draft.known[-1] = dict(draft.state)  # after the full stop nothing is counted


def listing(draft: Draft, draw: random.Random) -> None:
    """Anna buys three things: a cup, a lamp and a map."""
    count = draw.randint(2, LONGEST_LIST)
    draft.say(f"{name(draw)} buys")
    draft.say(NUMBERS[count - 1], remaining=_remaining(count))
    draft.say(":")
    for place, thing in enumerate(draw.sample(THINGS, count)):
        if place:
            draft.say("and" if place == count - 1 else ",")
        draft.say(f"{article('a', thing[0])} {thing[0]}", remaining=_remaining(count - 1 - place))
    draft.say(".", remaining=None)


def _remaining(count: int) -> str:
    return ("none", "one", "several")[min(count, 2)]


def quotation(draft: Draft, draw: random.Random) -> None:
    """Anna says: "the chefs near the table are tall"."""
    draft.say(f"{name(draw)} says :")
    draft.say('"', quote="open")
    for number in range(draw.choice((1, 1, 2))):
        if number:
            draft.say("and")
        clause(draft, draw, start=False)
    draft.say('"', quote=None)
    draft.say(".")
