"""sweep: how faithfulness and completeness grow with the number of nodes kept.

For features, for the neurons of the same sites, for the hidden neurons of the MLPs, and for random features: the
N nodes with the largest |mean effect| in the layers that are not free, for a range of N. Neurons are ranked by the
same method on the same examples. Each curve is summed up by how many nodes 50, 75 and 90 % need, and by its areas
CPR and CMD.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from circuitscope.config import SweepConfig, settings_from
from circuitscope.dictionaries import Dictionaries, mlp_hidden_dictionaries, neurons_like
from circuitscope.discovery import discover_circuit
from circuitscope.errors import BadInput, argument
from circuitscope.evaluation.ablated_runs import ablated_runs_for
from circuitscope.evaluation.circuit_checks import refuse_unranked
from circuitscope.evaluation.cpr_cmd import FRACTIONS, areas, nodes_at
from circuitscope.evaluation.faithfulness_scale import FaithfulnessScale
from circuitscope.evaluation.free_layers import free_layers_of
from circuitscope.evaluation.scores import needed
from circuitscope.model import LanguageModel
from circuitscope.results import Circuit, Curve, Nodes, Score, Sweep
from circuitscope.sources import Loaded, expect_sources, metric_of, reopen
from circuitscope.tasks import Examples, Measure, Metric, Task
from circuitscope.work import Progress, shown, silent, step

LEVELS = (0.5, 0.75, 0.9)


def sweep(
    circuit: Circuit,
    model: LanguageModel | None = None,
    dictionaries: Dictionaries | None = None,
    task: Task | str | Path | Examples | None = None,
    *,
    metric: str | Metric | Measure | None = None,
    examples: int = 40,
    split: str = "test",
    baseline: str = "auto",
    errors: str = "circuit",
    free_layers: int | None = None,
    sizes: int = 16,
    neurons: bool = True,
    random: int = 3,
    batch_size: int = 32,
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Sweep:
    """Curves of faithfulness and completeness against nodes kept.

    Args:
        model, dictionaries, task: loaded by the circuit's recipe where they are left out.
        sizes: how many circuit sizes to measure on each curve, evenly spaced on a logarithmic scale.
        neurons: also measure neurons; this discovers on them with the circuit's own settings.
        random: random circuits to average at each size; 0 leaves that curve out.
        other arguments: as for ``evaluate``.

    Returns:
        ``curves``, each with ``nodes``, ``faithfulness``, ``completeness``, ``needed`` per level, and its ``areas``
        CPR and CMD.
    """
    expect_sources("sweep", circuit, model, dictionaries, task)
    config = settings_from(SweepConfig, locals())
    with shown(progress) as tell:
        loaded = reopen(circuit, model, dictionaries, task, device=device, dtype=dtype, progress=tell)
        return sweep_circuit(circuit, loaded, config, metric=metric, progress=tell)


def sweep_circuit(
    circuit: Circuit,
    loaded: Loaded,
    config: SweepConfig,
    *,
    metric: str | Metric | Measure | None = None,
    progress: Progress = silent,
) -> Sweep:
    """``sweep`` with the settings as one value and everything loaded."""
    refuse_unranked(circuit)
    free = free_layers_of(loaded.model, config.free_layers)
    curves = []
    for name, ranked, basis in _rankings(circuit, loaded, config, metric, progress):
        runs = ablated_runs_for(ranked, replace(loaded, dictionaries=basis), config, metric=metric)
        scale = FaithfulnessScale(runs, free, config.seed)
        assert ranked.candidates is not None
        nodes = _not_free(ranked.candidates, ranked, scale)
        curves.append(_curve(name, nodes, [nodes.strongest()], scale, config.sizes, progress))
        if name == "features" and config.random:
            draw = np.random.default_rng(config.seed)
            orders = [draw.permutation(len(nodes)) for _ in range(config.random)]
            curves.append(_curve("random features", nodes, orders, scale, config.sizes, progress))
    return Sweep(
        task=loaded.task.name,
        model=loaded.model.name,
        metric=runs.metric.name,
        split=config.split,
        examples=sum(map(len, runs.inputs)),
        free_layers=free,
        errors=config.errors,
        levels=LEVELS,
        fractions=FRACTIONS,
        curves=tuple(curves),
    )


def _rankings(
    circuit: Circuit,
    loaded: Loaded,
    config: SweepConfig,
    metric: str | Metric | Measure | None,
    progress: Progress,
) -> Iterator[tuple[str, Circuit, Dictionaries]]:
    """What is swept over: features, and neurons ranked by the circuit's own method and examples."""
    yield "features", circuit, loaded.dictionaries
    if not config.neurons:
        return
    of_sites = neurons_like(loaded.dictionaries, loaded.model)
    of_mlps = mlp_hidden_dictionaries(loaded.model)
    only_ranked = replace(
        circuit.made_by.settings, nodes=1, node_threshold=None, edges_at="clean", connected=False
    )
    chosen = metric_of(circuit, loaded, metric)
    for name, basis in (("neurons of the sites", of_sites), ("MLP-hidden neurons", of_mlps)):
        of_basis = replace(loaded, dictionaries=basis)
        with step(progress, f"ranking {name}"):
            ranked = discover_circuit(of_basis, only_ranked, metric=chosen)
        yield name, ranked, basis


def _not_free(nodes: Nodes, ranked: Circuit, scale: FaithfulnessScale) -> Nodes:
    """The candidates that an ablated run can ablate, and that have an effect at all."""
    return nodes.take(np.flatnonzero(scale.on_ablated(nodes, ranked.sites) & (nodes.effect != 0)))


def _curve(
    name: str,
    nodes: Nodes,
    orders: list[NDArray[np.int64]],
    scale: FaithfulnessScale,
    sizes: int,
    progress: Progress,
) -> Curve:
    """One curve; several orders are averaged example by example."""
    counts, at_fractions = _sizes(len(nodes), sizes), nodes_at(len(nodes))
    faithful: dict[int, Score] = {}
    complete: list[Score] = []
    every = sorted({*counts, *at_fractions})
    for number, count in enumerate(every):
        some = [nodes.take(order[:count]) for order in orders]
        kept = np.mean([scale.values(part) for part in some], axis=0)
        faithful[count] = scale.interval(kept)
        if count in counts:
            rest = np.mean([scale.without(part) for part in some], axis=0)
            complete.append(scale.interval(rest))
        progress(number + 1, len(every), name)
    scores = [faithful[count] for count in counts]
    values = tuple(score.value for score in scores)
    return Curve(
        name=name,
        nodes=tuple(counts),
        faithfulness=values,
        faithfulness_low=tuple(score.low for score in scores),
        faithfulness_high=tuple(score.high for score in scores),
        completeness=tuple(score.value for score in complete),
        needed={f"{level:g}": needed(counts, values, level) for level in LEVELS},
        candidates=len(nodes),
        areas=areas(at_fractions, [faithful[count].value for count in at_fractions]),
    )


def _sizes(largest: int, count: int) -> list[int]:
    """Circuit sizes from 1 to ``largest``, evenly spaced on a logarithmic scale."""
    if largest == 0:
        raise BadInput(
            "no node in the layers that are not free has an effect",
            expected="some nodes",
            mend=f"use fewer {argument('free_layers')}",
        )
    return sorted({int(n) for n in np.geomspace(1, largest, count).round()})
