"""First pass: the mean effect of every node, streamed batch by batch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from circuitscope.discovery.job import Job
from circuitscope.discovery.sums import Sums, add, sum_examples
from circuitscope.effects import TOLERANCE, NodeEffects
from circuitscope.errors import argument
from circuitscope.results import Nodes, QuadratureGap
from circuitscope.tasks import Inputs
from circuitscope.terms import ERROR, SUMMED, Site
from circuitscope.work import Arrays, Unit, finished

log = logging.getLogger("circuitscope")


@dataclass(frozen=True)
class NodePass:
    """What the first pass found."""

    nodes: Nodes
    """Every node with an effect."""
    gaps: Mapping[str, QuadratureGap]
    """Per site: the largest quadrature gap of a batch and the points that it took."""
    clean_metric: float
    """Mean of −m on clean inputs."""
    patch_metric: float | None
    """Mean of −m on patch inputs; None for single inputs."""


def node_pass(job: Job) -> NodePass:
    """Mean effect and standard error of every node over the job's examples."""
    units = [Unit(f"nodes-{number:05d}", partial(_batch, number=number)) for number in range(job.n_batches)]
    return _combine(job, [arrays for _, arrays in finished(units, job, job.partial, job.progress, "nodes")])


def _gradients(effects: NodeEffects) -> Arrays:
    return {
        site.name: side.gradient.float().cpu().numpy()
        if side.gradient.dtype == torch.bfloat16
        else side.gradient.cpu().numpy()
        for site, side in effects.sites.items()
        if side.gradient is not None
    }


def _batch(job: Job, *, number: int) -> Arrays:
    """The sums of one batch; its gradients and effects are left for the second pass."""
    inputs = job.batch(number)
    effects = job.effects(inputs, method=job.settings.method)
    if job.keeps_gradients and job.settings.method != "exact":
        job.partial.put(f"gradients-{number:05d}", _gradients(effects))
    arrays = _sums(job, inputs, effects)
    job.remember(number, effects)
    return arrays


def _sums(job: Job, inputs: Inputs, effects: NodeEffects) -> Arrays:
    """The sums of one batch, as plain arrays."""
    arrays: Arrays = {"clean_metric": effects.clean_metric.double().cpu().numpy()}
    if effects.patch_metric is not None:
        arrays["patch_metric"] = effects.patch_metric.double().cpu().numpy()
    for site, side in effects.sites.items():
        sums = _site_sums(job, inputs, effects, site)
        for name, column in vars(sums).items():
            arrays[f"{site}.{name}"] = column
        arrays[f"{site}.quadrature"] = np.array(
            [np.nan if side.gap is None else side.gap, float(side.points)]
        )
    return arrays


def _site_sums(job: Job, inputs: Inputs, effects: NodeEffects, site: Site) -> Sums:
    return sum_examples(*site_entries(job, inputs, effects, site), job.n_keys(site))


def site_entries(
    job: Job, inputs: Inputs, effects: NodeEffects, site: Site
) -> tuple[Int[Tensor, " entry"], Int[Tensor, " entry"], Float[Tensor, " entry"]]:
    """The effects of one site as entries: example in the batch, key of the node, effect."""
    side = effects.sites[site]
    positions = inputs.clean.positions
    tokens = inputs.clean.live.flatten().nonzero()[:, 0]
    error: Tensor = side.error_effect.flatten()[tokens]
    some = error != 0  # the identity has no errors
    key = torch.cat(
        [
            job.feature_keys(side, inputs),
            job.error_keys(inputs, tokens[some], side.features.n_features),
        ]
    )
    token = torch.cat([side.features.token, tokens[some]])
    value = torch.cat([side.feature_effect, error[some]])
    return torch.div(token, positions, rounding_mode="floor"), key, value


def node_columns(job: Job, index: int, site: Site, key: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """What the keys of a site's nodes stand for: the columns that name a node."""
    stride = job.dictionaries[site].n_features + 1
    feature = key % stride
    return {
        "site": np.full(len(key), index),
        "feature": np.where(feature == stride - 1, ERROR, feature),
        "position": key // stride if job.keep_positions else np.full(len(key), SUMMED),
    }


def _combine(job: Job, done: list[Arrays]) -> NodePass:
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in Nodes.__dataclass_fields__}
    gaps = {}
    for index, site in enumerate(job.dictionaries):
        sums = add(
            [Sums(part[f"{site}.key"], part[f"{site}.total"], part[f"{site}.squares"]) for part in done]
        )
        for name, column in node_columns(job, index, site, sums.key).items():
            columns[name].append(column)
        columns["effect"].append(sums.mean(len(job.examples)))
        columns["stderr"].append(sums.stderr(len(job.examples)))
        quadratures = np.array([part[f"{site}.quadrature"] for part in done])
        if not np.isnan(quadratures[:, 0]).all():
            gaps[site.name] = QuadratureGap(
                float(np.nanmax(quadratures[:, 0])), float(quadratures[:, 1].max())
            )
    _warn_of_gaps(job, gaps)
    patch = [part["patch_metric"] for part in done if "patch_metric" in part]
    return NodePass(
        Nodes(**{name: np.concatenate(parts) for name, parts in columns.items()}),
        gaps,
        -float(np.concatenate([part["clean_metric"] for part in done]).mean()),
        -float(np.concatenate(patch).mean()) if patch else None,
    )


def _warn_of_gaps(job: Job, gaps: Mapping[str, QuadratureGap]) -> None:
    for site, entry in gaps.items():
        if entry.gap > TOLERANCE:
            log.warning(
                "the effects of %s do not add up to the site's total effect: the quadrature gap is %.1e with "
                f"%d points (%s); use more points, or {argument('method', 'exact')}",
                site,
                entry.gap,
                entry.points,
                job.settings.rule,
            )
