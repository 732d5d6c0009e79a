"""Vectors of gradients: ∂m/∂θ of m = −log p(answer) for the weights and biases of all blocks, projected.

Embeddings, unembedding and norms are left out (Marks et al. 2024, appendix G; Michaud et al. 2023). The gradient of a
linear layer is Σ over tokens of δ ⊗ a, with a what it read and δ the gradient of what it wrote. So:

1. one forward and one backward pass over a batch give a and δ of every layer, for all contexts at once;
2. a stretch of a weight's rows at a time: its gradient for each context, straight into the projection.

No gradient of the whole model is ever held, nor the projection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from circuitscope.behaviours.vectors.columns import ColumnPart, VectorColumns
from circuitscope.behaviours.vectors.projection import SparseProjection
from circuitscope.behaviours.vectors.rows_of_batch import METRIC
from circuitscope.effects import graph_at_clean
from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel
from circuitscope.tasks import Inputs

GRADIENTS = "gradients"
STRETCH = 2**16
"""Parameters that are projected at a time."""
Seen = dict[str, list[tuple[Tensor, Tensor]]]
"""What each layer read and wrote, each time that it ran."""


class GradientRows:
    """Gradients of all contexts of a batch at once."""

    is_sparse = False

    def __init__(self, model: LanguageModel, dim: int, seed: int) -> None:
        self.model = model
        self.layers = linear_layers(model)
        self.projection = SparseProjection(dim, seed)
        self.columns = VectorColumns((ColumnPart(GRADIENTS, "", dim),))

    @property
    def n_parameters(self) -> int:
        return sum(weight.numel() for layer in self.layers.values() for weight in layer.parameters())

    def rows(self, inputs: Inputs) -> np.ndarray:
        """Float32."""
        with _watched(self.layers) as seen:
            value, _ = graph_at_clean(self.model, inputs, METRIC, {})
        runs = [(name, run) for name in self.layers for run in seen.get(name, [])]
        _refuse_without_examples(runs, len(inputs))
        found = torch.autograd.grad(value, [written for _, (_, written) in runs], allow_unused=True)
        into = torch.zeros(self.columns.count, len(inputs), device=self.model.device)
        first = dict(zip(self.layers, self._firsts(), strict=True))
        with torch.no_grad():
            for (name, (read, _)), delta in zip(runs, found, strict=True):
                if delta is not None:
                    self._project(into, self.layers[name], read.detach().float(), delta.float(), first[name])
        return into.T.contiguous().cpu().numpy()

    def bytes_per_context(self, positions: int) -> int:
        held = sum(sum(layer.weight.shape) for layer in self.layers.values())
        return (
            self.model.bytes_per_example(positions)
            + 8 * positions * held
            + 4 * (STRETCH * 2 + self.columns.count)
        )

    def _firsts(self) -> Iterator[int]:
        """The number of each layer's first parameter."""
        count = 0
        for layer in self.layers.values():
            yield count
            count += sum(weight.numel() for weight in layer.parameters())

    def _project(
        self,
        into: Float[Tensor, "output batch"],
        layer: nn.Module,
        read: Float[Tensor, "batch position _"],
        delta: Float[Tensor, "batch position _"],
        first: int,
    ) -> None:
        """Add a layer's weight, in the order of its entries, and then its bias."""
        is_transposed = not isinstance(layer, nn.Linear)  # transformers' Conv1D: (in, out)
        outer, inner = (read, delta) if is_transposed else (delta, read)
        step = max(1, STRETCH // inner.shape[-1])
        for start in range(0, outer.shape[-1], step):
            some = outer[:, :, start : start + step]
            gradient = torch.einsum("bpo,bpi->oib", some, inner).flatten(0, 1)
            self.projection.add(into, gradient, first + start * inner.shape[-1])
        bias: Any = layer.bias
        if bias is not None:
            self.projection.add(into, delta.sum(dim=1).T, first + outer.shape[-1] * inner.shape[-1])


def linear_layers(model: LanguageModel) -> dict[str, Any]:
    """The linear layers of all blocks by name, in order.

    Raises:
        BadInput: a block has other parameters than theirs and its norms'.
    """
    found: dict[str, Any] = {}
    for number, block in enumerate(model.blocks):
        for name, module in block.named_modules():
            where = f"{number}.{name}"
            if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D":
                found[where] = module
            elif (
                any(True for _ in module.parameters(recurse=False))
                and "norm" not in type(module).__name__.lower()
            ):
                raise BadInput(
                    f"block {where} of {model.name} has parameters of its own ({type(module).__name__})",
                    expected="linear layers and norms",
                    mend="use another kind of vector: effects or activations",
                )
    return found


@contextmanager
def _watched(layers: dict[str, Any]) -> Iterator[Seen]:
    """Collect what layers read and write while the context lasts."""
    seen: Seen = {}
    with ExitStack() as stack:
        for name, layer in layers.items():

            def look(module: Any, read: Any, written: Tensor, name: str = name) -> None:
                seen.setdefault(name, []).append((read[0], written))

            stack.callback(layer.register_forward_hook(look).remove)
        yield seen


def _refuse_without_examples(runs: list[tuple[str, tuple[Tensor, Tensor]]], batch: int) -> None:
    for name, (read, written) in runs:
        if read.ndim != 3 or written.ndim != 3 or read.shape[0] != batch:
            raise BadInput(
                f"layer {name} reads a tensor of shape {tuple(read.shape)}",
                expected=f"({batch}, positions, width), so that each context's gradient can be told apart",
                mend="use another kind of vector: effects or activations",
            )
