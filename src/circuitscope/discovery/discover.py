"""discover: from a model, its dictionaries and a task to a circuit (Marks et al. 2024, section 3.1).

1. Tokenise the examples; leave out, and count, those that cannot be used.
2. First pass: the mean effect of every node (``node_pass``).
3. Keep the nodes with |mean effect| > T_N, or the N strongest.
4. Second pass: the effects of edges between them (``edge_pass``); keep those with |mean effect| > T_E.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from circuitscope.config import parse_bytes
from circuitscope.dictionaries import Dictionaries
from circuitscope.discovery.edge_pass import edge_pass
from circuitscope.discovery.job import Job
from circuitscope.discovery.node_pass import NodePass, node_pass
from circuitscope.discovery.select import reaching_output, select_edges, select_nodes
from circuitscope.effects import EDGES_AT
from circuitscope.errors import BadInput, NothingFound
from circuitscope.model import LanguageModel, decide_bos, fingerprint
from circuitscope.results import Circuit
from circuitscope.tasks import Encoded, Examples, Metric, Task, load_task, metric_named
from circuitscope.work import Partial, Progress, shown

PartialMaker = Callable[[Mapping[str, Any]], Partial]


def discover(
    model: LanguageModel,
    dictionaries: Dictionaries,
    task: Task | str | Path | Examples,
    *,
    examples: int = 100,
    split: str = "train",
    metric: str | Metric | Callable[..., Any] = "auto",
    method: str = "ig",
    rule: str = "gauss",
    points: int | None = None,
    node_threshold: float | None = None,
    nodes: int | None = None,
    edge_threshold: float | None = None,
    edges_at: str = "clean",
    connected: bool = False,
    positions: str = "auto",
    baseline: str = "mean",
    bos: str = "auto",
    batch_size: int = 16,
    memory: str = "2GiB",
    partial: PartialMaker | None = None,
    progress: Progress | bool | None = None,
) -> Circuit:
    """Discover the circuit of a task.

    Args:
        task: a task, or anything that ``load_task`` takes.
        examples: how many examples of ``split`` to average over.
        metric: a name, or a function (logits (batch, 1, vocab), inputs) -> (batch,) that is a loss.
        method, rule, points: see ``node_effects``.
        node_threshold, nodes: T_N, or the number of strongest nodes; by default 100 nodes.
        edge_threshold: T_E; by default a tenth of the node threshold.
        edges_at: linearise edges at the ``clean`` run, the ``patch`` run, or take the mean of ``both``.
        connected: drop nodes without a path of edges to the output.
        positions: ``keep`` a node per position, ``sum`` over them, or ``auto``: keep for templates.
        baseline: what ablated nodes are set to when the circuit is evaluated; recorded with it.
        bos: whether texts begin with a BOS; ``auto`` follows the dictionaries, then the tokenizer.
        batch_size: examples that go through together; part of what makes results repeatable to the last bit.
        memory: bytes of activations that one replayed batch may hold, such as ``2GiB``.
        partial: makes the store of finished batches from the job's plan; None keeps them in memory only.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Raises:
        NothingFound: no example is usable, or no node is strong enough.
    """
    task = load_task(task, model)
    if edges_at not in EDGES_AT or (edges_at != "clean" and not task.pairs):
        raise BadInput(
            f"edges at {edges_at!r} for {'pairs' if task.pairs else 'single inputs'}",
            expected="clean, patch or both for pairs; clean for single inputs, whose zero baseline has no "
            "active features that edges could go into",
            mend="leave --edges-at away",
        )
    has_bos = decide_bos(bos, dictionaries.prepend_bos, model.tokenizer)
    encoded, skipped = task.encode(split, model.tokenizer, bos=has_bos, limit=examples)
    chosen = metric_named(metric, pairs=task.pairs)
    job = Job(
        model,
        dictionaries,
        chosen,
        tuple(encoded),
        has_bos,
        _keeps_positions(positions, task, encoded),
        method,
        rule,
        points,
        batch_size,
        parse_bytes(memory),
    )
    if partial is not None:
        job = replace(job, partial=partial(job.plan()))
    with shown(progress) as tell:
        job = replace(job, progress=tell)
        found = node_pass(job)
        rows, node_cut = select_nodes(found.nodes, node_threshold, nodes)
        kept = found.nodes.take(rows)
        edges, silent = edge_pass(job, kept, edges_at)
    edges, edge_cut = select_edges(edges, edge_threshold, node_cut)
    circuit = Circuit(tuple(dictionaries), kept, edges, candidates=found.nodes)
    reached = reaching_output(len(kept), edges) if connected else np.arange(len(kept))
    if len(reached) == 0:
        raise NothingFound(
            f"no node has a path of edges above {edge_cut:g} to the output",
            expected="an edge threshold that leaves some",
            mend="lower --edge-threshold, or leave --connected away",
        )
    info = {
        **_description(job, task, found),
        "thresholds": {"node": node_cut, "edge": edge_cut},
        "nodes_asked": nodes,
        "edges_at": edges_at,
        "baseline": baseline,
        "split": split,
        "skipped": dict(skipped),
        "silent": [str(circuit.ids[row]) for row in np.intersect1d(silent, reached)],
    }
    return replace(circuit, info=info).keep(reached)


def _description(job: Job, task: Task, found: NodePass) -> dict[str, Any]:
    """What a circuit says about where it comes from."""
    model, dictionaries = job.model, job.dictionaries
    return {
        "model": model.name,
        "model_hash": fingerprint(model),
        "n_layers": model.n_layers,
        "dictionaries": dictionaries.name,
        "dictionaries_hash": dictionaries.content_hash,
        "dictionary_kinds": dict(Counter(dictionary.kind for dictionary in dictionaries.values())),
        "task": task.name,
        "metric": job.metric.name,
        "metric_shown_as": job.metric.shown_as,
        "method": job.method,
        "rule": job.rule if job.method == "ig" else None,
        "points": job.points,
        "positions": "keep" if job.keep_positions else "sum",
        "bos": job.has_bos,
        "examples": len(job.examples),
        "dtype": str(model.dtype).removeprefix("torch."),
        "quadrature": found.gaps,
        "clean_metric": found.clean_metric,
        "patch_metric": found.patch_metric,
        "tokens": position_tokens(model, job.examples) if job.keep_positions else None,
    }


def _keeps_positions(choice: str, task: Task, encoded: list[Encoded]) -> bool:
    if choice not in ("auto", "keep", "sum"):
        raise BadInput(f"positions = {choice!r}", expected="auto, keep or sum")
    lengths = Counter(example.length for example in encoded)
    if choice == "auto":
        return task.is_template and len(lengths) == 1
    if choice == "keep" and len(lengths) > 1:
        found = ", ".join(f"{count} of {length} tokens" for length, count in sorted(lengths.items()))
        raise BadInput(
            f"positions cannot be kept: the examples of {task.name} have different lengths ({found})",
            expected="one length for all, as templates have",
            mend="--positions sum",
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
