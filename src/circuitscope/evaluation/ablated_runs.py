"""AblatedRuns: a task's held-out examples, ready for many ablated runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput
from circuitscope.evaluation.ablated_metric import ablated_metric
from circuitscope.evaluation.baseline import Baseline, make_baseline
from circuitscope.evaluation.node_set import node_set
from circuitscope.model import LanguageModel
from circuitscope.results import Nodes
from circuitscope.tasks import Inputs, Metric, Task, batches
from circuitscope.terms import Site


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

    def sites(self, free_layers: int) -> list[Site]:
        """The sites that are ablated when the first layers, and embed with them, are free.

        Free 0 ablates everything, embed too.
        """
        if free_layers == 0:
            return list(self.dictionaries)
        return [site for site in self.dictionaries if site.layer >= free_layers]

    def first(self, examples: int) -> AblatedRuns:
        """The same bench with the first batches only, as many as hold at least ``examples``."""
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
                logits = self.model.logits(inputs.clean, self.metric.positions(inputs))
                values.append(self.metric(logits, inputs))
        return -torch.cat(values).double().cpu().numpy()

    def run(self, nodes: Nodes, sites: Collection[Site], *, complement: bool = False) -> NDArray[np.float64]:
        """−m(C) of every example, or −m(M∖C) with ``complement``."""
        kept = node_set(nodes, self.dictionaries, places=self.places, device=self.model.device)
        values = [
            ablated_metric(
                self.model,
                self.dictionaries,
                inputs,
                self.metric,
                kept,
                self.baseline,
                sites=sites,
                complement=complement,
                errors=self.errors,
                batch=number,
            )
            for number, inputs in enumerate(self.inputs)
        ]
        return -torch.cat(values).double().cpu().numpy()


def make_ablated_runs(
    model: LanguageModel,
    dictionaries: Dictionaries,
    task: Task,
    metric: Metric,
    *,
    examples: int,
    split: str,
    baseline: str,
    errors: str,
    bos: bool,
    keep_positions: bool,
    length: int | None,
    batch_size: int,
    seed: int,
) -> AblatedRuns:
    """Tokenise the held-out examples and compute the baseline on them.

    ``length`` is the number of positions of a circuit that keeps them; examples must have it.
    """
    encoded, skipped = task.encode(split, model.tokenizer, bos=bos, limit=examples)
    if keep_positions:
        lengths = {example.length for example in encoded}
        if lengths != {length}:
            raise BadInput(
                f"the {split} examples have lengths {sorted(lengths)}",
                expected=f"{length} tokens: the circuit has a node per position of its template",
                mend="evaluate on the template's own examples, or discover with --positions sum",
            )
    inputs = [part.to(model.device) for part in batches(encoded, batch_size, has_bos=bos)]
    places = length if keep_positions and length else 1
    values = make_baseline(baseline, model, dictionaries, inputs, places=places, seed=seed)
    return AblatedRuns(model, dictionaries, metric, inputs, values, places, errors, dict(skipped))
