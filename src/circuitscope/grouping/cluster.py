"""Agglomerative clustering with average linkage, in which some pairs must never come together.

1. The distance of two nodes is 1 - similarity, or a very large number for a pair that must stay apart.
2. Of all pairs of clusters, the two with the smallest mean distance are joined, until the mean reaches a limit or
   there are as few clusters as wanted (scikit-learn's ``AgglomerativeClustering``).

Under average linkage a join that would bring a forbidden pair together has a mean distance above every other join's,
so it never happens before all allowed ones are done; the tree is cut below it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_APART = 1e12
"""Its mean over any number of pairs that fits in memory is still above ``_MOST``."""
_MOST = 2.0
"""1 - (-1): the largest distance of a pair that may come together."""


def clusters(
    similarity: NDArray[np.float64],
    allowed: NDArray[np.bool_],
    *,
    least: float | None = None,
    count: int | None = None,
) -> NDArray[np.int64]:
    """A cluster number per node.

    Args:
        similarity: (node, node), symmetric.
        allowed: (node, node), symmetric: whether two nodes may be in one cluster.
        least: join clusters as long as the mean similarity of their nodes is at least this.
        count: join clusters until there are this many, or until no join is allowed.
    """
    nodes = len(similarity)
    if nodes < 2:
        return np.zeros(nodes, np.int64)
    distance = np.where(allowed, 1 - similarity, _APART)
    np.fill_diagonal(distance, 0)
    limit = _MOST if least is None else 1 - least
    joins = int((_heights(distance) <= limit + 1e-12).sum())
    if count is not None:
        joins = min(joins, nodes - count)
    return _cut(distance, nodes - max(0, joins))


def _heights(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean distance at which each join happens; these never decrease."""
    from sklearn.cluster import AgglomerativeClustering

    tree = AgglomerativeClustering(
        n_clusters=1, metric="precomputed", linkage="average", compute_distances=True
    )
    return np.asarray(tree.fit(distance).distances_, np.float64)


def _cut(distance: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    from sklearn.cluster import AgglomerativeClustering

    tree = AgglomerativeClustering(n_clusters=count, metric="precomputed", linkage="average")
    return np.asarray(tree.fit(distance).labels_, np.int64)
