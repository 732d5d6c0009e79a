"""prune: the smallest circuit found that keeps a given faithfulness.

A circuit's nodes are the strongest by |effect| in the whole model, and not all of them are needed once the rest is
ablated. Three ways choose among the nodes that had an effect in the discovery:

* thresholding (``thresholding``): the N strongest, as few as possible. This is what the others are compared with;
* greedy elimination (``greedy``): the least useful are left out, with effects recomputed within what is left;
* learned masks (``learned``): shares of all nodes trained together.

A fourth (``by_flow``) looks at the circuit's own edges instead, and keeps the nodes and edges that carry most of what
flows through them.

All choose on one split, by the mean faithfulness there, for what is asked for; to compare, for 50, 75 and 90 % too.
The other split is only measured on. Sites of free layers are never ablated: the circuit's nodes there stay and are
not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np

from circuitscope.config import PruneConfig, settings_from
from circuitscope.dictionaries import Dictionaries
from circuitscope.discovery import circuit_of, job_again
from circuitscope.errors import BadInput, NothingFound, argument
from circuitscope.evaluation import (
    LEVELS,
    FaithfulnessScale,
    RowNumbers,
    ablated_runs_for,
    coverage_of,
    free_layers_of,
)
from circuitscope.model import LanguageModel
from circuitscope.pruning.by_flow import carrying
from circuitscope.pruning.search import FLOW, METHODS, THRESHOLDING, TIME, FoundNodes, NodeSearch, Table
from circuitscope.pruning.trials import Watch
from circuitscope.results import Circuit, Nodes, PruneChoice, PruneResult, PruneRow
from circuitscope.sources import Loaded, expect_sources, reopen
from circuitscope.tasks import Examples, Measure, Metric, Task
from circuitscope.terms import ERROR
from circuitscope.work import Progress, shown, silent


@dataclass(frozen=True)
class Pruned:
    """The smallest circuit found, and how it compares."""

    circuit: Circuit
    """With its edges recomputed; ``findings.pruned`` says how it was chosen."""
    result: PruneResult
    """A row per method and level, and which method was best."""


def prune(
    circuit: Circuit,
    model: LanguageModel | None = None,
    dictionaries: Dictionaries | None = None,
    task: Task | str | Path | Examples | None = None,
    *,
    faithfulness: float = 0.9,
    by: str = "best",
    candidates: int | None = None,
    metric: str | Metric | Measure | None = None,
    select_examples: int = 300,
    split: str = "train",
    examples: int = 40,
    baseline: str = "auto",
    errors: str = "circuit",
    free_layers: int | None = None,
    steps: int = 60,
    compare: bool = False,
    time: str | float | None = None,
    batch_size: int = 128,
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Pruned:
    """Find a smaller circuit that keeps the behaviour.

    Args:
        circuit: as ``discover`` made it; nodes that it does not have may be added.
        model, dictionaries, task: loaded by the circuit's recipe where they are left out.
        faithfulness: what to keep, above 0 and at most 1, on the examples that select nodes.
        by: ``greedy``, ``masks``, ``best``, which takes the smaller circuit of the two, or ``flow``: the nodes and
            edges that carry ``faithfulness`` of the flow through the circuit's edges, whatever they keep.
        select_examples: how many examples of ``split`` select nodes. Fewer make smaller circuits that keep less on
            other examples.
        examples: how many of the other split to measure on.
        compare: also search for 50, 75 and 90 %, for the whole table of ways and levels.
        time: how long the search may take, in seconds or as ``5m``; what was found by then is returned, as it is
            when the search is interrupted (Ctrl-C). ``result.ended`` says so.
        seed: for the intervals and for what ``resample`` draws; nothing else is random.
        other arguments: as in ``circuitscope.config.PruneConfig``.

    Raises:
        NothingFound: no circuit found keeps the faithfulness; says how faithful the best is. Or none was found in
            time.
    """
    expect_sources("prune", circuit, model, dictionaries, task)
    config = settings_from(PruneConfig, locals())
    with shown(progress) as tell:
        loaded = reopen(circuit, model, dictionaries, task, device=device, dtype=dtype, progress=tell)
        return prune_circuit(circuit, loaded, config, metric=metric, progress=tell)


def prune_circuit(
    circuit: Circuit,
    loaded: Loaded,
    config: PruneConfig,
    *,
    metric: str | Metric | Measure | None = None,
    progress: Progress = silent,
) -> Pruned:
    """``prune`` with the settings as one value and everything loaded."""
    if circuit.candidates is None:
        raise BadInput(
            "the circuit has no ranking of all its candidates", expected="a circuit as discover made it"
        )
    free = free_layers_of(loaded.model, config.free_layers)

    def scale_of(which: str, count: int) -> FaithfulnessScale:
        here = replace(config, split=which, examples=count)
        return FaithfulnessScale(ablated_runs_for(circuit, loaded, here, metric=metric), free, config.seed)

    scale = scale_of(config.split, config.select_examples)
    scale.refuse_undefined(config.split)
    ranked = _ranked(circuit, scale)
    levels = sorted({*LEVELS, config.faithfulness} if config.compare else {config.faithfulness})
    search = NodeSearch(scale, ranked, levels, config, Watch.start(config.seconds), progress)
    parts: dict[float, Circuit] = {}
    if config.by == FLOW:
        parts = _by_flow(circuit, search)
        chosen, rows = FLOW, search.table[FLOW][config.faithfulness].rows
        assert rows is not None
    else:
        search.run()
        chosen, rows = _best(search)
    other = "test" if config.split == "train" else "train"
    held = scale_of(other, config.examples)
    result = PruneResult(
        task=loaded.task.name,
        model=loaded.model.name,
        metric=scale.runs.metric.name,
        metric_shown_as=scale.runs.metric.shown_as,
        split=config.split,
        examples=len(scale.full),
        held_out=other,
        errors=config.errors,
        coverage=coverage_of(min(len(scale.full), held.examples)),
        free_layers=free,
        asked=config.faithfulness,
        candidates=len(ranked),
        levels=tuple(levels),
        chosen=chosen,
        rows=_measured(search.table, ranked, scale, held),
        ended=search.ended,
    )
    if config.by == FLOW:  # it keeps edges too, and those that it keeps are as they were
        smaller = parts[config.faithfulness]
    else:
        job = job_again(circuit, loaded, scale.runs.metric, progress=progress)
        smaller = circuit_of(_with_free(ranked.take(rows), circuit, scale), circuit, job)
    choice = PruneChoice(config.faithfulness, chosen, config.split, len(scale.full), len(rows), free)
    findings = replace(smaller.findings, pruned=choice)
    return Pruned(replace(smaller, evaluation=None, findings=findings), result)


def _by_flow(circuit: Circuit, search: NodeSearch) -> dict[float, Circuit]:
    """What carries each share of the flow, as circuits and in the search's table; and thresholding beside it."""
    search.run(only_thresholds=True)
    search.table[FLOW] = {}
    parts = {}
    for level in search.levels:
        started = perf_counter()
        parts[level] = carrying(circuit, level)
        rows = _rows_in(search.ranked, parts[level].nodes)
        search.table[FLOW][level] = FoundNodes(rows, perf_counter() - started)
    return parts


