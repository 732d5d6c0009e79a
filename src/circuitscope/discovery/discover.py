"""discover: from a model, its dictionaries and a task to a circuit (Marks et al. 2024, section 3.1).

1. Settle what was left open: metric, positions, BOS; tokenise the examples, leave out and count those that cannot
   be used. Look whether the model has the behaviour, and say so if it does not.
2. First pass: the mean effect of every node (``node_pass``).
3. Keep the nodes with |mean effect| > T_N, or the N strongest.
4. Second pass: the effects of edges between them (``edge_pass``); keep those with |mean effect| > T_E.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from circuitscope.config import DiscoverySettings, settings_from
from circuitscope.dictionaries import Dictionaries
from circuitscope.discovery.edge_pass import edge_pass
from circuitscope.discovery.job import Job
from circuitscope.discovery.node_pass import NodePass, node_pass
from circuitscope.discovery.select import reaching_output, select_edges, select_nodes
from circuitscope.discovery.settle import baseline_of, edges_at_of
from circuitscope.errors import BadInput, NothingFound, argument, expect
from circuitscope.model import LanguageModel
from circuitscope.results import Circuit, Findings, Recipe, behaviour_doubts, contrasting
from circuitscope.sources import Loaded
from circuitscope.tasks import (
    METRICS,
    Encoded,
    Examples,
    Measure,
    Metric,
    Skipped,
    Task,
    answer_scores,
    load_task,
    longest_kept,
    refuse_unreadable,
)
from circuitscope.work import Partial, Progress, shown, silent

log = logging.getLogger("circuitscope")

PartialMaker = Callable[[Mapping[str, Any]], Partial]


@dataclass(frozen=True)
class Work:
    """How a discovery goes about it, beside what it is: where finished batches are kept, and who is told."""

    partial: PartialMaker | None = None
    """Makes the store of finished batches from the job's plan; None keeps them in memory only."""
    progress: Progress = field(default=silent)
    trial: bool = False
    """Whether it is only to see how long it takes: nothing is said about the examples then."""


def discover(
    model: LanguageModel,
    dictionaries: Dictionaries,
    task: Task | str | Path | Examples,
    *,
    examples: int = 100,
    split: str = "train",
    metric: str | Metric | Measure = "auto",
    method: str = "ig",
    rule: str = "gauss",
    points: int | None = None,
    node_threshold: float | None = None,
    nodes: int | None = None,
    edge_threshold: float | None = None,
    edges_at: str = "auto",
    edge_points: int | None = None,
    connected: bool = False,
    positions: str = "auto",
    baseline: str = "auto",
    bos: str = "auto",
    truncate: str = "no",
    batch_size: int = 16,
    memory: str = "auto",
    partial: PartialMaker | None = None,
    progress: Progress | bool | None = None,
) -> Circuit:
    """Discover the circuit of a task; ``circuitscope.config.DiscoverySettings`` says what each setting means.

    Args:
        task: a task, or anything that ``load_task`` takes.
        metric: a name, or a function (logits (batch, 1, vocab), inputs) -> (batch,) that is a loss.
        partial: makes the store of finished batches from the job's plan; None keeps them in memory only.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Raises:
        NothingFound: no example is usable, or no node is strong enough.
    """
    call = "discover(model, dictionaries, task)"
    expect(model, LanguageModel, "model", call)
    expect(dictionaries, Dictionaries, "dictionaries", call)
    expect(task, Task | str | Path | Sequence, "task", call)
    by_name = {"metric": metric if isinstance(metric, str) else "auto"}
    settings = settings_from(DiscoverySettings, locals() | by_name)
    loaded = Loaded(model, dictionaries, load_task(task, model))
    given = None if isinstance(metric, str) else metric
    with shown(progress) as tell:
        return discover_circuit(loaded, settings, Work(partial, tell), metric=given)


def discover_circuit(
    loaded: Loaded,
    settings: DiscoverySettings,
    work: Work | None = None,
    *,
    metric: Metric | Measure | None = None,
    seed: int = 0,
) -> Circuit:
    """Discover a circuit by settings that are one value.

    Args:
        metric: a metric that has no name, in place of that of ``settings``.
        seed: recorded in the recipe; discovery itself draws nothing.
    """
    edges_at_of(settings.edges_at, pairs=loaded.task.pairs, points=settings.edge_points)  # before any work
    work = work or Work()
    job, skipped = prepare(loaded, settings, work, metric=metric)
    right = None if work.trial else behaviour_shown(job, contrasts=loaded.task.contrasts)
    recipe = Recipe(
        loaded.model.as_source(),
        loaded.dictionaries.as_source(),
        loaded.task.as_source(),
        job.settings,
        job.metric.shown_as,
        seed,
    )
    circuit = _circuit(job, recipe, skipped)
    return replace(circuit, findings=replace(circuit.findings, right=right))


