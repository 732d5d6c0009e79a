"""Blocks called one by one: what a model hands to each besides the residual stream, and copies that join on the way.

1. The model's own forward pass runs with recorders in place of the blocks. They keep the arguments (mask, rotary
   tables, positions), so no family's record has to say what its blocks take.
2. The same once more with every example twice shows which tensors have a row per example.
3. For copies of examples those rows are fetched once, and every block gets the first of them that it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""By position and by name, without the stream, which comes first."""


@dataclass(frozen=True)
class BlockCalls:
    """How a model calls each of its blocks on a batch of examples."""

    blocks: tuple[nn.Module, ...]
    arguments: tuple[Arguments, ...]
    """Of every block; tensors with a row per example are ``_ByExample``."""

    def on(self, rows: Int[Tensor, " row"]) -> BlocksOnCopies:
        """The same for copies of the examples ``rows``."""
        return BlocksOnCopies(self, rows)


class BlocksOnCopies:
    """Blocks that run on copies of a batch's examples."""

    def __init__(self, calls: BlockCalls, rows: Int[Tensor, " row"]) -> None:
        self._calls, self._rows = calls, rows
        self._fetched: dict[int, Tensor] = {}

    def run(
        self, layer: int, stream: Float[Tensor, "copy position width"]
    ) -> Float[Tensor, "copy position width"]:
        """The stream after a block, of the first ``len(stream)`` copies."""
        by_position, by_name = self._first(self._calls.arguments[layer], len(stream))
        output = self._calls.blocks[layer](stream, *by_position, **by_name)
        after: Tensor = output[0] if isinstance(output, tuple) else output
        return after

    def _first(self, value: Any, count: int) -> Any:
        if isinstance(value, _ByExample):
            key = id(value.tensor)  # blocks share their tensors
            if key not in self._fetched:
                self._fetched[key] = value.tensor[self._rows]
            return self._fetched[key][:count]
        if isinstance(value, tuple | list):
            return type(value)(self._first(part, count) for part in value)
        if isinstance(value, dict):
            return {name: self._first(part, count) for name, part in value.items()}
        return value


@dataclass(frozen=True)
class _ByExample:
    """A tensor with a row per example."""

    tensor: Tensor


def block_calls(
    blocks: tuple[nn.Module, ...], once: Sequence[Arguments], twice: Sequence[Arguments]
) -> BlockCalls:
    """From the arguments of a batch, and of the batch with every example in it twice."""
    marked = tuple(_marked(one, two) for one, two in zip(once, twice, strict=True))
    return BlockCalls(blocks, marked)


def _marked(once: Any, twice: Any) -> Any:
    """The arguments, with the tensors marked whose first axis grows with the batch."""
    if isinstance(once, Tensor):
        return once if once.shape[:1] == twice.shape[:1] else _ByExample(once)
    if isinstance(once, tuple | list):
        return type(once)(_marked(*parts) for parts in zip(once, twice, strict=True))
    if isinstance(once, dict):
        return {name: _marked(part, twice[name]) for name, part in once.items()}
    return once
