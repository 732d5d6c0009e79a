"""GradDrop: attribution patching that cancellation cannot silence (Kramár et al. 2024, arXiv 2403.00745, AtP*).

A node's direct and indirect effects can cancel in one gradient though they do not in the model. So:

1. one forward pass at clean;
2. for every block ℓ one backward pass in which what the block adds to the residual stream hands no gradient on:
   the stream after the block passes its gradient to the stream before it as it is;
3. a node's effect is the mean over ℓ of |atp's effect with ℓ dropped|.

Two decisions that the paper leaves open. That mean has no sign; it gets the sign of the effect by plain atp (and is
0 where that is 0), so that blue and red keep their meaning. A circuit's mean over examples can therefore cancel where
the sign changes between examples, as with every method here, while the paper averages sizes. And dropping a node's
own block leaves attention and MLP sites without any gradient: such terms are left out of the mean, which is the
paper's 1/(L−1); at ``embed`` and residual sites all L count. Where no term is left, in a model of one block, the
effect is atp's.

The other half of AtP*, the QK-fix, is left out. It computes the softmax anew for nodes that *are* queries or keys
of a head. No site is such a tensor: a feature reaches queries, keys and values of many heads at once, and
recomputing them is a run of attention per node, which is near to what ``exact`` costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from circuitscope.effects.at_clean import graph_at_clean
from circuitscope.model import LanguageModel, Tap
from circuitscope.tasks import Inputs, Metric
from circuitscope.terms import Site


@dataclass
class _Dropped:
    """Which block hands no gradient on in the backward pass that runs now; None for none."""

    layer: int | None = None


def gradients_with_drops(
    model: LanguageModel, inputs: Inputs, metric: Metric, taps: Mapping[Site, Tap]
) -> tuple[
    dict[Site, Float[Tensor, "batch position _"]], dict[Site, list[Float[Tensor, "batch position _"]]]
]:
    """∂m/∂x at clean for every site: of the plain model, and with one block dropped at a time.

    A site's list is in the order of blocks, without the one that it is inside of.
    """
    dropped = _Dropped()
    with _droppable(model, dropped):
        value, x = graph_at_clean(model, inputs, metric, taps)
    plain = dict(zip(x, torch.autograd.grad(value, list(x.values()), retain_graph=True), strict=True))
    with_drop: dict[Site, list[Tensor]] = {site: [] for site in x}
    for layer in range(model.n_layers):
        dropped.layer = layer
        outside = [site for site in x if site.layer != layer or site.kind in ("embed", "resid")]
        if not outside:
            continue
        found = torch.autograd.grad(value, [x[site] for site in outside], retain_graph=True)
        for site, gradient in zip(outside, found, strict=True):
            with_drop[site].append(gradient)
    return plain, with_drop


def signed_mean(plain: Tensor, dropped: Sequence[Tensor]) -> Tensor:
    """The mean size of effects with a block dropped, with the sign of the plain effect."""
    return plain.sign() * torch.stack(list(dropped)).abs().mean(dim=0) if dropped else plain


@contextmanager
def _droppable(model: LanguageModel, dropped: _Dropped) -> Iterator[None]:
    """Make every block one whose contribution can be dropped in a backward pass."""
    with ExitStack() as stack:
        for layer, block in enumerate(model.blocks):
            # First of all hooks, so that a tap on the stream after the block is not dropped with it.
            handle = block.register_forward_hook(_hook(layer, dropped), with_kwargs=True, prepend=True)
            stack.callback(handle.remove)
        yield


def _hook(layer: int, dropped: _Dropped) -> Callable[[nn.Module, Any, Any, Any], Any]:
    def hook(module: nn.Module, arguments: Any, keywords: dict[str, Any], output: Any) -> Any:
        before = arguments[0] if arguments else keywords["hidden_states"]
        after = output[0] if isinstance(output, tuple) else output
        joined = _Droppable.apply(after, before, layer, dropped)  # type: ignore[no-untyped-call]
        return (joined, *output[1:]) if isinstance(output, tuple) else joined

    return hook


class _Droppable(torch.autograd.Function):
    """The stream after a block; while the block is dropped its gradient goes to the stream before it."""

    @staticmethod
    def forward(ctx: Any, after: Tensor, before: Tensor, layer: int, dropped: _Dropped) -> Tensor:
        ctx.layer, ctx.dropped = layer, dropped
        return after.view_as(after)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        if ctx.dropped.layer == ctx.layer:
            return None, gradients[0], None, None
        return gradients[0], None, None, None
