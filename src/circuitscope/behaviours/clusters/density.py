"""HDBSCAN (scikit-learn's): clusters that are denser than their surroundings; the rest belongs to none."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from circuitscope.behaviours.clusters.unit_rows import UnitRows
from circuitscope.errors import BadInput

MOST = 20_000
"""Vectors: it compares all pairs."""
NONE = -1


def hdbscan(vectors: UnitRows, smallest: int, *, seed: int = 0) -> Int[np.ndarray, " vector"]:
    """A cluster per vector, ``NONE`` for those in none.

    Distances between vectors of length 1 order pairs as their cosines do.

    Args:
        smallest: how few vectors can be a cluster.

    Raises:
        BadInput: there are more than ``MOST`` vectors.
    """
    if len(vectors) > MOST:
        raise BadInput(
            f"{len(vectors):,} vectors for HDBSCAN, which compares all pairs",
            expected=f"at most {MOST:,}",
            mend="--method local or --method kmeans",
        )
    from sklearn.cluster import HDBSCAN

    smallest = max(2, smallest)
    if len(vectors) < smallest:
        return np.full(len(vectors), NONE)
    rows = vectors.dense(seed).astype(np.float64)
    found = HDBSCAN(min_cluster_size=smallest, min_samples=min(smallest, len(vectors)), copy=True)
    return np.asarray(found.fit_predict(rows), np.int64)
