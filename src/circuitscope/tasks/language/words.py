"""The words of the bundled language.

Nouns, verbs and prepositions of the agreement structures are those of ``tasks/agreement``, so its templates
work on the bundled model as on any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.tasks.agreement.words import PREPOSITIONS, RELATIVE_VERBS, VERBS

Forms = tuple[str, str]
"""(singular, plural)."""


def _words(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _nouns(words: str) -> tuple[Forms, ...]:
    return tuple((word, word + "s") for word in words.split())


PEOPLE = _nouns(
    """
    actor agent architect artist author banker boy brother captain chef clerk client cook cousin
    daughter dentist director doctor driver editor engineer farmer father friend gardener girl guard guest
    hunter judge king knight lawyer manager member merchant minister monk mother neighbor nurse officer
    painter pilot player poet president priest prince professor queen ranger sailor scientist sister soldier
    son student surgeon teacher visitor waiter writer
    """
)
THINGS = _nouns(
    """
    bag barn basket bed bell boat book bottle bridge cabin camera car castle chair clock cup desk door fence
    flower fountain gate hill house island lake lamp mirror painting plate river road rock statue table
    temple tower tree wall window
    """
)

FEMALE_NAMES = _words(
    "Ada Anna Bella Clara Dora Elsa Emma Fiona Greta Hanna Ida Julia Karen Laura Maria Nora Olga Paula "
    "Rosa Sofia Tessa Vera"
)
MALE_NAMES = _words(
    "Adam Ben Carl David Emil Felix Georg Henry Igor Jack Karl Leo Martin Noah Oscar Paul Ralph Simon "
    "Tom Victor Walter Yuri"
)

ADJECTIVES = _words(
    "tall old young happy quiet clever tired famous strong kind proud hungry busy poor rich angry"
)
LOOKS = _words("red green blue heavy small large new broken")
"""Adjectives for things."""
PARTICIPLES = _words("met seen helped thanked visited")
PLACES = _words("market park station village beach forest")
NUMBERS = _words("one two three four five six seven eight nine ten eleven twelve")


@dataclass(frozen=True)
class Profession:
    """What a short biography says about somebody with a profession, besides its name."""

    name: str
    places: tuple[str, str]
    objects: tuple[str, str, str]
    """Plural nouns that the work is about."""
    field: str
    """What was studied."""


PROFESSIONS = (
    Profession("nurse", ("hospital", "clinic"), ("patients", "bandages", "syringes"), "medicine"),
    Profession("professor", ("university", "library"), ("lectures", "theories", "essays"), "philosophy"),
    Profession("lawyer", ("court", "office"), ("contracts", "trials", "verdicts"), "law"),
    Profession("farmer", ("farm", "stable"), ("cows", "crops", "fields"), "farming"),
    Profession("painter", ("studio", "gallery"), ("portraits", "canvases", "colors"), "art"),
    Profession("pilot", ("airport", "hangar"), ("planes", "engines", "flights"), "aviation"),
    Profession("chef", ("kitchen", "restaurant"), ("soups", "sauces", "desserts"), "cooking"),
    Profession("teacher", ("school", "classroom"), ("pupils", "lessons", "homework"), "education"),
)

GRAMMAR = _words(
    """
    The the A An a an This this These these Some some that not and to at with is where
    Every He She he she His Her his her him wife husband son daughter
    works work studied lives says counts down up buys meets day own new
    . , : " ( ) [ ]
    """
)
"""Words that hold sentences together, and punctuation."""


def vocabulary() -> tuple[str, ...]:
    """Every word of the language, in a fixed order; each is one token of the bundled tokenizer."""
    pairs = (*PEOPLE, *THINGS, *VERBS, *RELATIVE_VERBS)
    singles = (
        *GRAMMAR, *PREPOSITIONS, *FEMALE_NAMES, *MALE_NAMES, *ADJECTIVES, *LOOKS, *PARTICIPLES, *PLACES,
        *NUMBERS,
    )  # fmt: skip
    of_professions = (
        word for item in PROFESSIONS for word in (item.name, *item.places, *item.objects, item.field)
    )
    return tuple(dict.fromkeys([*singles, *(form for pair in pairs for form in pair), *of_professions]))
