"""Sparse vectors of features: how active each one is, and how much each one does for the answer.

1. One forward pass of the plain model, and for effects one backward pass of m = −log p(answer): ∂m/∂x of every site.
2. The features f_i that are active at the tokens asked for. The effect of one is what m would change by if it were 0,
   as the gradient says: (∂m/∂x · v_i)(0 − f_i), so above 0 it promotes the answer (``node_effects(method="atp")``
   on single inputs).
3. Summed over a context's tokens, or with the last tokens apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from circuitscope.behaviours.vectors.columns import columns_of
from circuitscope.behaviours.vectors.rows_of_batch import METRIC, tokens_back, wanted_tokens, wide
from circuitscope.dictionaries import Dictionaries
from circuitscope.effects import graph_at_clean
from circuitscope.model import LanguageModel
from circuitscope.sparse import ActiveFeatures
from circuitscope.tasks import Inputs
from circuitscope.terms import Site

ACTIVATIONS, EFFECTS = "activations", "effects"


class FeatureRows:
    """Activations, effects, or both beside each other."""

    is_sparse = True

    def __init__(
        self,
        model: LanguageModel,
        dictionaries: Dictionaries,
        kinds: tuple[str, ...],
        positions: str,
        last: int,
    ) -> None:
        self.model, self.dictionaries, self.kinds = model, dictionaries, kinds
        self.last = None if positions == "sum" else last
        sizes = {site: dictionary.n_features for site, dictionary in dictionaries.items()}
        self.columns = columns_of(kinds, sizes, positions, last)
        self._first = {
            (part.kind, part.site, part.back): first
            for part, first in zip(self.columns.parts, self.columns.firsts, strict=True)
        }

    def rows(self, inputs: Inputs) -> sparse.csr_matrix:
        """Compressed sparse rows in float32, without zeros, each in the order of its columns."""
        wanted = wanted_tokens(inputs.clean, self.last)
        x, gradients = self._sites(inputs)
        row, column, value = [], [], []
        with torch.no_grad():
            token = wanted.nonzero()
            back = tokens_back(inputs.clean)[wanted]
            for site, tensor in x.items():
                active = self.dictionaries[site].encode_active(tensor.detach()[wanted])
                for kind, found in self._values(site, active, gradients, wanted):
                    row.append(token[active.token, 0])
                    column.append(self._columns(kind, site, active, back))
                    value.append(wide(found))
        data, rows, columns = (torch.cat(parts).cpu().numpy() for parts in (value, row, column))
        shape = (len(inputs), self.columns.count)
        whole = sparse.coo_matrix((data.astype(np.float64), (rows, columns)), shape=shape).tocsr()
        whole = whole.astype(np.float32)
        whole.eliminate_zeros()
        whole.sort_indices()
        return whole

    def bytes_per_context(self, positions: int) -> int:
        widest = max(dictionary.n_features for dictionary in self.dictionaries.values())
        return self.model.bytes_per_example(positions) + 8 * positions * min(widest, 2048)

    def _sites(self, inputs: Inputs) -> tuple[Mapping[Site, Tensor], Mapping[Site, Tensor]]:
        """Every site's tensor, and the gradient of m there if effects are asked for."""
        taps = self.dictionaries.taps(self.model)
        if EFFECTS not in self.kinds:
            with torch.no_grad():
                return self.model.capture(inputs.clean, taps, METRIC.positions(inputs)).x, {}
        value, x = graph_at_clean(self.model, inputs, METRIC, taps)
        return x, dict(zip(x, torch.autograd.grad(value, list(x.values())), strict=True))

    def _values(
        self, site: Site, active: ActiveFeatures, gradients: Mapping[Site, Tensor], wanted: Tensor
    ) -> list[tuple[str, Float[Tensor, " entry"]]]:
        found = []
        for kind in self.kinds:
            if kind == ACTIVATIONS:
                found.append((kind, active.value))
            else:
                slope = self.dictionaries[site].write_dot(
                    gradients[site][wanted], active.token, active.feature
                )
                found.append((kind, -slope * active.value))
        return found

    def _columns(self, kind: str, site: Site, active: ActiveFeatures, back: Tensor) -> Tensor:
        first = self._first[kind, site.name, None if self.last is None else 0]
        if self.last is None:
            return first + active.feature
        return first + back[active.token] * active.n_features + active.feature
