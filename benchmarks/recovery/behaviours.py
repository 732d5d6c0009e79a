"""Behaviours of the bundled model in which one hidden variable, of two values, decides: pairs, and places in texts.

| behaviour | hidden variable | clean … patch, or the other way round | answers |
|---|---|---|---|
| the four agreement structures | number of the subject | as in ``tasks/agreement`` | forms of a verb |
| pronoun | gender | Anna is a nurse. … Tom is a nurse. | She, Her … He, His |
| workplace | profession | Anna is a nurse. She works at the … is a professor. … | hospital … university, library |
| quotation | whether one is open | Anna says: "the poets are tall … Anna is old. The poets are tall | " … . |
| bracket | its shape | The poets (near the gate … The poets [near the gate | ) … ] |

The words that are drawn for train and test pairs are apart: names for pronoun and workplace, nouns for the others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import circuitscope as cs
from circuitscope.model import LanguageModel
from circuitscope.tasks import Example, Task
from circuitscope.tasks.agreement import STRUCTURES, held_out_nouns
from circuitscope.tasks.agreement.words import PREPOSITIONS
from circuitscope.tasks.language import PROFESSIONS, WORDS, Document, documents, vocabulary
from circuitscope.tasks.language.draft import Draft
from circuitscope.tasks.language.people import biography, person
from circuitscope.tasks.language.words import ADJECTIVES, FEMALE_NAMES, MALE_NAMES, PEOPLE, THINGS
from training.check import Needed, needed

SEED = 0
TRAIN, TEST = 60, 80
"""Pairs of each split; the agreement templates bring more."""

Chooses = Callable[[Document, int, Needed], bool]
"""Whether a place of a text, at which a variable is needed, is one of a behaviour's."""


@dataclass(frozen=True)
class Behaviour:
    """A behaviour with the variable that decides it."""

    name: str
    values: tuple[str, str]
    task: Task
    """Pairs; an example's case begins with the value at clean."""
    chooses: Chooses
    texts: Callable[[int, int], Sequence[Document]] = lambda count, seed: tuple(documents(count, seed))
    """(count, seed) -> texts in which the variable is looked for."""

    def value(self, example: Example) -> str:
        """The variable's value in an example's clean text; its patch text has the other."""
        return example.case.split("_")[0]

    def other(self, value: str) -> str:
        return self.values[1 - self.values.index(value)]

    def places(self, document: Document) -> list[tuple[int, str]]:
        """The places of a text at which the next word depends on the variable, with its value there."""
        found = []
        for place in range(len(document.words) - 1):
            item = needed(document, place)
            if item is not None and item.value in self.values and self.chooses(document, place, item):
                found.append((place, item.value))
        return found


def behaviours(model: LanguageModel) -> list[Behaviour]:
    """All of them, for the bundled model."""
    numbers = ("singular", "plural")
    agreement = [
        Behaviour(name, numbers, cs.load_task(f"agreement/{name}", model), _structure(name))
        for name in STRUCTURES
    ]
    return [*agreement, _pronoun(), _workplace(), _quotation(), _bracket()]


# -- agreement -------------------------------------------------------------------------------------------

_OF_THINGS = frozenset(form for noun in THINGS for form in noun)
_OF_PEOPLE = frozenset(form for noun in PEOPLE for form in noun)


def _structure(name: str) -> Chooses:
    return lambda document, place, item: structure_at(document, place, item) == name


def structure_at(document: Document, place: int, item: Needed) -> str | None:
    """The agreement structure whose verb comes after a place of a text."""
    if item.variable == "outer_number":
        return "across_rc"
    if item.variable != "number":
        return None
    if "outer_number" in document.known[place]:
        return "within_rc"
    word = document.words[place]
    return "across_pp" if word in _OF_THINGS else "simple" if word in _OF_PEOPLE else None


# -- other behaviours ------------------------------------------------------------------------------------

_SIDES = ("female", "male")
_NAMES = {"female": FEMALE_NAMES, "male": MALE_NAMES}
_STARTS = {"female": (" She", " Her"), "male": (" He", " His")}
_JOBS = {job.name: job for job in PROFESSIONS if job.name in ("nurse", "professor")}

