"""Behaviours that nobody asked for: contexts in which a model predicts well, clustered by how it does.

    import circuitscope as cs

    text = cs.behaviours.open_texts("stories.txt")
    contexts = cs.behaviours.find_contexts(model, text, contexts=1000)
    vectors = cs.behaviours.make_vectors(model, dictionaries, contexts, "vectors/effects", kind="effects")
    clusters = cs.behaviours.find_clusters(vectors, contexts, tokenizer=model.tokenizer)

The names are imported when first used: what is saved opens without a model.
"""

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.behaviours.clusters import PublishedClusters as PublishedClusters
    from circuitscope.behaviours.clusters import export_clusters as export_clusters
    from circuitscope.behaviours.clusters import find_clusters as find_clusters
    from circuitscope.behaviours.clusters import import_clusters as import_clusters
    from circuitscope.behaviours.clusters import label_agreement as label_agreement
    from circuitscope.behaviours.contexts import Contexts as Contexts
    from circuitscope.behaviours.contexts import find_contexts as find_contexts
    from circuitscope.behaviours.vectors import Vectors as Vectors
    from circuitscope.behaviours.vectors import make_vectors as make_vectors
    from circuitscope.tasks.texts import open_texts as open_texts

__all__ = [
    "Contexts",
    "PublishedClusters",
    "Vectors",
    "export_clusters",
    "find_clusters",
    "find_contexts",
    "import_clusters",
    "label_agreement",
    "make_vectors",
    "open_texts",
]

__getattr__ = lazily(
    __name__,
    {
        "Contexts": "contexts",
        "find_contexts": "contexts",
        "PublishedClusters": "clusters",
        "export_clusters": "clusters",
        "find_clusters": "clusters",
        "import_clusters": "clusters",
        "label_agreement": "clusters",
        "Vectors": "vectors",
        "make_vectors": "vectors",
        "open_texts": "contexts.find",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
