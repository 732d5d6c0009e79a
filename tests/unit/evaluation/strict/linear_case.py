"""A circuit whose faithfulness can be worked out by hand.

One site, the last residual stream of a linear model; all examples ask for the same two answers. The metric is then a
sum of one term per node, and faithfulness of a set of nodes is the sum of their mean effects over the sum of all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from described_circuits import described
from toys import VOCAB, linear_model, toy_dictionaries

from circuitscope.config import DiscoverySettings
from circuitscope.discovery.job import Job
from circuitscope.discovery.node_pass import node_pass
from circuitscope.evaluation import FaithfulnessScale
from circuitscope.evaluation.ablated_runs import AblatedRuns
from circuitscope.evaluation.baseline import make_baseline
from circuitscope.evaluation.strict import TestedCircuit
from circuitscope.results import Edges, Nodes
from circuitscope.tasks import metric_named
from circuitscope.tasks.inputs import Encoded, batches
from circuitscope.terms import Site

LENGTH = 5
CLEAN_ANSWER, PATCH_ANSWER = (2,), (3,)
METRIC = metric_named("logit-difference", pairs=True)


def examples(count: int, seed: int = 0) -> tuple[Encoded, ...]:
    """Pairs of random tokens that end in one of two words on the clean side and of two others on the patch side."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        front = torch.randint(4, VOCAB, (LENGTH - 1,), generator=draw).tolist()
        clean, patch = (first + int(torch.randint(2, (1,), generator=draw)) for first in (20, 10))
        found.append(Encoded((*front, clean), (*front, patch), CLEAN_ANSWER, PATCH_ANSWER))
    return tuple(found)


def case(count: int = 12) -> TestedCircuit:
    """A circuit with every node that has an effect."""
    model = linear_model()
    dictionaries = toy_dictionaries(model, "relu", [Site("resid", 1)])
    encoded = examples(count)
    settings = DiscoverySettings(
        method="exact", batch_size=6, memory="1GiB", metric=METRIC.name, positions="keep", bos="no"
    )
    job = Job(model, dictionaries, METRIC, encoded, settings)
    candidates = node_pass(job).nodes
    candidates = candidates.take(np.flatnonzero(candidates.effect != 0))
    inputs = list(batches(encoded, 6, has_bos=False))
    baseline = make_baseline("mean", model, dictionaries, inputs, places=LENGTH)
    runs = AblatedRuns(model, dictionaries, METRIC, inputs, baseline, LENGTH, "circuit", {})
    info = {
        "positions": "keep", "method": "exact", "rule": None, "points": None, "bos": False, "split": "train",
        "examples": count, "metric": METRIC.name, "thresholds": {"node": 0.0, "edge": 0.0}, "nodes_asked": None,
    }  # fmt: skip
    circuit = described(tuple(dictionaries), candidates, Edges.none(), info, candidates=candidates)
    return TestedCircuit(circuit, FaithfulnessScale(runs, free_layers=0))


@dataclass(frozen=True)
class ByHand(FaithfulnessScale):
    """A scale on which faithfulness is worked out by hand instead of run; that they agree is tested."""

    total: float = 1.0

    def faithfulness(self, nodes: Nodes) -> float:
        return float(nodes.effect.sum() / self.total)


def quick() -> TestedCircuit:
    """The case on a scale by hand."""
    tested = case()
    assert tested.circuit.candidates is not None
    total = float(tested.circuit.candidates.effect.sum())
    return replace(tested, scale=ByHand(tested.scale.runs, free_layers=0, total=total))


def keeping(subject: TestedCircuit, rows: object) -> TestedCircuit:
    """The same with some of the nodes only."""
    nodes = subject.circuit.nodes.take(np.asarray(rows))
    return replace(subject, circuit=replace(subject.circuit, nodes=nodes))


def by_hand(subject: TestedCircuit, nodes: Nodes) -> float:
    """Σ effects of the nodes / Σ effects of all."""
    assert subject.circuit.candidates is not None
    return float(nodes.effect.sum() / subject.circuit.candidates.effect.sum())


def quiet(done: int, total: int, what: str) -> None:
    """A progress that nobody watches."""
