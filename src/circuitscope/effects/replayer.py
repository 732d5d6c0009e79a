"""Replayer: the metric, and its gradient, when one site is replaced.

Only what comes after the site runs. Many replacements (quadrature points, sites of one layer, single nodes) of
many examples go through as one batch, cut to a memory budget; when a GPU runs out of memory the cut is halved
and that is said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.effects.clean_to_patch import CleanToPatch, Copies
from circuitscope.errors import OutOfSpace, argument
from circuitscope.model import Cache, Edit, Edits, LanguageModel, Tap, Taps
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
                entry, stream = self.model.enter(site, tap, x[part], self.cache, rows[part])
                out[part] = self.metric_after(entry, stream, rows[part], {})

        self.in_chunks(len(rows), site.layer, chunk)
        return out

    def mean_gradients(
        self,
        lines: Sequence[CleanToPatch],
        alphas: Sequence[float],
        weights: Sequence[Sequence[float]],
        frozen: Taps | None = None,
    ) -> list[Float[Tensor, "rule row position _"]]:
        """Σ_k w_k ∂m/∂x at x = start + α_k · delta, for every line, under each rule (list of weights).

        All points of all lines go through together if they fit, so the lines must enter the model at one layer.
        The tensors of ``frozen`` sites are held at their clean values.
        """
        if len({line.site.layer for line in lines}) > 1:
            raise ValueError("lines that are replayed together must enter the model at one layer")
        copies = [Copies(line, alphas, weights) for line in lines]
        totals = [line.start.new_zeros(len(weights), *line.start.shape) for line in lines]

        def chunk(part: slice) -> None:
            pieces = _pieces(copies, part)
            with torch.enable_grad():
                leaves = [copies[number].at(piece).requires_grad_() for number, piece in pieces]
                value = self._metric_of(copies, pieces, leaves, frozen or {})
                gradients = torch.autograd.grad(value.sum(), leaves)
            for (number, piece), gradient in zip(pieces, gradients, strict=True):
                copies[number].add_weighted(totals[number], piece, gradient)

        self.in_chunks(sum(map(len, copies)), lines[0].site.layer, chunk)
        return totals

    def values_at_patch(self, lines: Sequence[CleanToPatch]) -> list[Float[Tensor, " row"]]:
        """m(do(site = patch)) at the end of every line; the lines must enter the model at one layer."""
        copies = [Copies(line, [1.0], [[1.0]]) for line in lines]
        values = torch.cat([line.start.new_zeros(len(line.rows)) for line in lines])

        def chunk(part: slice) -> None:
            pieces = _pieces(copies, part)
            with torch.no_grad():
                ends = [copies[number].at(piece) for number, piece in pieces]
                values[part] = self._metric_of(copies, pieces, ends, {})

        self.in_chunks(len(values), lines[0].site.layer, chunk)
        return list(torch.split(values, [len(line.rows) for line in lines]))

    def _metric_of(
        self,
        copies: Sequence[Copies],
        pieces: list[tuple[int, slice]],
        tensors: Sequence[Tensor],
        frozen: Taps,
    ) -> Float[Tensor, " copy"]:
        """m of pieces of the copies, each with its own site's tensor replaced; all join the stream at one layer."""
        streams, rows, entry = [], [], -1
        for (number, piece), x in zip(pieces, tensors, strict=True):
            line = copies[number].line
            rows.append(copies[number].example(piece))
            entry, stream = self.model.enter(line.site, line.tap, x, self.cache, rows[-1], frozen)
            streams.append(stream)
        every = torch.cat(rows)
        held = {site: (tap, self._hold(site, every)) for site, tap in frozen.items()}
        return self.metric_after(entry, torch.cat(streams), every, held)

    def metric_after(
        self,
        entry: int,
        stream: Float[Tensor, "row position width"],
        rows: Int[Tensor, " row"],
        edits: Edits,
    ) -> Float[Tensor, " row"]:
        """m of copies of the examples ``rows`` when ``stream`` enters after block ``entry``, with edits after it."""
        inputs = self.inputs.take(rows)
        if self.metric.answers_only:
            asked, inputs = inputs.answers, inputs.numbered()
        else:
            asked = None
        positions = self.metric.positions(inputs)
        return self.metric(
            self.model.replay(entry, stream, inputs.clean, positions, edits, only=asked), inputs
        )

    def _hold(self, site: Site, rows: Tensor) -> Edit:
        clean = self.cache.x[site][rows]
        return lambda _: clean

    def in_chunks(self, count: int, layer: int, chunk: Chunk) -> None:
        """Call ``chunk`` on slices of ``count`` rows that fit the budget."""
        each = self.model.bytes_per_example(self.inputs.clean.positions, layer)
        step, start = max(1, min(count, self.budget // each)), 0
        while start < count:
            try:
                chunk(slice(start, min(start + step, count)))
            except torch.OutOfMemoryError as error:
                if step == 1:
                    raise OutOfSpace(
                        f"one example of {self.inputs.clean.positions} tokens does not fit in the GPU's memory",
                        mend=f"use shorter texts, {argument('dtype', 'bfloat16')}, or a larger GPU",
                    ) from error
                step = max(1, step // 2)
                torch.cuda.empty_cache()
                log.warning("the GPU is out of memory: going on with %d rows at a time", step)
            else:
                start += step


def _pieces(copies: Sequence[Copies], part: slice) -> list[tuple[int, slice]]:
    """Which copies of which lines a slice of all copies, one line after the other, consists of."""
    pieces, first = [], 0
    for number, of_line in enumerate(copies):
        start, stop = max(part.start - first, 0), min(part.stop - first, len(of_line))
        if start < stop:
            pieces.append((number, slice(start, stop)))
        first += len(of_line)
    return pieces
