"""The discovery that a circuit came from, taken up again by its own recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from circuitscope.discovery.discover import Work, prepare
from circuitscope.discovery.edge_pass import edge_pass
from circuitscope.discovery.job import Job
from circuitscope.discovery.select import select_edges
from circuitscope.results import Circuit, Nodes
from circuitscope.sources import Loaded
from circuitscope.tasks import Metric
from circuitscope.work import Progress, silent


def job_again(circuit: Circuit, loaded: Loaded, metric: Metric, *, progress: Progress = silent) -> Job:
    """What ``circuit`` was discovered with, on the same examples and with the same settings."""
    job, _ = prepare(loaded, circuit.made_by.settings, Work(progress=progress), metric=metric)
    return job


def circuit_of(nodes: Nodes, circuit: Circuit, job: Job) -> Circuit:
    """The circuit of other nodes of the same discovery: their edges are computed anew, T_E stays.

    The node threshold that it records is the smallest |mean effect| of its nodes, and says nothing about how they
    were chosen.
    """
    found = edge_pass(job, nodes)
    edges, edge_cut = select_edges(found.edges, circuit.findings.edge_threshold or 0.0, 0.0)
    made = replace(circuit, nodes=nodes, edges=edges, evaluation=None)
    findings = replace(
        circuit.findings,
        node_threshold=float(np.abs(nodes.effect).min()),
        edge_threshold=edge_cut,
        silent=tuple(str(made.ids[row]) for row in found.silent),
        edge_gaps=found.gaps,
    )
    return replace(made, findings=findings)
