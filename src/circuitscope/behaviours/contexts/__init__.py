"""Contexts in which a model predicts the next token well, found in plain text.

The names are imported when first used: saved contexts open without torch.
"""

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.behaviours.contexts.contexts import Contexts as Contexts
    from circuitscope.behaviours.contexts.counts import ContextCounts as ContextCounts
    from circuitscope.behaviours.contexts.examples import examples_of as examples_of
    from circuitscope.behaviours.contexts.files import CONTEXTS_FILE as CONTEXTS_FILE
    from circuitscope.behaviours.contexts.files import write_contexts as write_contexts
    from circuitscope.behaviours.contexts.find import find_contexts as find_contexts
    from circuitscope.behaviours.contexts.find import refuse_nothing as refuse_nothing
    from circuitscope.behaviours.contexts.search_portions import Search as Search
    from circuitscope.behaviours.contexts.search_portions import search as search

__all__ = [
    "CONTEXTS_FILE",
    "ContextCounts",
    "Contexts",
    "Search",
    "examples_of",
    "find_contexts",
    "refuse_nothing",
    "search",
    "write_contexts",
]

__getattr__ = lazily(
    __name__,
    {
        "CONTEXTS_FILE": "files",
        "ContextCounts": "counts",
        "Contexts": "contexts",
        "Search": "search_portions",
        "examples_of": "examples",
        "find_contexts": "find",
        "refuse_nothing": "find",
        "search": "search_portions",
        "write_contexts": "files",
    },
)
