"""Behaviours that nobody asked for: contexts in which a model predicts well, and vectors of how it does.

    import circuitscope as cs

    text = cs.behaviours.open_texts("stories.txt")
    contexts = cs.behaviours.find_contexts(model, text, contexts=1000)
    vectors = cs.behaviours.make_vectors(model, dictionaries, contexts, "vectors/effects", kind="effects")

The names are imported when first used: contexts and vectors that are saved open without a model.
"""

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.behaviours.contexts import Contexts as Contexts
    from circuitscope.behaviours.contexts import find_contexts as find_contexts
    from circuitscope.behaviours.vectors import Vectors as Vectors
    from circuitscope.behaviours.vectors import make_vectors as make_vectors
    from circuitscope.tasks.texts import open_texts as open_texts

__all__ = ["Contexts", "Vectors", "find_contexts", "make_vectors", "open_texts"]

__getattr__ = lazily(
    __name__,
    {
        "Contexts": "contexts",
        "find_contexts": "contexts",
        "Vectors": "vectors",
        "make_vectors": "vectors",
        "open_texts": "contexts.find",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
