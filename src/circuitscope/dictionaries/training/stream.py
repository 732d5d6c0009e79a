"""Shuffled activations of all sites, batch by batch, as a function of the step alone.

The contexts of all epochs form one long sequence, cut into buffers of ``config.buffer`` contexts. A buffer is
run through the model, its live tokens (no padding, no BOS) are shuffled, and as many whole batches as it
holds are handed out; the rest of less than one batch is dropped. Which contexts, which order and which batch
belong to a step follow from the step and the seed, so a killed run continues with the same data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.config import TrainConfig
from circuitscope.dictionaries.training.corpus import derived_seed, epoch_order
from circuitscope.errors import BadInput, argument
from circuitscope.model import CutText, LanguageModel
from circuitscope.terms import Site

TOKENS_PER_FORWARD = 8192
Batch = Mapping[Site, Float[Tensor, "token width"]]


@dataclass(frozen=True)
class _Buffer:
    """Which steps a buffer serves."""

    index: int
    first_step: int
    n_steps: int


class ActivationStream:
    """The training data of every step."""

    def __init__(
        self, model: LanguageModel, contexts: CutText, sites: list[Site], config: TrainConfig
    ) -> None:
        self.model = model
        self.contexts = contexts
        self.taps = model.taps(sites)
        self.config = config
        self.size = min(config.buffer, len(contexts))
        fewest = int(np.sort(contexts.length)[: self.size].sum())
        if fewest < config.batch:
            raise BadInput(
                f"{self.size} contexts may hold only {fewest} tokens, fewer than one batch of {config.batch}",
                expected="at least one batch per buffer of contexts",
                mend=f"give a longer text, a smaller {argument('batch')} or a larger {argument('buffer')}",
            )

    def first(self) -> Batch:
        """The activations of the first buffer, from which scales and initial weights are estimated."""
        return self._run(0)

    def batches(self, first_step: int, pool: Executor) -> Iterator[tuple[int, Batch]]:
        """(step, activations by site) from ``first_step`` to the last step.

        The next buffer is computed in ``pool`` while this one is used.
        """
        for buffer, running in self._ahead(first_step, pool):
            activations = running.result()
            order = self._shuffle(buffer.index, next(iter(activations.values())).shape[0])
            for step in range(max(first_step, buffer.first_step), buffer.first_step + buffer.n_steps):
                place = (step - buffer.first_step) * self.config.batch
                rows = order[place : place + self.config.batch]
                yield step, {site: x[rows] for site, x in activations.items()}

    def _ahead(self, first_step: int, pool: Executor) -> Iterator[tuple[_Buffer, Future[Batch]]]:
        """The buffers from ``first_step`` on, each handed out when the one after it has been started."""
        waiting: tuple[_Buffer, Future[Batch]] | None = None
        for buffer in self._plan():
            if buffer.first_step + buffer.n_steps <= first_step:
                continue
            if waiting is not None:
                # The one handed out is finished first: the model's hooks allow one pass at a time.
                waiting[1].result()
            started = (buffer, pool.submit(self._run, buffer.index))
            if waiting is not None:
                yield waiting
            waiting = started
        if waiting is not None:
            yield waiting

    def _plan(self) -> Iterator[_Buffer]:
        """Buffers and their steps until every step is served; needs the contexts' lengths only."""
        index, step = 0, 0
        while step < self.config.steps:
            n_tokens = int(self.contexts.length[self._members(index)].sum())
            n_steps = min(n_tokens // self.config.batch, self.config.steps - step)
            yield _Buffer(index, step, n_steps)
            index, step = index + 1, step + n_steps

    def _members(self, index: int) -> Int[np.ndarray, " row"]:
        """The contexts of a buffer; it may reach from one epoch into the next."""
        total = len(self.contexts)
        first, last = index * self.size, (index + 1) * self.size - 1
        epochs = [
            epoch_order(total, epoch, self.config.seed) for epoch in range(first // total, last // total + 1)
        ]
        offset = first - first // total * total
        return np.concatenate(epochs)[offset : offset + self.size]

    def _shuffle(self, index: int, n_tokens: int) -> Int[Tensor, " token"]:
        generator = torch.Generator().manual_seed(derived_seed(self.config.seed, "buffer", index))
        return torch.randperm(n_tokens, generator=generator).to(self.model.device)

    def _run(self, index: int) -> Batch:
        """Every site's activations at the live tokens of a buffer."""
        members = self._members(index)
        # Contexts of similar length run together, so that little is computed for padding.
        members = members[np.argsort(self.contexts.length[members], kind="stable")]
        parts: dict[Site, list[Tensor]] = {site: [] for site in self.taps}
        rows = max(1, TOKENS_PER_FORWARD // self.config.context)
        for first in range(0, len(members), rows):
            tokens = self.contexts.take(members[first : first + rows]).to(self.model.device)
            asked = torch.zeros(tokens.batch, 1, dtype=torch.long, device=self.model.device)
            cache = self.model.capture(tokens, self.taps, asked)
            for site, x in cache.x.items():
                parts[site].append(x[tokens.live].float())
        return {site: torch.cat(found) for site, found in parts.items()}
