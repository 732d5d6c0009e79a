"""sweep: how faithfulness and completeness grow with the number of nodes kept.

For features, for the neurons of the same sites, for the hidden neurons of the MLPs, and for random features: the
N nodes of largest |mean effect| in the layers that are not free, for a range of N. Neurons are ranked by the
same method on the same examples. The answer in one number per curve: how many nodes 50, 75 and 90 % need; and in
two more, its areas CPR and CMD.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuitscope.dictionaries import Dictionaries, mlp_hidden_dictionaries, neurons_like
from circuitscope.discovery import discover
from circuitscope.errors import BadInput
from circuitscope.evaluation.ablated_runs import AblatedRuns
from circuitscope.evaluation.cpr_cmd import FRACTIONS, areas, nodes_at
from circuitscope.evaluation.evaluate import ablated_runs_for, check_free_layers
from circuitscope.evaluation.scores import needed, ratio
from circuitscope.model import LanguageModel
from circuitscope.results import Circuit, Nodes
from circuitscope.tasks import Examples, Measure, Metric, Task, load_task
from circuitscope.work import Progress, labelled, shown

LEVELS = (0.5, 0.75, 0.9)


def sweep(
    circuit: Circuit,
    model: LanguageModel,
    dictionaries: Dictionaries,
    task: Task | str | Path | Examples,
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
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> dict[str, Any]:
    """Curves of faithfulness and completeness against nodes kept.

    Args:
        sizes: how many circuit sizes to measure on each curve, evenly spaced on a logarithmic scale.
        neurons: also measure neurons; this discovers on them with the circuit's own settings.
        random: random circuits to average at each size; 0 leaves that curve away.
        other arguments: as for ``evaluate``.

    Returns:
        Plain values: ``levels``, ``fractions`` and ``curves``, each with ``nodes``, ``faithfulness`` (with
        ``_low`` and ``_high``), ``completeness``, ``needed`` per level, and ``areas``: ``cpr`` and ``cmd`` with
        the nodes and the faithfulness at each of the fractions of the curve's ``candidates``.
    """
    if circuit.candidates is None:
        raise BadInput(
            "the circuit has no ranking of all its candidates", expected="a circuit as discover made it"
        )
    task = load_task(task, model)
    free = model.n_layers // 3 if free_layers is None else free_layers
    check_free_layers(free, model)
    curves = []
    with shown(progress) as tell:
        subjects: list[tuple[str, Circuit, Dictionaries]] = [("features", circuit, dictionaries)]
        if neurons:
            of_sites = neurons_like(dictionaries, model)
            of_mlps = mlp_hidden_dictionaries(model)
            for name, basis in (("neurons of the sites", of_sites), ("MLP-hidden neurons", of_mlps)):
                ranked = _ranked(circuit, model, basis, task, metric, labelled(tell, f"ranking {name}"))
                subjects.append((name, ranked, basis))
        for name, ranked, basis in subjects:
            bench = ablated_runs_for(
                ranked, model, basis, task, metric, examples, split, baseline, errors, batch_size, seed
            )
            assert ranked.candidates is not None
            nodes = _not_free(ranked.candidates, ranked, bench, free)
            curves.append(_curve(name, nodes, [nodes.strongest()], bench, free, sizes, seed, tell))
            if name == "features" and random:
                draw = np.random.default_rng(seed)
                orders = [draw.permutation(len(nodes)) for _ in range(random)]
                curves.append(_curve("random features", nodes, orders, bench, free, sizes, seed, tell))
    return {
        "task": task.name,
        "model": model.name,
        "metric": bench.metric.name,
        "split": split,
        "examples": sum(map(len, bench.inputs)),
        "free_layers": free,
        "errors": errors,
        "levels": list(LEVELS),
        "fractions": list(FRACTIONS),
        "curves": curves,
    }


def _ranked(
    circuit: Circuit,
    model: LanguageModel,
    basis: Dictionaries,
    task: Task,
    metric: str | Metric | Measure | None,
    progress: Progress,
) -> Circuit:
    """Rank neurons by the circuit's own method and examples."""
    info = circuit.info
    return discover(
        model,
        basis,
        task,
        examples=int(info["examples"]),
        split=str(info["split"]),
        metric=metric or str(info["metric"]),
        method=str(info["method"]),
        rule=str(info["rule"] or "gauss"),
        points=info["points"],
        nodes=1,  # only the ranking is wanted
        positions=str(info["positions"]),
        baseline=str(info["baseline"]),
        bos="yes" if info["bos"] else "no",
        progress=progress,
    )


def _not_free(nodes: Nodes, ranked: Circuit, bench: AblatedRuns, free: int) -> Nodes:
    """The candidates that an ablated run can ablate, and that have an effect at all."""
    sites = bench.sites(free)
    indices = [index for index, site in enumerate(ranked.sites) if site in sites]
    return nodes.take(np.flatnonzero(np.isin(nodes.site, indices) & (nodes.effect != 0)))


def _curve(
    name: str,
    nodes: Nodes,
    orders: list[NDArray[np.int64]],
    bench: AblatedRuns,
    free: int,
    sizes: int,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """One curve; several orders are averaged example by example."""
    sites = bench.sites(free)
    full, empty = bench.full(), bench.run(Nodes.none(), sites)
    counts, at_fractions = _sizes(len(nodes), sizes), nodes_at(len(nodes))
    faithful: dict[int, dict[str, Any]] = {}
    complete: list[dict[str, Any]] = []
    every = sorted({*counts, *at_fractions})
    for number, count in enumerate(every):
        some = [nodes.take(order[:count]) for order in orders]
        kept = np.mean([bench.run(part, sites) for part in some], axis=0)
        faithful[count] = ratio(kept, empty, full, seed=seed)
        if count in counts:
            rest = np.mean([bench.run(part, sites, complement=True) for part in some], axis=0)
            complete.append(ratio(rest, empty, full, seed=seed))
        progress(number + 1, len(every), name)
    scores = [faithful[count] for count in counts]
    values = [score["value"] for score in scores]
    shares = [faithful[count]["value"] for count in at_fractions]
    return {
        "name": name,
        "nodes": counts,
        "faithfulness": values,
        "faithfulness_low": [score["low"] for score in scores],
        "faithfulness_high": [score["high"] for score in scores],
        "completeness": [score["value"] for score in complete],
        "needed": {f"{level:g}": needed(counts, values, level) for level in LEVELS},
        "candidates": len(nodes),
        "areas": {**areas(shares), "nodes": at_fractions, "faithfulness": shares},
    }


def _sizes(largest: int, count: int) -> list[int]:
    """Circuit sizes from 1 to ``largest``, evenly spaced on a logarithmic scale."""
    if largest == 0:
        raise BadInput(
            "no node of the layers that are not free has an effect",
            expected="some nodes",
            mend="use fewer --free-layers",
        )
    return sorted({int(n) for n in np.geomspace(1, largest, count).round()})
