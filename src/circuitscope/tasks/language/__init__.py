"""The bundled language: like English, one token per word, with hidden variables that are known at every word.

The bundled model is trained on it. ``clauses`` has the agreement structures, ``people`` biographies and
pronouns, ``sequences`` counting, lists and quotations, ``documents`` puts them together.
"""

from circuitscope.tasks.language.documents import SEPARATOR, WORDS, document, documents, text
from circuitscope.tasks.language.draft import Document, Known
from circuitscope.tasks.language.people import biography, person
from circuitscope.tasks.language.words import FEMALE_NAMES, MALE_NAMES, PROFESSIONS, vocabulary

__all__ = [
    "FEMALE_NAMES",
    "MALE_NAMES",
    "PROFESSIONS",
    "SEPARATOR",
    "WORDS",
    "Document",
    "Known",
    "biography",
    "document",
    "documents",
    "person",
    "text",
    "vocabulary",
]
