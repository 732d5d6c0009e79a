"""NodeSet: which nodes a run keeps, as masks that an ablated run can use; several sets can share one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Every feature that is in a set at some position, ascending."""
    at: Bool[Tensor, "set place some"]
    """Whether a feature is in a set at a position; one place that holds everywhere if positions are summed."""
    error: Bool[Tensor, "set place"]
    """Whether the error is in a set at a position."""


NodeSet = Mapping[Site, SiteNodes]
"""The nodes kept, for every site; a site without nodes has empty masks."""


def node_set(nodes: Nodes, dictionaries: Dictionaries, *, places: int, device: torch.device) -> NodeSet:
    """Masks of ``nodes``; ``places`` is the number of positions kept, or 1 if they are summed."""
    return node_sets([nodes], dictionaries, places=places, device=device)


def node_sets(
    sets: Sequence[Nodes], dictionaries: Dictionaries, *, places: int, device: torch.device
) -> NodeSet:
    """Masks of several sets, for a run that has the examples once for each set, one set after the other."""
    owner = np.repeat(np.arange(len(sets)), [len(nodes) for nodes in sets])
    site, feature, position = (
        np.concatenate([getattr(nodes, name) for nodes in sets]) for name in ("site", "feature", "position")
    )
    place = np.maximum(position, 0)
    found = {}
    for index, name in enumerate(dictionaries):
        is_feature = (site == index) & (feature != ERROR)
        is_error = (site == index) & (feature == ERROR)
        features, column = np.unique(feature[is_feature], return_inverse=True)
        at = np.zeros((len(sets), places, len(features)), bool)
        at[owner[is_feature], place[is_feature], column] = True
        error = np.zeros((len(sets), places), bool)
        error[owner[is_error], place[is_error]] = True
        found[name] = SiteNodes(
            torch.from_numpy(features.astype(np.int64)).to(device),
            torch.from_numpy(at).to(device),
            torch.from_numpy(error).to(device),
        )
    return found
