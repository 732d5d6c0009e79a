"""Replayer: the metric, and its gradient, when one site is replaced.

Only what comes after the site runs. Many replacements (quadrature points, single nodes) of many examples go
through as one batch, cut to a memory budget; when a GPU runs out of memory the cut is halved and that is said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.errors import OutOfSpace
from circuitscope.model import Cache, Edit, LanguageModel, Tap
from circuitscope.model.language_model import Taps
from circuitscope.tasks import Inputs, Metric
from circuitscope.terms import Site

log = logging.getLogger("circuitscope")

DEFAULT_BUDGET = 2 * 2**30
"""Bytes of activations that one replayed batch may hold."""

Chunk = Callable[[slice], None]


@dataclass(frozen=True)
class Replayer:
    """One batch of clean inputs, ready to be replayed from any site."""

    model: LanguageModel
    inputs: Inputs
    metric: Metric
    cache: Cache
    budget: int = DEFAULT_BUDGET

    def values(
        self, site: Site, tap: Tap, x: Float[Tensor, "row position _"], rows: Int[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """m when ``x`` replaces the site's tensor in copies of the examples ``rows``."""
        out = x.new_empty(len(rows))

        def chunk(part: slice) -> None:
            with torch.no_grad():
                out[part] = self._metric(site, tap, x[part], rows[part], {})

        self._in_chunks(len(rows), site, chunk)
        return out

    def mean_gradient(
        self,
        site: Site,
        tap: Tap,
        start: Float[Tensor, "batch position _"],
        delta: Float[Tensor, "batch position _"],
        alphas: list[float],
        weights: list[float],
        frozen: Taps | None = None,
    ) -> Float[Tensor, "batch position _"]:
        """Σ_k w_k ∂m/∂x at x = start + α_k · delta, for every example; all points in one batch if they fit.

        The tensors of ``frozen`` sites are held at their clean values.
        """
        batch = start.shape[0]
        rows = torch.arange(batch, device=start.device).repeat(len(alphas))
        alpha = start.new_tensor(alphas).repeat_interleave(batch)
        weight = start.new_tensor(weights).repeat_interleave(batch)
        total = torch.zeros_like(start)

        def chunk(part: slice) -> None:
            picked = rows[part]
            with torch.enable_grad():
                x = (start[picked] + alpha[part, None, None] * delta[picked]).requires_grad_()
                value = self._metric(site, tap, x, picked, frozen or {})
                (gradient,) = torch.autograd.grad(value.sum(), x)
            total.index_add_(0, picked, weight[part, None, None] * gradient)

        self._in_chunks(len(rows), site, chunk)
        return total

    def _metric(self, site: Site, tap: Tap, x: Tensor, rows: Tensor, frozen: Taps) -> Tensor:
        inputs = self.inputs.take(rows)
        entry, stream = self.model.enter(site, tap, x, self.cache, rows, frozen)
        edits: dict[Site, tuple[Tap, Edit]] = {
            other: (other_tap, self._hold(other, rows)) for other, other_tap in frozen.items()
        }
        logits = self.model.replay(entry, stream, inputs.clean, self.metric.positions(inputs), edits)
        return self.metric(logits, inputs)

    def _hold(self, site: Site, rows: Tensor) -> Edit:
        clean = self.cache.x[site][rows]
        return lambda _: clean

    def _in_chunks(self, count: int, site: Site, chunk: Chunk) -> None:
        """Call ``chunk`` on slices of ``count`` rows that fit the budget."""
        each = self.model.bytes_per_example(self.inputs.clean.positions, site.layer)
        step, start = max(1, min(count, self.budget // each)), 0
        while start < count:
            try:
                chunk(slice(start, start + step))
            except torch.OutOfMemoryError as error:
                if step == 1:
                    raise OutOfSpace(
                        f"one example of {self.inputs.clean.positions} tokens does not fit in the GPU's memory",
                        mend="use shorter texts, --dtype bfloat16, or a larger GPU",
                    ) from error
                step = max(1, step // 2)
                torch.cuda.empty_cache()
                log.warning("the GPU is out of memory: going on with %d rows at a time", step)
            else:
                start += step
