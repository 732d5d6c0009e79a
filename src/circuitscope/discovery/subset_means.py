"""The first pass over several parts of the examples at once.

Every example's effects are computed once and added to each part that has the example, so that many random halves
cost as much as one first pass. What is kept is a number per node and part, not per node and example.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from circuitscope.discovery.job import Job
from circuitscope.discovery.node_pass import node_columns, site_entries
from circuitscope.discovery.sums import within_examples
from circuitscope.errors import BadInput
from circuitscope.results import Nodes
from circuitscope.terms import Site


def part_means(job: Job, parts: Bool[np.ndarray, "part example"]) -> list[Nodes]:
    """Mean node effects over each part of the job's examples.

    Args:
        parts: which examples belong to which part; every part has at least one.

    Returns:
        One set of nodes per part, all with the same rows: every node that had an effect on any example. What it
        has none of in a part is 0 there. Standard errors are left at 0.
    """
    if parts.shape[1] != len(job.examples) or not parts.any(axis=1).all():
        raise BadInput(
            f"parts of {parts.shape[1]} examples, of which {int((~parts.any(axis=1)).sum())} are empty",
            expected=f"parts of the {len(job.examples)} examples, none of them empty",
        )
    member = torch.from_numpy(parts).double().to(job.model.device)
    running = {site: _Running(len(parts)) for site in job.dictionaries}
    start = 0
    for number in range(job.n_batches):
        inputs = job.batch(number)
        effects = job.effects(inputs, method=job.settings.method)
        here = member[:, start : start + len(inputs)]
        start += len(inputs)
        for site in job.dictionaries:
            example, key, each = within_examples(*site_entries(job, inputs, effects, site), job.n_keys(site))
            running[site].add(key, each[:, None] * here.T[example])
        job.progress(number + 1, job.n_batches, "nodes of the halves")
    return _as_nodes(job, running, parts.sum(axis=1))


class _Running:
    """Totals per key and part, merged batch by batch."""

    def __init__(self, n_parts: int) -> None:
        self.key = np.zeros(0, np.int64)
        self.total = np.zeros((0, n_parts))

    def add(self, key: Tensor, value: Tensor) -> None:
        found, slot = torch.unique(key, return_inverse=True)
        total = torch.zeros(len(found), value.shape[1], dtype=value.dtype, device=value.device)
        total.index_add_(0, slot, value)
        new = found.cpu().numpy()
        merged = np.union1d(self.key, new)
        sums = np.zeros((len(merged), value.shape[1]))
        sums[np.searchsorted(merged, self.key)] += self.total
        sums[np.searchsorted(merged, new)] += total.cpu().numpy()
        self.key, self.total = merged, sums


def _as_nodes(job: Job, running: dict[Site, _Running], examples: NDArray[np.int64]) -> list[Nodes]:
    names: dict[str, list[NDArray[Any]]] = {"site": [], "feature": [], "position": []}
    for index, (site, sums) in enumerate(running.items()):
        for name, column in node_columns(job, index, site, sums.key).items():
            names[name].append(column)
    columns = {name: np.concatenate(parts) for name, parts in names.items()}
    means = np.concatenate([sums.total for sums in running.values()]) / examples
    nothing = np.zeros(len(means))
    return [Nodes(**columns, effect=effect, stderr=nothing) for effect in means.T]
