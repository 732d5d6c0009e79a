"""AblatedRuns: a task's held-out examples, ready for many ablated runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from circuitscope.config import AblationConfig
from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput, argument
from circuitscope.evaluation.ablated_metric import ablated_metric
from circuitscope.evaluation.baseline import Baseline, make_baseline
from circuitscope.evaluation.node_set import node_set
from circuitscope.model import LanguageModel
from circuitscope.results import Circuit, Nodes
from circuitscope.sources import Loaded, metric_of
from circuitscope.tasks import Encoded, Inputs, Measure, Metric, batches, longest_kept, refuse_unreadable
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
