"""AblatedRuns: a task's held-out examples, ready for many ablated runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from circuitscope.config import AblationConfig
from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput, argument
from circuitscope.evaluation.ablated_metric import Ablated, ablated_metric
from circuitscope.evaluation.baseline import Baseline, make_baseline
from circuitscope.evaluation.node_set import node_sets
from circuitscope.model import LanguageModel
from circuitscope.results import Circuit, Nodes
from circuitscope.sources import Loaded, metric_of
from circuitscope.tasks import Encoded, Inputs, Measure, Metric, batches, longest_kept, refuse_unreadable
from circuitscope.terms import Site

MOST_BYTES = 2**31
"""Of streams that are kept for runs to go on from."""


@dataclass(frozen=True)
class Start:
    """Where runs that begin alike go on from: the stream after a block, for every batch."""

    layer: int
    streams: tuple[Float[Tensor, "_ _ width"], ...]


@dataclass(frozen=True)
class AblatedRuns:
    """A model with its dictionaries, the inputs to evaluate on, and the values for what is ablated."""

    model: LanguageModel
    dictionaries: Dictionaries
    metric: Metric
    inputs: list[Inputs]
    baseline: Baseline
    places: int
    """Positions kept, or 1 where they are summed."""
    errors: str
    skipped: dict[str, int]
    together: int = 32
    """How many examples, or copies of examples for several sets, go through the model together."""

    def sites(self, free_layers: int) -> list[Site]:
        """The sites that are ablated when the first layers, and embed with them, are free.

        Free 0 ablates everything, embed too.
        """
        if free_layers == 0:
            return list(self.dictionaries)
        return [site for site in self.dictionaries if site.layer >= free_layers]

    def first(self, examples: int) -> AblatedRuns:
        """The same runs with the first batches only, as many as hold at least ``examples``."""
        seen, taken = 0, 0
        while seen < examples and taken < len(self.inputs):
            seen += len(self.inputs[taken])
            taken += 1
        return replace(self, inputs=self.inputs[:taken])

    def full(self) -> NDArray[np.float64]:
        """−m(M) of every example: the model as it is."""
        values = []
        for inputs in self.inputs:
            with torch.no_grad():
                asked, only = self.metric.narrowed(inputs)
                logits = self.model.logits(inputs.clean, self.metric.positions(inputs), only=only)
                values.append(self.metric(logits, asked))
        return -torch.cat(values).double().cpu().numpy()

    def run(
        self,
        nodes: Nodes,
        sites: Collection[Site],
        *,
        complement: bool = False,
        start: Start | None = None,
    ) -> NDArray[np.float64]:
        """−m(C) of every example, or −m(M∖C) with ``complement``; see ``run_all``."""
        every: NDArray[np.float64] = self.run_all([nodes], sites, complement=complement, start=start)[0]
        return every

    def run_all(
        self,
        sets: Sequence[Nodes],
        sites: Collection[Site],
        *,
        complement: bool = False,
        start: Start | None = None,
    ) -> NDArray[np.float64]:
        """−m(C) of every set (rows) and example (columns), or −m(M∖C) with ``complement``.

        Small batches take several sets along in one run.

        Args:
            start: where to go on from, before the first of ``sites``; by default from the tokens.
        """
        values = np.zeros((len(sets), sum(map(len, self.inputs))))
        column = 0
        for number, inputs in enumerate(self.inputs):
            columns = slice(column, column + len(inputs))
            many = max(1, self.together // len(inputs))
            for first in range(0, len(sets), many):
                some = sets[first : first + many]
                of_some = self._batch(number, some, sites, complement=complement, start=start)
                values[first : first + many, columns] = of_some
            column = columns.stop
        return values

    def plain_start(self, layer: int) -> Start:
        """The streams of the model as it is after a block that is not the last."""
        streams = []
        for inputs in self.inputs:
            cache = self.model.capture(inputs.clean, {}, inputs.clean.last[:, None])
            streams.append(cache.streams[layer + 1])
        return Start(layer, tuple(streams))

    def starts(self, nodes: Nodes, sites: Collection[Site], start: Start | None) -> list[Start]:
        """Where runs that differ from the one of ``nodes`` only behind a layer go on from, by rising layer.

        ``start`` itself is the first if there is one; it is the only one if the streams would not fit in memory.
        """
        given = [] if start is None else [start]
        tokens = sum(inputs.clean.ids.numel() for inputs in self.inputs)
        size = tokens * self.model.width * self.model.dtype.itemsize * self.model.n_layers
        if size > MOST_BYTES:
            return given
        seen: list[dict[int, Tensor]] = []
        for number in range(len(self.inputs)):
            seen.append({})
            self._batch(number, [nodes], sites, start=start, seen=seen[-1])
        found = [Start(layer, tuple(streams[layer] for streams in seen)) for layer in sorted(seen[0])]
        return given + found

    def _batch(
        self,
        number: int,
        sets: Sequence[Nodes],
        sites: Collection[Site],
        *,
        complement: bool = False,
        start: Start | None = None,
        seen: dict[int, Tensor] | None = None,
    ) -> NDArray[np.float64]:
        """−m of every set and every example of one batch."""
        inputs, count = self.inputs[number], len(self.inputs[number])
        what: Ablated = {"sites": sites, "complement": complement, "errors": self.errors, "batch": number}
        if start is not None:
            what["after"] = start.layer, start.streams[number].repeat(len(sets), 1, 1)
        if seen is not None:
            what["seen"] = seen
        if len(sets) > 1:
            inputs = inputs.take(torch.arange(count, device=self.model.device).repeat(len(sets)))
        kept = node_sets(sets, self.dictionaries, places=self.places, device=self.model.device)
        values = ablated_metric(
            self.model, self.dictionaries, inputs, self.metric, kept, self.baseline, **what
        )
        found: NDArray[np.float64] = -values.double().cpu().numpy().reshape(len(sets), count)
        return found


def ablated_runs_for(
    circuit: Circuit,
    loaded: Loaded,
    config: AblationConfig,
    *,
    metric: Metric | Measure | str | None = None,
) -> AblatedRuns:
    """The examples to evaluate a circuit on, tokenised as for its discovery, with the baseline computed on them."""
    settings = circuit.made_by.settings
    encoded, skipped = loaded.task.encode(
        config.split,
        loaded.model.tokenizer,
        bos=settings.has_bos,
        limit=config.examples,
        longest=longest_kept(loaded.model, settings.truncate),
    )
    refuse_unreadable(encoded, loaded.model, loaded.task.name)
    places = _places(circuit, encoded, config.split)
    inputs = [
        part.to(loaded.model.device) for part in batches(encoded, config.batch_size, has_bos=settings.has_bos)
    ]
    values = make_baseline(
        baseline_of(circuit, config),
        loaded.model,
        loaded.dictionaries,
        inputs,
        places=places,
        seed=config.seed,
    )
    return AblatedRuns(
        loaded.model,
        loaded.dictionaries,
        metric_of(circuit, loaded, metric),
        inputs,
        values,
        places,
        config.errors,
        dict(skipped),
        config.batch_size,
    )


def baseline_of(circuit: Circuit, config: AblationConfig) -> str:
    """What ablated nodes are set to: as asked, or else as the circuit records."""
    own = circuit.made_by.settings.baseline
    chosen = own if config.baseline == "auto" else config.baseline
    return "mean" if chosen == "auto" else chosen  # of a recipe that no discovery settled


def _places(circuit: Circuit, encoded: Sequence[Encoded], split: str) -> int:
    """Positions that the circuit keeps, which every example must have; 1 where they are summed."""
    if not circuit.keeps_positions:
        return 1
    length = len(circuit.findings.tokens or ())
    lengths = {example.length for example in encoded}
    if lengths != {length}:
        raise BadInput(
            f"the {split} examples have lengths {sorted(lengths)}",
            expected=f"{length} tokens: the circuit has a node per position of its template",
            mend=f"evaluate on the template's own examples, or discover with {argument('positions', 'sum')}",
        )
    return length
