"""Plain PyTorch hooks on a model's taps, and stubs that stand in for blocks that need not run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakSet

import torch
from jaxtyping import Int
from torch import Tensor, nn

from circuitscope.model.blocks import Arguments
from circuitscope.model.family import Tap
from circuitscope.model.tokens import TokenBatch
from circuitscope.terms import Site

Edit = Callable[[Tensor], Tensor]
"""Takes a site's tensor and returns what the model continues with (the same tensor, to only look)."""

Edits = Mapping[Site, tuple[Tap, Edit]]
"""What ``LanguageModel.logits`` takes: edits of the sites' tensors, for one batch of tokens."""

EditsOf = Callable[[TokenBatch], Edits]
"""Makes the edits of a batch; what runs over many batches takes this."""


def _edit_output(edit: Edit) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, arguments: Any, output: Any) -> Any:
        # Attention returns (output, weights); everything else returns the tensor itself.
        if isinstance(output, tuple):
            return (edit(output[0]), *output[1:])
        return edit(output)

    return hook


def _edit_input(edit: Edit) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if arguments:
            return (edit(arguments[0]), *arguments[1:]), keywords
        return arguments, {**keywords, "hidden_states": edit(keywords["hidden_states"])}

    return hook


@contextmanager
def hooked(blocks: Sequence[nn.Module], edits: Mapping[Site, tuple[Tap, Edit]]) -> Iterator[None]:
    """Apply every edit while the context lasts; hooks are removed on any exit."""
    with ExitStack() as stack:
        for site, (tap, edit) in edits.items():
            block = blocks[max(site.layer, 0)]
            module = block.get_submodule(tap.module)
            if tap.side == "input":
                handle = module.register_forward_pre_hook(_edit_input(edit), with_kwargs=True)
            else:
                handle = module.register_forward_hook(_edit_output(edit))
            stack.callback(handle.remove)
        yield


class _Stub(nn.Module):
    """Stands in for a block: returns a fixed stream, or its input unchanged."""

    def __init__(self, stream: Tensor | None) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, hidden_states: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
        return hidden_states if self.stream is None else self.stream


@contextmanager
def stubbed(parent: nn.Module, name: str, entry: int, stream: Tensor, stop: int) -> Iterator[None]:
    """Skip blocks ``0..entry`` so that ``stream`` enters after block ``entry``, and skip those from ``stop`` on."""
    stand_ins = [
        block if entry < index < stop else _Stub(stream if index == entry else None)
        for index, block in enumerate(getattr(parent, name))
    ]
    with _replaced(parent, name, stand_ins):
        yield


class _Recorder(nn.Module):
    """Stands in for a block: returns its input unchanged, and keeps what it is called with besides."""

    def __init__(self, calls: list[Arguments]) -> None:
        super().__init__()
        self.calls = calls

    def forward(self, hidden_states: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
        self.calls.append((arguments, keywords))
        return hidden_states


@contextmanager
def recorded(parent: nn.Module, name: str) -> Iterator[list[Arguments]]:
    """Skip all blocks; gives the list that their arguments go into, block by block."""
    calls: list[Arguments] = []
    with _replaced(parent, name, [_Recorder(calls) for _ in getattr(parent, name)]):
        yield calls


@contextmanager
def _replaced(parent: nn.Module, name: str, stand_ins: Sequence[nn.Module]) -> Iterator[None]:
    """Other blocks in the place of a model's own.

    The list keeps its length and indices, since some models look up a block's type by its index.
    """
    blocks = getattr(parent, name)
    setattr(parent, name, nn.ModuleList(stand_ins))
    try:
        yield
    finally:
        setattr(parent, name, blocks)


@contextmanager
def only_columns(module: nn.Module, columns: Int[Tensor, "row asked"]) -> Iterator[None]:
    """Run a module that works position by position at some columns of each row only; it gives 0 elsewhere."""
    length = 0

    def pick(x: Tensor) -> Tensor:
        nonlocal length
        length = x.shape[1]
        return x.gather(1, columns[:, :, None].expand(-1, -1, x.shape[-1]))

    def spread(y: Tensor) -> Tensor:
        where = columns[:, :, None].expand(-1, -1, y.shape[-1])
        return y.new_zeros(y.shape[0], length, y.shape[-1]).scatter(1, where, y)

    with ExitStack() as stack:
        before = module.register_forward_pre_hook(_edit_input(pick), with_kwargs=True)
        stack.callback(before.remove)
        stack.callback(module.register_forward_hook(_edit_output(spread)).remove)
        yield


def keep_masks_finite(blocks: Sequence[nn.Module]) -> None:
    """Keep the attention masks of a float64 model within float32.

    Attention computes its softmax in float32, where the smallest float64 is −∞: a row of padding on the left, which
    may attend to nothing, would become NaN and spread. A block that two models share is handled once.
    """
    for block in set(blocks) - set(_finite):
        block.register_forward_pre_hook(_with_finite_masks, with_kwargs=True)
        _finite.add(block)


def _with_finite_masks(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    lowest = torch.finfo(torch.float32).min

    def finite(value: Any) -> Any:
        is_mask = isinstance(value, Tensor) and value.dim() == 4 and value.is_floating_point()
        return value.clamp(min=lowest) if is_mask else value

    # Some models pass the mask by name, some by position; nothing else that a block gets has four axes.
    return tuple(map(finite, arguments)), {name: finite(value) for name, value in keywords.items()}


def is_hooked(model: nn.Module) -> bool:
    """Whether hooks, such as an ablation's, act on a model; those of ``keep_masks_finite`` do not count."""
    return any(
        hook is not _with_finite_masks
        for module in model.modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    )


_finite: WeakSet[nn.Module] = WeakSet()
"""The blocks whose masks are kept finite."""


@contextmanager
def gradients(on: bool) -> Iterator[None]:
    """Run with or without autograd, whatever the caller has set."""
    with torch.enable_grad() if on else torch.no_grad():
        yield