def behaviour_shown(job: Job, *, contrasts: bool) -> float | None:
    """The share of clean inputs on which the model prefers the clean answer; what speaks against a circuit is logged.

    None for classifiers, whose answers are no tokens, and for metrics of one's own, which may ask something else.
    """
    name, examples = job.metric.name, job.examples
    right, mean = None, None
    if METRICS.get(name) is job.metric:
        scores = answer_scores(
            job.model,
            examples,
            job.metric,
            has_bos=job.settings.has_bos,
            batch_size=job.settings.batch_size,
        )
        right = float(scores.right.double().mean())
        mean = float(scores.metric.double().mean()) if contrasting(name) else None
    for doubt in behaviour_doubts(examples=len(examples), right=right, clean=mean, contrasts=contrasts):
        log.warning("%s", doubt)
    return right


def prepare(
    loaded: Loaded, settings: DiscoverySettings, work: Work, *, metric: Metric | Measure | None = None
) -> tuple[Job, Skipped]:
    """What the two passes work on, with nothing left open, and the examples that were left out, by reason."""
    model, task = loaded.model, loaded.task
    has_bos = task.has_bos(settings.bos, loaded.dictionaries.prepend_bos, model.tokenizer)
    encoded, skipped = task.encode(
        settings.split,
        model.tokenizer,
        bos=has_bos,
        limit=settings.examples,
        longest=longest_kept(model, settings.truncate),
    )
    refuse_unreadable(encoded, model, task.name)
    chosen = loaded.metric(settings.metric if metric is None else metric)
    keeps = _keeps_positions(settings.positions, task, encoded)
    settled = replace(
        settings,
        metric=chosen.name,
        positions="keep" if keeps else "sum",
        bos="yes" if has_bos else "no",
        edges_at=edges_at_of(settings.edges_at, pairs=task.pairs, points=settings.edge_points),
        baseline=baseline_of(settings.baseline, is_prompt=task.is_prompt),
    )
    job = Job(model, loaded.dictionaries, chosen, tuple(encoded), settled, progress=work.progress)
    return (job if work.partial is None else replace(job, partial=work.partial(job.plan()))), skipped


def _circuit(job: Job, recipe: Recipe, skipped: Skipped) -> Circuit:
    settings = job.settings
    found = node_pass(job)
    rows, node_cut = select_nodes(found.nodes, settings.node_threshold, settings.nodes)
    kept = found.nodes.take(rows)
    found_edges = edge_pass(job, kept)
    edges, edge_cut = select_edges(found_edges.edges, settings.edge_threshold, node_cut)
    circuit = Circuit(tuple(job.dictionaries), kept, edges, recipe, candidates=found.nodes)
    reached = reaching_output(len(kept), edges) if settings.connected else np.arange(len(kept))
    if len(reached) == 0:
        raise NothingFound(
            f"no node has a path of edges above {edge_cut:g} to the output",
            expected="an edge threshold that leaves some",
            mend=f"lower {argument('edge_threshold')}, or leave out {argument('connected')}",
        )
    findings = Findings(
        examples=len(job.examples),
        node_threshold=node_cut,
        edge_threshold=edge_cut,
        clean_metric=found.clean_metric,
        patch_metric=found.patch_metric,
        quadrature=found.gaps,
        edge_gaps=found_edges.gaps,
        tokens=_tokens(job),
        skipped=dict(skipped),
        silent=tuple(str(circuit.ids[row]) for row in np.intersect1d(found_edges.silent, reached)),
    )
    return replace(circuit, findings=findings).keep(reached)


def _tokens(job: Job) -> tuple[str, ...] | None:
    return tuple(position_tokens(job.model, job.examples)) if job.keep_positions else None


def _keeps_positions(choice: str, task: Task, encoded: list[Encoded]) -> bool:
    lengths = Counter(example.length for example in encoded)
    if choice == "auto":
        return task.is_template and len(lengths) == 1
    if choice == "keep" and len(lengths) > 1:
        found = ", ".join(f"{count} of {length} tokens" for length, count in sorted(lengths.items()))
        raise BadInput(
            f"positions cannot be kept: the examples of {task.name} have different lengths ({found})",
            expected="one length for all, as templates have",
            mend=argument("positions", "sum"),
        )
    return choice == "keep"


def position_tokens(model: LanguageModel, encoded: Sequence[Encoded]) -> list[str]:
    """A heading per position: the token there, or the first of several with an ellipsis."""
    headings = []
    for position in range(encoded[0].length):
        ids = list(dict.fromkeys(example.clean[position] for example in encoded))
        text = str(model.tokenizer.decode([ids[0]]))
        headings.append(text if len(ids) == 1 else f"{text}…")
    return headings


__all__ = ["NodePass", "Work", "discover", "discover_circuit", "position_tokens", "prepare"]
