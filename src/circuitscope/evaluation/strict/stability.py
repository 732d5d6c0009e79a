"""Would other examples have given the same circuit?

The examples that the circuit was discovered on are divided into random halves, again and again. Each half keeps
nodes as the circuit did: those above the same threshold, or as many as the circuit has. The Jaccard index of two
halves is the number of nodes that both keep over the number that either keeps. All effects are computed once, in one
more first pass; the halves only add them up differently. A half has half the examples, so the circuit itself, made
from all of them, is more stable than its halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool

from circuitscope.discovery import job_again, part_means, select_nodes
from circuitscope.errors import NothingFound
from circuitscope.evaluation.faithfulness_scale import RowNumbers
from circuitscope.evaluation.strict.tested_circuit import TestedCircuit
from circuitscope.results import FAILS, HOLDS, CannotBeSaid, Circuit, Nodes, Spread, Stability, StrictOutcome
from circuitscope.sources import Loaded
from circuitscope.tasks import METRICS, Metric
from circuitscope.work import Progress

LEAST = 0.5
"""Halves agree if their mean Jaccard index is at least this, which is two nodes in three in common."""
LEAST_EXAMPLES = 4


def stability(
    subject: TestedCircuit, loaded: Loaded, halvings: int, progress: Progress
) -> StrictOutcome[Stability] | CannotBeSaid[Stability]:
    """Divide the circuit's examples into halves and compare what each half keeps."""
    circuit = subject.circuit
    if circuit.recipe is None or circuit.findings.node_threshold is None:
        return CannotBeSaid("the circuit does not say how it was discovered")
    if circuit.findings.pruned is not None:
        return CannotBeSaid(
            "its nodes were chosen by pruning, not by their strength; look at the circuit it came from"
        )
    job = job_again(circuit, loaded, _metric(subject, loaded), progress=progress)
    if len(job.examples) < LEAST_EXAMPLES:
        return CannotBeSaid(f"it was discovered on {len(job.examples)} examples, too few to divide")
    parts = _halves(len(job.examples), halvings, np.random.default_rng(subject.scale.seed))
    whole, *means = part_means(job, np.concatenate([np.ones_like(parts[:1]), parts]))
    threshold = circuit.made_by.settings.node_threshold
    count = None if threshold is not None else len(circuit)
    kept = [_kept(nodes, threshold, count) for nodes in means]
    tested = np.flatnonzero(subject.scale.on_ablated(whole, circuit.sites))
    pairs = list(pairwise(kept))[::2]
    found = [jaccard(first, second) for first, second in pairs]
    sizes = float(np.mean([len(rows) for rows in kept]))
    figures = Stability(
        halvings=halvings,
        examples=len(job.examples),
        threshold=threshold,
        nodes=len(circuit),
        nodes_of_a_half=sizes,
        candidates=len(whole),
        jaccard=_spread(found),
        jaccard_not_free=_spread(
            [jaccard(np.intersect1d(a, tested), np.intersect1d(b, tested)) for a, b in pairs]
        ),
        shared=float(np.mean([_shared(first, second) for first, second in pairs])),
        by_chance=sizes / (2 * len(whole) - sizes),
        again=_again(circuit, whole, _kept(whole, threshold, count)),
    )
    return StrictOutcome(HOLDS if np.mean(found) >= LEAST else FAILS, figures)


def _metric(subject: TestedCircuit, loaded: Loaded) -> Metric:
    """The metric of discovery, by name; one without a name was given to the evaluation again."""
    name = subject.circuit.made_by.settings.metric
    return loaded.metric(name) if name in METRICS else subject.scale.runs.metric


def _halves(examples: int, times: int, draw: np.random.Generator) -> Bool[np.ndarray, "part example"]:
    """Random halves: rows 2i and 2i + 1 have every example between them."""
    parts = np.zeros((2 * times, examples), bool)
    for number in range(times):
        parts[2 * number, draw.permutation(examples)[: examples // 2]] = True
        parts[2 * number + 1] = ~parts[2 * number]
    return parts


def _kept(nodes: Nodes, threshold: float | None, count: int | None) -> RowNumbers:
    try:
        return select_nodes(nodes, threshold, count)[0]
    except NothingFound:
        return np.zeros(0, np.int64)


def jaccard(first: RowNumbers, second: RowNumbers) -> float:
    """|both| / |either|; two empty sets are equal."""
    either = len(np.union1d(first, second))
    return len(np.intersect1d(first, second)) / either if either else 1.0


def _shared(first: RowNumbers, second: RowNumbers) -> float:
    """The share of a half's nodes that the other has too."""
    total = len(first) + len(second)
    return 2 * len(np.intersect1d(first, second)) / total if total else 1.0


def _spread(values: Sequence[float]) -> Spread:
    return Spread(float(np.mean(values)), float(min(values)), float(max(values)))


def _again(circuit: Circuit, nodes: Nodes, rows: RowNumbers) -> float:
    """Jaccard index of the circuit and of what all its examples keep now."""

    def names(some: Nodes) -> set[tuple[int, int, int]]:
        return set(zip(some.site.tolist(), some.feature.tolist(), some.position.tolist(), strict=True))

    own, now = names(circuit.nodes), names(nodes.take(rows))
    return len(own & now) / max(1, len(own | now))