Draw = Callable[[random.Random, str], tuple[str, str]]
"""(draw, split) -> the texts of a pair, one per value."""


def _task(name: str, values: tuple[str, str], answers: Sequence[tuple[str, ...]], draw_pair: Draw) -> Task:
    splits = []
    for split, count in (("train", TRAIN), ("test", TEST)):
        draw = random.Random(f"{name} {split} {SEED}")
        found: dict[Example, None] = {}
        for _ in range(20 * count):
            texts, clean = draw_pair(draw, split), draw.randrange(2)
            found[
                Example(
                    texts[clean], answers[clean], texts[1 - clean], answers[1 - clean], case=values[clean]
                )
            ] = None
            if len(found) == count:
                break
        splits.append(tuple(found))
    return Task(name, splits[0], splits[1], is_template=True)


def _half(words: Sequence[str], split: str) -> Sequence[str]:
    """Every second word for train, the others for test."""
    return words[split == "test" :: 2]


def _nouns(split: str) -> Sequence[str]:
    """Plural nouns for people that texts show plain."""
    held_out = held_out_nouns(frozenset(vocabulary()).__contains__)
    return _half([plural for single, plural in PEOPLE if single not in held_out], split)


def _pronoun() -> Behaviour:
    jobs = [job.name for job in PROFESSIONS]

    def pair(draw: random.Random, split: str) -> tuple[str, str]:
        job = draw.choice(jobs)
        first, second = (f"{draw.choice(_half(_NAMES[side], split))} is a {job}." for side in _SIDES)
        return first, second

    task = _task("pronoun", _SIDES, [_STARTS[side] for side in _SIDES], pair)
    starts = frozenset(word.strip() for words in _STARTS.values() for word in words)
    return Behaviour("pronoun", _SIDES, task, lambda document, place, item: item.right in starts)


def _workplace() -> Behaviour:
    values = ("nurse", "professor")

    def pair(draw: random.Random, split: str) -> tuple[str, str]:
        side = draw.choice(_SIDES)
        name, he = draw.choice(_half(_NAMES[side], split)), "She" if side == "female" else "He"
        return f"{name} is a nurse. {he} works at the", f"{name} is a professor. {he} works at the"

    answers = [tuple(f" {place}" for place in _JOBS[value].places) for value in values]
    places = frozenset(place for job in PROFESSIONS for place in job.places)
    return Behaviour(
        "workplace",
        values,
        _task("workplace", values, answers, pair),
        lambda document, place, item: document.words[place] == "the" and item.right in places,
        _biographies,
    )


def _biographies(count: int, seed: int) -> Sequence[Document]:
    """Texts about nurses and professors only: in others they are too rare."""
    return tuple(_biography(random.Random(f"biographies {seed} {number}")) for number in range(count))


def _biography(draw: random.Random) -> Document:
    draft = Draft()
    while len(draft.words) < WORDS:
        who = person(draw, profession=draw.choice(list(_JOBS.values())))
        biography(draft, draw, who, title=True, sentences=4)
    return draft.finish(WORDS)


def _quotation() -> Behaviour:
    names = (*FEMALE_NAMES, *MALE_NAMES)

    def pair(draw: random.Random, split: str) -> tuple[str, str]:
        name, noun = draw.choice(names), draw.choice(_nouns(split))
        said, other = draw.sample(ADJECTIVES, 2)
        return f'{name} says: "the {noun} are {said}', f"{name} is {other}. The {noun} are {said}"

    values = ("open", "closed")
    task = _task("quotation", values, [('"',), (".",)], pair)
    return Behaviour("quotation", values, task, lambda document, place, item: item.variable == "quote")


def _bracket() -> Behaviour:
    def pair(draw: random.Random, split: str) -> tuple[str, str]:
        noun, where = draw.choice(_nouns(split)), draw.choice(PREPOSITIONS)
        thing = draw.choice([single for single, _ in THINGS])
        return f"The {noun} ({where} the {thing}", f"The {noun} [{where} the {thing}"

    values = ("round", "square")
    task = _task("bracket", values, [(")",), ("]",)], pair)
    return Behaviour("bracket", values, task, lambda document, place, item: item.variable == "bracket")