def _rows_in(ranked: Nodes, some: Nodes) -> RowNumbers:
    """Where some nodes stand among the ranked ones; nodes of free layers do not."""
    columns = [np.stack([nodes.site, nodes.feature, nodes.position]).T.tolist() for nodes in (ranked, some)]
    place = {tuple(node): row for row, node in enumerate(columns[0])}
    return np.array(sorted(place[tuple(node)] for node in columns[1] if tuple(node) in place), dtype=np.int64)


def _ranked(circuit: Circuit, scale: FaithfulnessScale) -> Nodes:
    """The candidates that an ablated run can leave out, by decreasing |effect|."""
    nodes = circuit.candidates
    assert nodes is not None
    wanted = np.isin(nodes.site, _ablated(circuit, scale)) & (nodes.effect != 0)
    if scale.runs.errors != "circuit":  # all are kept or all ablated, whatever the circuit says
        wanted &= nodes.feature != ERROR
    some = nodes.take(np.flatnonzero(wanted))
    if len(some) == 0:
        raise NothingFound(
            "no node in the layers that are not free has an effect",
            expected="some nodes",
            mend=f"use fewer {argument('free_layers')}",
        )
    return some.take(some.strongest())


def _ablated(circuit: Circuit, scale: FaithfulnessScale) -> list[int]:
    return [index for index, site in enumerate(circuit.sites) if site in scale.sites]


def _with_free(chosen: Nodes, circuit: Circuit, scale: FaithfulnessScale) -> Nodes:
    """The nodes chosen and those that the circuit has in free layers, in the order of computation."""
    stay = circuit.nodes.take(np.flatnonzero(~np.isin(circuit.nodes.site, _ablated(circuit, scale))))
    columns = {
        name: np.concatenate([getattr(stay, name), getattr(chosen, name)])
        for name in Nodes.__dataclass_fields__
    }
    nodes = Nodes(**columns)
    last = np.where(nodes.feature == ERROR, np.iinfo(np.int64).max, nodes.feature)
    return nodes.take(np.lexsort((last, nodes.position, nodes.site)))


def _best(search: NodeSearch) -> tuple[str, RowNumbers]:
    """The smallest set of those that were looked for; the first of equals.

    If the search ended early, it may be the one by thresholding.
    """
    config, asked = search.config, search.config.faithfulness
    ways = (*METHODS[config.by], *([THRESHOLDING] if search.ended else []))
    sets = [(way, search.table[way][asked].rows) for way in ways if asked in search.table.get(way, {})]
    reached = [(way, rows) for way, rows in sets if rows is not None]
    longer = f"allow a longer {argument('time')}" if search.ended == TIME else "let it search longer"
    if not reached and search.ended:
        raise NothingFound(
            f"no circuit that keeps a faithfulness of {asked:g} was found before the search was stopped",
            expected="time for at least the first way, thresholding",
            mend=f"{longer}, or use fewer {argument('select_examples')}",
        )
    if not reached:
        simple = search.table[THRESHOLDING][asked].rows
        raise NothingFound(
            f"among the {config.candidates} strongest nodes, no circuit was found that keeps a faithfulness of "
            f"{asked:g}",
            expected=f"enough nodes to select from; thresholding needs {0 if simple is None else len(simple)}",
            mend=f"raise {argument('candidates')}, or leave it out",
        )
    return min(reached, key=lambda item: len(item[1]))


def _strongest(ranked: Nodes, some: Nodes) -> Nodes:
    """What thresholding takes with as many nodes."""
    return ranked.take(np.arange(len(some)))


def _measured(
    found: Table, ranked: Nodes, scale: FaithfulnessScale, held: FaithfulnessScale
) -> tuple[PruneRow, ...]:
    """The comparison; ``same_size`` is thresholding with as many nodes, on the held-out split."""
    rows = []
    for method, by_level in found.items():
        for level, one in sorted(by_level.items()):
            some = None if one.rows is None else ranked.take(one.rows)
            rows.append(
                PruneRow(
                    method,
                    level,
                    None if some is None else len(some),
                    None if some is None else scale.score(some),
                    None if some is None else held.score(some),
                    None if some is None else held.score(_strongest(ranked, some)),
                    one.seconds,
                )
            )
    return tuple(rows)
