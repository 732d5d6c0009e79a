"""NodeSet: which nodes a run keeps, as masks that an ablated run can use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from circuitscope.dictionaries import Dictionaries
from circuitscope.results import Nodes
from circuitscope.terms import ERROR, Site


@dataclass(frozen=True)
class SiteNodes:
    """The nodes of one site."""

    features: Int[Tensor, " some"]
    """Every feature that is in the set at some position, ascending."""
    at: Bool[Tensor, "place some"]
    """Whether a feature is in the set at a position; one row that holds everywhere if positions are summed."""
    error: Bool[Tensor, " place"]
    """Whether the error is in the set at a position."""


NodeSet = Mapping[Site, SiteNodes]
"""The nodes kept, for every site; a site without nodes has empty masks."""


def node_set(nodes: Nodes, dictionaries: Dictionaries, *, places: int, device: torch.device) -> NodeSet:
    """Masks of ``nodes``; ``places`` is the number of positions kept, or 1 if they are summed."""
    found = {}
    for index, site in enumerate(dictionaries):
        here = nodes.site == index
        feature, place = nodes.feature[here], np.maximum(nodes.position[here], 0)
        is_error = feature == ERROR
        features, column = np.unique(feature[~is_error], return_inverse=True)
        at = np.zeros((places, len(features)), bool)
        at[place[~is_error], column] = True
        error = np.zeros(places, bool)
        error[place[is_error]] = True
        found[site] = SiteNodes(
            torch.from_numpy(features.astype(np.int64)).to(device),
            torch.from_numpy(at).to(device),
            torch.from_numpy(error).to(device),
        )
    return found
