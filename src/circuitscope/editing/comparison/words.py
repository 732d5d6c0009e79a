"""Words that baselines need: the concepts of a bottleneck, and the cue words of gender in English."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from circuitscope.bundled import BUNDLED
from circuitscope.tasks.labelled import GENDERS, LabelledSets, LabelledText
from circuitscope.tasks.language import FEMALE_NAMES, MALE_NAMES, PROFESSIONS

CONCEPTS = (
    *("nurse", "healthcare", "hospital", "patient", "medical", "clinic", "triage", "medication", "emergency"),
    *("surgery", "professor", "academia", "research", "university", "tenure", "faculty", "dissertation"),
    *("sabbatical", "publication", "grant"),
)
"""The keywords of concept bottleneck probing for professors and nurses (Marks et al. 2024, appendix E)."""

CUE_WORDS = (
    *(
        "he",
        "him",
        "his",
        "himself",
        "she",
        "her",
        "hers",
        "herself",
        "mr",
        "mrs",
        "ms",
        "miss",
        "sir",
        "madam",
    ),
    *("man", "men", "woman", "women", "male", "female", "boy", "girl", "husband", "wife", "father", "mother"),
    *("son", "daughter", "brother", "sister", "king", "queen", "gentleman", "lady"),
)
"""English words that show a gender; names are not among them."""


def cue_words_of(source: str, sets: LabelledSets) -> tuple[str, ...]:
    """The cue words for a source of texts, in the bundled language with its names; none for another attribute."""
    if set(sets.attributes) != set(GENDERS):
        return ()
    names = (*MALE_NAMES, *FEMALE_NAMES) if source == BUNDLED else ()
    return (*CUE_WORDS, *names)


def concepts_of(source: str, sets: LabelledSets) -> tuple[str, ...]:
    """The concepts of a source of texts: what is said about its two classes; none for classes that are not known."""
    if source != BUNDLED:
        return CONCEPTS if set(sets.classes) == {"professor", "nurse"} else ()
    two = [item for item in PROFESSIONS if item.name in sets.classes]
    return tuple(
        dict.fromkeys(word for item in two for word in (item.name, item.field, *item.places, *item.objects))
    )


def without_words(texts: Sequence[LabelledText], words: Sequence[str]) -> tuple[LabelledText, ...]:
    """The texts without some words, whatever their case; a text that has no other words stays as it is."""
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b\s?", re.IGNORECASE)
    return tuple(replace(text, text=pattern.sub("", text.text).strip() or text.text) for text in texts)
