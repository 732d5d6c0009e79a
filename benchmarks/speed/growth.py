"""How time and memory of a discovery grow with what is asked: one quantity doubled at a time, three times.

Every case is a process of its own that makes a random model with random dictionaries, then runs both passes of a
discovery. Seconds are processor time; memory is the peak above what was there before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks import clock
from benchmarks.shapes import Shape, random_dictionaries, random_model, random_pairs
from benchmarks.speed.works import afresh
from circuitscope.config import DiscoverySettings
from circuitscope.discovery.edge_pass import edge_pass
from circuitscope.discovery.job import Job
from circuitscope.discovery.node_pass import node_pass
from circuitscope.discovery.select import select_nodes
from circuitscope.tasks import make_inputs, metric_named

DOUBLINGS = 3
WIDTH = 128
ACTIVE = 50
POINTS = 3
"""Quadrature points of every site, so that all cases do equal work per site."""


@dataclass(frozen=True)
class Spent:
    """What a case took."""

    node_pass: float
    """Seconds of processor time."""
    edge_pass: float
    peak_mb: float | None


def measure_growth(base: Mapping[str, int]) -> list[dict[str, Any]]:
    """Each quantity of ``base`` doubled by itself; the others stay."""
    first = _in_own_process(base)
    return [_grown(base, name, first) for name in base]


def _grown(base: Mapping[str, int], name: str, first: Spent) -> dict[str, Any]:
    values = [base[name] * 2**step for step in range(DOUBLINGS + 1)]
    spent = [first, *(_in_own_process({**base, name: value}) for value in values[1:])]
    columns: dict[str, list[float | None]] = {
        "node_pass_s": [case.node_pass for case in spent],
        "edge_pass_s": [case.edge_pass for case in spent],
        "peak_mb": [case.peak_mb for case in spent],
    }
    exponents = {f"{column}_exponent": exponent(values, found) for column, found in columns.items()}
    return {"quantity": name, "base": dict(base), "values": values, **columns, **exponents}


def exponent(values: Sequence[float], measured: Sequence[float | None]) -> float | None:
    """b of the line log measured = a + b log value, by least squares."""
    if any(one is None or one <= 0 for one in measured):
        return None
    return float(np.polyfit(np.log(values), np.log(np.array(measured, dtype=float)), 1)[0])


def _in_own_process(case: Mapping[str, int]) -> Spent:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_be_quiet) as pool:
        return pool.submit(spend, dict(case)).result()


def _be_quiet() -> None:
    """Three points are for equal work, and warnings about them are not of interest."""
    logging.getLogger("circuitscope").setLevel(logging.ERROR)


def spend(case: dict[str, int]) -> Spent:
    """Run both passes, after a small run that warms everything up."""
    shape = Shape(case["layers"], WIDTH, WIDTH // 64, vocab=512)
    model = random_model(shape)
    pairs = random_pairs(case["examples"], case["tokens"], shape.vocab)
    calibration = make_inputs(pairs[:8], has_bos=False).clean
    job = Job(
        model,
        random_dictionaries(model, calibration, case["features"], ACTIVE),
        metric_named("logit-difference", pairs=True),
        tuple(pairs),
        DiscoverySettings(
            points=POINTS,
            positions="sum",
            bos="no",
            edges_at="secant",
            batch_size=case["examples"],
        ),
    )
    _passes(afresh(replace(job, examples=job.examples[:1])), case["nodes"])
    return _passes(afresh(job), case["nodes"])


def _passes(job: Job, count: int) -> Spent:
    before = clock.restart_peak()
    started = time.process_time()
    found = node_pass(job)
    rows, _ = select_nodes(found.nodes, None, count)
    between = time.process_time()
    edge_pass(job, found.nodes.take(rows))
    finished = time.process_time()
    peak = clock.peak_memory()
    return Spent(
        between - started,
        finished - between,
        None if peak is None or before is None else max(peak - before, 1) / 1e6,
    )
