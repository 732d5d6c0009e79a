"""Replayer: the metric, and its gradient, when one site is replaced.

Only what comes after the site runs. Many replacements (quadrature points, sites, single nodes) of many examples go
through as one batch, cut to a memory budget; ``wave.py`` says which of them go together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.effects.budget import DEFAULT_BUDGET
from circuitscope.effects.clean_to_patch import CleanToPatch, Copies, Moved, Replaced
from circuitscope.effects.wave import Plan, goes_as_wave
from circuitscope.model import BlockCalls, Cache, Edit, Edits, LanguageModel, Tap, Taps
from circuitscope.tasks import Inputs, Metric
from circuitscope.terms import Site


@dataclass(frozen=True)
class Replayer:
    """One batch of clean inputs, ready to be replayed from any site."""

    model: LanguageModel
    inputs: Inputs
    metric: Metric
    cache: Cache
    budget: int = DEFAULT_BUDGET
    """Bytes of activations that one replayed batch may hold."""

    @cached_property
    def plan(self) -> Plan:
        """Which copies go through together."""
        positions = self.inputs.clean.positions
        each = partial(self.model.bytes_per_example, positions)
        return Plan(self._calls is not None, self.budget, each, positions)

    @cached_property
    def _calls(self) -> BlockCalls | None:
        """How blocks are called one by one, in a wave; None where layers are replayed one by one."""
        return self.model.block_calls(self.inputs.clean) if goes_as_wave(self.model) else None

    # -- what is asked ---------------------------------------------------------------------------------

    def value(
        self, site: Site, tap: Tap, x: Float[Tensor, "row position _"], rows: Int[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """m when ``x`` replaces the site's tensor in copies of the examples ``rows``."""
        (found,) = self.values([Replaced(site, tap, x, rows)])
        return found

    def values(self, moved: Sequence[Moved]) -> list[Float[Tensor, " copy"]]:
        """m of copies in which a site is replaced, for every one of several sets of copies."""
        found = [self.cache.logits.new_empty(len(copies)) for copies in moved]

        def chunk(pieces: _Pieces) -> None:
            with torch.no_grad():
                value = self._metric_of(moved, pieces, [moved[number].at(part) for number, part in pieces])
            for (number, part), of_piece in zip(pieces, _split(value, pieces), strict=True):
                found[number][part] = of_piece

        self._in_pieces(moved, chunk)
        return found

    def values_at_patch(self, lines: Sequence[CleanToPatch]) -> list[Float[Tensor, " row"]]:
        """m(do(site = patch)) at the end of every line."""
        end = self.cache.logits.new_ones(1)
        return self.values([Copies(line, end, end[:, None]) for line in lines])

    def mean_gradients(
        self,
        lines: Sequence[CleanToPatch],
        alphas: Sequence[float],
        weights: Sequence[Sequence[float]],
        frozen: Taps | None = None,
    ) -> list[Float[Tensor, "rule row position _"]]:
        """Σ_k w_k ∂m/∂x at x = start + α_k · delta, for every line, under each rule (list of weights).

        The tensors of ``frozen`` sites that come after a line's own are held at their clean values.
        """
        points = [self.cache.logits.new_tensor(numbers) for numbers in (alphas, weights)]
        copies = [Copies(line, *points) for line in lines]
        totals = [line.start.new_zeros(len(weights), *line.start.shape) for line in lines]

        def chunk(pieces: _Pieces) -> None:
            with torch.enable_grad():
                leaves = [copies[number].at(part).requires_grad_() for number, part in pieces]
                value = self._metric_of(copies, pieces, leaves, frozen)
                gradients = torch.autograd.grad(value.sum(), leaves)
            for (number, part), gradient in zip(pieces, gradients, strict=True):
                copies[number].add_weighted(totals[number], part, gradient)

        self._in_pieces(copies, chunk)
        return totals

    def metric_after(
        self,
        entering: Mapping[int, Float[Tensor, "_ position width"]],
        rows: Int[Tensor, " row"],
        edits: Edits,
    ) -> Float[Tensor, " row"]:
        """m of copies of the examples ``rows`` when streams enter after some blocks, with edits after them.

        Args:
            entering: by layer, in order; outside a wave there is only one.
        """
        inputs, asked = self.metric.narrowed(self.inputs.take(rows))
        positions = self.metric.positions(inputs)
        if self._calls is not None:
            logits = self.model.replay_growing(entering, self._calls.on(rows), positions, edits, asked)
        else:
            ((entry, stream),) = entering.items()
            logits = self.model.replay(entry, stream, inputs.clean, positions, edits, only=asked)
        return self.metric(logits, inputs)

    # -- how it is done --------------------------------------------------------------------------------

    def _in_pieces(self, moved: Sequence[Moved], work: Callable[[_Pieces], None]) -> None:
        """Call ``work`` on pieces of the copies that go through together, from the first layer to the last."""
        order = sorted(range(len(moved)), key=lambda number: moved[number].site.layer)
        counts = [len(moved[number]) for number in order]
        layers = [moved[number].site.layer for number in order]
        if not any(counts):
            return
        self.plan.in_chunks(layers, counts, lambda part: work(_pieces(order, counts, part)))

    def _metric_of(
        self,
        moved: Sequence[Moved],
        pieces: _Pieces,
        tensors: Sequence[Tensor],
        frozen: Taps | None = None,
    ) -> Float[Tensor, " copy"]:
        """m of pieces of the copies, each with its own site's tensor replaced."""
        streams: dict[int, list[Tensor]] = {}
        rows = []
        for (number, part), x in zip(pieces, tensors, strict=True):
            site, tap, example = moved[number].site, moved[number].tap, moved[number].example(part)
            entry, stream = self.model.enter(site, tap, x, self.cache, example, frozen)
            streams.setdefault(entry, []).append(stream)
            rows.append(example)
        every = torch.cat(rows)
        entering = {entry: torch.cat(parts) for entry, parts in streams.items()}
        held = {site: (tap, self._hold(site, every)) for site, tap in (frozen or {}).items()}
        return self.metric_after(entering, every, held)

    def _hold(self, site: Site, rows: Tensor) -> Edit:
        clean = self.cache.x[site][rows]
        # Copies that enter later are not there yet.
        return lambda tensor: clean[: len(tensor)]


_Pieces = Sequence[tuple[int, slice]]
"""Which copies of which set."""


def _pieces(order: Sequence[int], counts: Sequence[int], part: slice) -> _Pieces:
    """What a slice of all copies, one set after the other, consists of."""
    pieces, first = [], 0
    for number, count in zip(order, counts, strict=True):
        start, stop = max(part.start - first, 0), min(part.stop - first, count)
        if start < stop:
            pieces.append((number, slice(start, stop)))
        first += count
    return pieces


def _split(values: Tensor, pieces: _Pieces) -> Sequence[Tensor]:
    return torch.split(values, [part.stop - part.start for _, part in pieces])
