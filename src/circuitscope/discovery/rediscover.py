"""The discovery that a circuit came from, taken up again for other nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from circuitscope.config import parse_bytes
from circuitscope.dictionaries import Dictionaries
from circuitscope.discovery.edge_pass import edge_pass
from circuitscope.discovery.job import Job
from circuitscope.discovery.select import select_edges
from circuitscope.model import LanguageModel
from circuitscope.results import Circuit, Nodes
from circuitscope.tasks import Metric, Task
from circuitscope.work import Progress, silent

MEMORY = "2GiB"
"""Activations that one replayed batch may hold, as in discovery."""


def job_again(
    circuit: Circuit,
    model: LanguageModel,
    dictionaries: Dictionaries,
    task: Task,
    metric: Metric,
    *,
    batch_size: int = 16,
    progress: Progress = silent,
) -> Job:
    """What ``circuit`` was discovered with, on the same examples."""
    info = circuit.info
    bos = bool(info.get("bos"))
    encoded, _ = task.encode(str(info["split"]), model.tokenizer, bos=bos, limit=int(info["examples"]))
    return Job(
        model,
        dictionaries,
        metric,
        tuple(encoded),
        bos,
        circuit.keeps_positions,
        str(info["method"]),
        str(info.get("rule") or "gauss"),
        info.get("points"),
        batch_size,
        parse_bytes(MEMORY),
        progress=progress,
    )


def circuit_of(nodes: Nodes, circuit: Circuit, job: Job) -> Circuit:
    """The circuit of other nodes of the same discovery: their edges are computed anew, T_E stays.

    The node threshold that it records is the smallest |mean effect| of its nodes, and says nothing about how they
    were chosen.
    """
    edges_at = str(circuit.info["edges_at"])
    edges, silent = edge_pass(job, nodes, edges_at)
    edges, edge_cut = select_edges(edges, float(circuit.info["thresholds"]["edge"]), 0.0)
    made = replace(circuit, nodes=nodes, edges=edges, evaluation=None)
    info = {
        **circuit.info,
        "thresholds": {"node": float(np.abs(nodes.effect).min()), "edge": edge_cut},
        "nodes_asked": None,
        "silent": [str(made.ids[row]) for row in silent],
    }
    return replace(made, info=info)
