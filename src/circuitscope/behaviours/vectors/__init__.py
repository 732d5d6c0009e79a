"""What each context becomes before contexts are compared: activations, effects, gradients, as rows on the disk.

The names are imported when first used: saved vectors open without torch.
"""

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.behaviours.vectors.columns import ColumnPart as ColumnPart
    from circuitscope.behaviours.vectors.columns import VectorColumns as VectorColumns
    from circuitscope.behaviours.vectors.make import VectorJob as VectorJob
    from circuitscope.behaviours.vectors.make import fill as fill
    from circuitscope.behaviours.vectors.make import make_vectors as make_vectors
    from circuitscope.behaviours.vectors.make import put_into as put_into
    from circuitscope.behaviours.vectors.projection import SparseProjection as SparseProjection
    from circuitscope.behaviours.vectors.scaling import SCALES as SCALES
    from circuitscope.behaviours.vectors.scaling import ScaledVectors as ScaledVectors
    from circuitscope.behaviours.vectors.store import RowStore as RowStore
    from circuitscope.behaviours.vectors.vectors import Vectors as Vectors

__all__ = [
    "SCALES",
    "ColumnPart",
    "RowStore",
    "ScaledVectors",
    "SparseProjection",
    "VectorColumns",
    "VectorJob",
    "Vectors",
    "fill",
    "make_vectors",
    "put_into",
]

__getattr__ = lazily(
    __name__,
    {
        "SCALES": "scaling",
        "ColumnPart": "columns",
        "RowStore": "store",
        "ScaledVectors": "scaling",
        "SparseProjection": "projection",
        "VectorColumns": "columns",
        "VectorJob": "make",
        "Vectors": "vectors",
        "fill": "make",
        "make_vectors": "make",
        "put_into": "make",
    },
)
