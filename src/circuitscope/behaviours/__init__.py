"""Behaviours that nobody asked for: contexts in which a model predicts well.

    import circuitscope as cs

    text = cs.behaviours.open_texts("stories.txt")
    contexts = cs.behaviours.find_contexts(model, text, contexts=1000)

The names are imported when first used: contexts and vectors that are saved open without a model.
"""

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.behaviours.contexts import Contexts as Contexts
    from circuitscope.behaviours.contexts import find_contexts as find_contexts
    from circuitscope.tasks.texts import open_texts as open_texts

__all__ = ["Contexts", "find_contexts", "open_texts"]

__getattr__ = lazily(
    __name__,
    {
        "Contexts": "contexts",
        "find_contexts": "contexts",
        "open_texts": "contexts.find",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
