"""How alike two features of a circuit are: three views, each between -1 and 1, and their weighted mean.

* activity: Pearson correlation of the two activations over the task's texts, clean and patch sides together (over
  all live tokens where nodes are summed over positions). Not known where one of them never varies.
* vectors: cosine of the two write vectors as the residual stream receives them.
* edges: cosine of the two nodes' signed edge effects, once for the edges out (to every node, and to the output) and
  once for the edges in; the mean of the two. A missing edge counts as 0; a node with no edges in or out is not
  known in that direction.

similarity = Σ weight · view / Σ weight, over the views that are known for the pair. This is our own rule: Marks et
al. (arXiv 2403.19647) grouped by hand for their figures.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from circuitscope.results import Edges

Floats = NDArray[np.float64]
VIEWS = ("activity", "vectors", "edges")
UNKNOWN = 0.0
"""The similarity of a pair for which no view is known."""


def correlations(values: NDArray[np.float32]) -> Floats:
    """(node, node) from (row, node); NaN where a node never varies."""
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    scale = np.abs(values).max(axis=0, initial=0)
    flat = np.linalg.norm(centred, axis=0) <= 1e-6 * scale * max(1, len(values)) ** 0.5
    return cosines(np.where(flat, 0.0, centred).T)


def cosines(vectors: Floats) -> Floats:
    """(row, row) from (row, width); NaN where a row is 0."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.full_like(vectors, np.nan), where=length > 0)
    return np.asarray(np.clip(unit @ unit.T, -1, 1))


def profiles(edges: Edges, nodes: int) -> Floats:
    """(node, node): how alike two nodes' edges are; NaN where neither direction is known for both."""
    out, into = np.zeros((nodes, nodes + 1)), np.zeros((nodes + 1, nodes))
    np.add.at(out, (edges.source, edges.target), edges.effect)  # target -1 is the last column
    np.add.at(into, (edges.target, edges.source), edges.effect)
    return weighted_mean([cosines(out), cosines(into[:nodes])], [1.0, 1.0])


def weighted_mean(views: list[Floats], weights: list[float]) -> Floats:
    """The mean over the views that are known at each entry; NaN where none is."""
    stack, weight = np.stack(views), np.array(weights)[:, None, None]
    total = (weight * ~np.isnan(stack)).sum(axis=0)
    part = np.nansum(weight * stack, axis=0)
    return np.asarray(np.divide(part, total, out=np.full_like(part, np.nan), where=total > 0))


def combined(views: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """(node, node) similarity; see this module's text."""
    mean = weighted_mean([views[name] for name in VIEWS], [weights[name] for name in VIEWS])
    return np.where(np.isnan(mean), UNKNOWN, mean)
