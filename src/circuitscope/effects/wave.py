"""The wave: which copies go through the model together, layer by layer or all in one growing batch.

A copy in which a site of layer l is replaced needs only the blocks after l. *Layer by layer*, one replay per layer
serves that layer's sites, so a model of L blocks makes L (L + 1) / 2 block calls. In a *wave* the copies of all
layers go through as one batch that grows: run block 0, append the copies that enter after it, run block 1 on all of
them, and so on. Each block is called once, forward and backward, on as many copies in all, with the same numbers.

On a GPU such batches are bound by the number of calls, and the wave is taken. On a CPU they are bound by arithmetic,
and smaller batches stay in its caches: layer by layer is taken there. ``CIRCUITSCOPE_WAVE=on`` or ``off`` decides
otherwise.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch

from circuitscope.errors import BadInput, OutOfSpace, UnsupportedModel, argument
from circuitscope.model import LanguageModel, check_block_calls
from circuitscope.terms import Site

log = logging.getLogger("circuitscope")

VARIABLE = "CIRCUITSCOPE_WAVE"
SETTINGS = ("auto", "on", "off")

Chunk = Callable[[slice], None]


def goes_as_wave(model: LanguageModel) -> bool:
    """Whether a model's copies go through as a wave: where that is cheaper, and its blocks can be called one by one.

    Raises:
        BadInput: the environment variable has another value than ``SETTINGS``.
        UnsupportedModel: the wave is asked for, and the blocks cannot be called one by one.
    """
    setting = os.environ.get(VARIABLE) or "auto"
    if setting not in SETTINGS:
        raise BadInput(
            f"{VARIABLE}={setting!r} in the environment", expected=" or ".join(SETTINGS), mend="leave it out"
        )
    if setting == "off" or (setting == "auto" and not _is_cheaper(model)):
        return False
    if model not in _faults:
        _faults[model] = _fault_of(model)
        if _faults[model] is not None and setting == "auto":
            log.warning("%s; its layers are replayed one by one, which is slower", _faults[model])
    fault = _faults[model]
    if fault is not None and setting == "on":
        raise fault
    return fault is None


def _is_cheaper(model: LanguageModel) -> bool:
    return model.device.type != "cpu"


_faults: WeakKeyDictionary[LanguageModel, UnsupportedModel | None] = WeakKeyDictionary()
"""Of the models that have been checked, why their blocks cannot be called one by one; None if they can."""


def _fault_of(model: LanguageModel) -> UnsupportedModel | None:
    try:
        check_block_calls(model)
    except UnsupportedModel as fault:
        return fault
    return None


@dataclass(frozen=True)
class Plan:
    """How many copies go through together."""

    as_wave: bool
    """Whether copies that enter at different layers may."""
    budget: int
    """Bytes of activations that they may hold."""
    bytes_after: Callable[[int], int]
    """What a copy that enters after a layer's block holds."""
    tokens: int
    """Of a copy, for what is said when not even one fits."""

    def together(self, counts: Mapping[Site, int]) -> list[list[Site]]:
        """Sites in groups to work on at a time: one layer, or in a wave as many whole layers as fit.

        Args:
            counts: how many copies each site has.
        """
        groups: list[list[Site]] = []
        free = 0
        for layer in sorted({site.layer for site in counts}):
            here = [site for site in counts if site.layer == layer]
            needed = sum(counts[site] for site in here) * self.bytes_after(layer)
            if self.as_wave and groups and needed <= free:
                groups[-1] += here
            else:
                groups.append(here)
                free = self.budget
            free -= needed
        return groups

    def in_chunks(self, layers: Sequence[int], counts: Sequence[int], chunk: Chunk) -> None:
        """Call ``chunk`` on slices of copies that go through together and fit the budget.

        When a GPU runs out of memory the slice is halved, and that is said.

        Args:
            layers: after whose block the copies enter, from the first to the last.
            counts: how many enter there; slices are of all of them, one after the other.
        """
        start, total = 0, sum(counts)
        most = total
        while start < total:
            stop = min(self._stop(layers, counts, start), start + most)
            try:
                chunk(slice(start, stop))
            except torch.OutOfMemoryError as error:
                if stop - start == 1:
                    raise OutOfSpace(
                        f"one example of {self.tokens} tokens does not fit in the GPU's memory",
                        mend=f"use shorter texts, {argument('dtype', 'bfloat16')}, or a larger GPU",
                    ) from error
                most = (stop - start) // 2
                torch.cuda.empty_cache()
                log.warning("the GPU is out of memory: going on with %d rows at a time", most)
            else:
                start = stop

    def _stop(self, layers: Sequence[int], counts: Sequence[int], start: int) -> int:
        """Where a slice that begins at ``start`` ends; it has at least one copy."""
        stop, free, end, entered = start, self.budget, 0, None
        for layer, count in zip(layers, counts, strict=True):
            end += count
            if end <= stop:
                continue
            if entered not in (None, layer) and not self.as_wave:
                break
            entered, each = layer, self.bytes_after(layer)
            more = min(end - stop, free // each)
            stop, free = stop + more, free - more * each
            if stop < end:
                break
        return max(stop, start + 1)
