"""Dense vectors: the sites' own numbers, summed over a context's tokens, or with the last tokens apart."""

from __future__ import annotations

import numpy as np
import torch

from circuitscope.behaviours.vectors.columns import columns_of
from circuitscope.behaviours.vectors.rows_of_batch import METRIC, tokens_back, wanted_tokens, wide
from circuitscope.dictionaries import Dictionaries
from circuitscope.model import LanguageModel
from circuitscope.tasks import Inputs

DENSE = "dense"


class DenseRows:
    """The tensors that the dictionaries read; the dictionaries themselves are not used."""

    is_sparse = False

    def __init__(self, model: LanguageModel, dictionaries: Dictionaries, positions: str, last: int) -> None:
        self.model, self.taps = model, dictionaries.taps(model)
        self.last = None if positions == "sum" else last
        widths = {site: dictionary.width for site, dictionary in dictionaries.items()}
        self.columns = columns_of((DENSE,), widths, positions, last)

    def rows(self, inputs: Inputs) -> np.ndarray:
        """Float32; where a context has fewer tokens than are asked for, those columns are 0."""
        tokens, parts = inputs.clean, []
        back = tokens_back(tokens)
        wanted = wanted_tokens(tokens, self.last)
        with torch.no_grad():
            x = self.model.capture(tokens, self.taps, METRIC.positions(inputs)).x
            for tensor in x.values():
                for one in (None,) if self.last is None else range(self.last):
                    here = wanted if one is None else wanted & (back == one)
                    parts.append(wide(tensor).masked_fill(~here[:, :, None], 0.0).sum(dim=1))
        return torch.cat(parts, dim=1).float().cpu().numpy()

    def bytes_per_context(self, positions: int) -> int:
        return self.model.bytes_per_example(positions) // 3 + 12 * self.columns.count
