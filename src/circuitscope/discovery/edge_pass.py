"""Second pass: the edges between the nodes kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from circuitscope.discovery.job import Job
from circuitscope.discovery.sums import Sums, add, sum_examples
from circuitscope.effects import (
    DEFAULT_POINTS,
    SECANT,
    TOLERANCE,
    EdgeEffects,
    EdgeEntries,
    Inflow,
    NodeEffects,
    Rows,
    SiteEffects,
    edge_effects,
    output_effects,
)
from circuitscope.errors import argument
from circuitscope.results import EdgeGap, Edges, Nodes
from circuitscope.runs import hash_json
from circuitscope.tasks import Inputs
from circuitscope.terms import ERROR, Site
from circuitscope.work import Arrays, Unit, finished

log = logging.getLogger("circuitscope")

OUTPUT_POINTS = {"gauss": 12}
"""Quadrature points of edges into the output that have to be integrated anew; other rules take their usual."""


@dataclass(frozen=True)
class Index:
    """The kept nodes of each site: sorted keys, and each one's row in the circuit."""

    keys: Mapping[Site, Int[Tensor, " node"]]
    rows: Mapping[Site, Int[Tensor, " node"]]
    n_nodes: int

    def find(self, site: Site, keys: Int[Tensor, " query"]) -> Int[Tensor, " query"]:
        """The circuit's row of each key, -1 where it is not kept."""
        have = self.keys[site]
        if len(have) == 0:
            return torch.full_like(keys, -1)
        place = torch.searchsorted(have, keys).clamp(max=len(have) - 1)
        return torch.where(have[place] == keys, self.rows[site][place], -1)


@dataclass(frozen=True)
class EdgePass:
    """What the second pass found."""

    edges: Edges
    """Every edge with an effect between the nodes, and into the output."""
    silent: NDArray[np.int64]
    """Rows of the nodes that are never active where edges are taken: they have no in-edges, whatever their effect."""
    gaps: Mapping[str, EdgeGap]
    """Per site, how well the in-edges of its nodes add up."""


def edge_pass(job: Job, nodes: Nodes) -> EdgePass:
    """Mean edge effects between ``nodes``."""
    index, settings = _index(job, nodes), job.settings
    asked = [settings.edges_at, settings.edge_points]
    chosen = hash_json([*asked, nodes.site.tolist(), nodes.feature.tolist(), nodes.position.tolist()])[:12]
    units = [  # another threshold uses the first pass again, but not these
        Unit(f"edges-{chosen}-{number:05d}", partial(_batch, number=number, index=index))
        for number in range(job.n_batches)
    ]
    done = [arrays for _, arrays in finished(units, job, job.partial, job.progress, "edges")]
    sums = add([Sums(part["key"], part["total"], part["squares"]) for part in done])
    spoke = np.unique(np.concatenate([part["active"] for part in done]))
    n = len(job.examples)
    target = sums.key % (len(nodes) + 1)
    edges = Edges(
        sums.key // (len(nodes) + 1),
        np.where(target == len(nodes), -1, target),
        sums.mean(n),
        sums.stderr(n),
    )
    gaps = _gaps(job, done)
    _warn_of_gaps(job, gaps)
    return EdgePass(edges, np.setdiff1d(np.arange(len(nodes)), spoke), gaps)


def _gaps(job: Job, done: list[Arrays]) -> dict[str, EdgeGap]:
    """The edge gap of every site with rows, over all batches."""
    found = {}
    for site in job.dictionaries:
        parts = [part[f"{site}.inflow"] for part in done if f"{site}.inflow" in part]
        if not parts:
            continue
        missing, effect, remainder, elsewhere, points = np.stack(parts).T
        total = max(float(effect.sum()), 1e-30)
        shares = (float(part.sum()) / total for part in (missing, remainder, elsewhere))
        gap, by_remainder, from_elsewhere = shares
        found[site.name] = EdgeGap(gap, float(points.max()), by_remainder, from_elsewhere)
    return found


def _warn_of_gaps(job: Job, gaps: Mapping[str, EdgeGap]) -> None:
    """Say where shares do not add up; derivatives never claim to."""
    if job.settings.edges_at != SECANT:
        return
    loose = {site: entry for site, entry in gaps.items() if entry.gap > TOLERANCE}
    if not loose:
        return
    fixed = job.settings.edge_points is not None
    mend = f"leave out {argument('edge_points')}" if fixed else f"a larger {argument('dtype')} may help"
    log.warning(
        "the edges into %s do not add up to their nodes' effects: the edge gap is %s; %s",
        ", ".join(loose),
        ", ".join(f"{entry.gap:.1e}" for entry in loose.values()),
        mend,
    )


def _inflow_sums(inflow: Inflow) -> NDArray[np.float64]:
    """What ``_gaps`` adds up: |missing|, |effect|, |remainder|, |elsewhere|, and the most points of a row."""
    missing = inflow.edges + inflow.elsewhere - inflow.effect
    columns = (missing, inflow.effect, inflow.remainder, inflow.elsewhere)
    sums = [float(column.abs().double().sum()) for column in columns]
    return np.array([*sums, float(inflow.points.max())])


def _index(job: Job, nodes: Nodes) -> Index:
    keys, rows = {}, {}
    for number, site in enumerate(job.dictionaries):
        here = np.flatnonzero(nodes.site == number)
        stride = job.dictionaries[site].n_features + 1
        feature = np.where(nodes.feature[here] == ERROR, stride - 1, nodes.feature[here])
        key = feature + (nodes.position[here] * stride if job.keep_positions else 0)
        order = np.argsort(key)
        keys[site] = torch.from_numpy(key[order]).to(job.model.device)
        rows[site] = torch.from_numpy(here[order]).to(job.model.device)
    return Index(keys, rows, len(nodes))


def _effects(job: Job, number: int, inputs: Inputs, index: Index) -> NodeEffects:
    """The batch's effects with upstream features restricted to the nodes kept; gradients as first computed."""
    effects = job.remembered(number) if job.settings.method != "exact" else None
    if effects is None:
        effects = _again(job, number, inputs)
    kept = {
        site: side.only(index.find(site, job.feature_keys(side, inputs)) >= 0)
        for site, side in effects.sites.items()
    }
    return NodeEffects(**{**vars(effects), "sites": kept})


def _again(job: Job, number: int, inputs: Inputs) -> NodeEffects:
    """The effects of a batch that is no longer in memory."""
    saved = job.partial.get(f"gradients-{number:05d}")
    gradients = None
    if saved is not None:
        gradients = {
            site: torch.from_numpy(saved[site.name]).to(job.model.device, job.model.dtype)
            for site in job.dictionaries
        }
    # exact has no gradients: its edges use those of ig
    return job.effects(
        inputs, method="ig" if job.settings.method == "exact" else job.settings.method, gradients=gradients
    )


def _batch(job: Job, *, number: int, index: Index) -> Arrays:
    """Sums of one batch over (source, target), with the output as the target after the last node."""
    inputs = job.batch(number)
    effects = _effects(job, number, inputs, index)
    rows = {site: _rows(job, inputs, side, site, index) for site, side in effects.sites.items()}
    active = [
        _row_nodes(job, inputs, index, site, asked)[
            _is_active(effects.sites[site], asked, job.settings.edges_at)
        ]
        for site, asked in rows.items()
    ]
    blocks = edge_effects(
        job.model,
        job.dictionaries,
        effects,
        rows,
        at=job.settings.edges_at,
        points=job.settings.edge_points,
    )
    example, source, target, value = _flatten(job, inputs, rows, blocks, index)
    outputs = output_effects(
        job.model,
        job.dictionaries,
        effects,
        at=job.settings.edges_at,
        rule=job.settings.rule,
        points=job.settings.points or OUTPUT_POINTS.get(job.settings.rule, DEFAULT_POINTS),
    )
    for site, side in outputs.items():
        token, node, effect = _output(job, inputs, site, side, index)
        example.append(torch.div(token, inputs.clean.positions, rounding_mode="floor"))
        source.append(node)
        target.append(torch.full_like(node, index.n_nodes))
        value.append(effect)
    n = index.n_nodes + 1
    key = torch.cat(source) * n + torch.cat(target)
    sums = sum_examples(torch.cat(example), key, torch.cat(value), n * n)
    inflow = {f"{site}.inflow": _inflow_sums(found) for site, found in blocks.inflow.items()}
    return {**vars(sums), **inflow, "active": torch.unique(torch.cat(active)).cpu().numpy()}


def _rows(job: Job, inputs: Inputs, side: SiteEffects, site: Site, index: Index) -> Rows:
    """The kept nodes of a site at every token where they have an effect."""
    tokens = inputs.clean.live.flatten().nonzero()[:, 0]
    keys = job.error_keys(inputs, tokens, side.features.n_features)
    with_error = tokens[(index.find(site, keys) >= 0) & (side.error_delta.flatten(0, 1)[tokens] != 0).any(1)]
    token = torch.cat([side.features.token, with_error])
    feature = torch.cat([side.features.feature, torch.full_like(with_error, ERROR)])
    example = torch.div(token, inputs.clean.positions, rounding_mode="floor")
    return Rows(example, token - example * inputs.clean.positions, feature)


def _is_active(side: SiteEffects, rows: Rows, edges_at: str) -> Bool[Tensor, " row"]:
    """Whether a row's node is active where edges are taken; errors always are."""
    at_clean, at_patch = side.features.clean != 0, side.features.patch != 0
    either = at_clean | at_patch
    active = {"clean": at_clean, "patch": at_patch}.get(edges_at, either)
    return torch.cat([active, torch.ones_like(rows.feature[len(active) :], dtype=torch.bool)])


def _row_nodes(job: Job, inputs: Inputs, index: Index, site: Site, rows: Rows) -> Tensor:
    """The circuit's row of each downstream row."""
    return _nodes(job, inputs, index, site, rows.example, rows.position, rows.feature)


def _nodes(
    job: Job, inputs: Inputs, index: Index, site: Site, example: Tensor, position: Tensor, feature: Tensor
) -> Tensor:
    n_features = job.dictionaries[site].n_features
    token = example * inputs.clean.positions + position
    named = torch.where(feature == ERROR, n_features, feature)
    return index.find(site, job.keys(inputs, token, named, n_features))


def _flatten(
    job: Job, inputs: Inputs, rows: Mapping[Site, Rows], blocks: EdgeEffects, index: Index
) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
    """All blocks as lists of (example, source node, target node, effect)."""
    example: list[Tensor] = []
    source: list[Tensor] = []
    target: list[Tensor] = []
    value: list[Tensor] = []
    for (up, down), entries in blocks.items():
        asked = rows[down]
        from_node = _source_nodes(job, inputs, index, up, asked, entries)
        kept = from_node >= 0
        example.append(asked.example[entries.row][kept])
        source.append(from_node[kept])
        target.append(_row_nodes(job, inputs, index, down, asked)[entries.row][kept])
        value.append(entries.effect[kept])
    return example, source, target, value


def _source_nodes(
    job: Job, inputs: Inputs, index: Index, site: Site, asked: Rows, entries: EdgeEntries
) -> Tensor:
    example = asked.example[entries.row]
    return _nodes(job, inputs, index, site, example, entries.position, entries.feature)


def _output(
    job: Job, inputs: Inputs, site: Site, side: SiteEffects, index: Index
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, circuit rows and effects of one site's kept nodes on the output."""
    tokens = inputs.clean.live.flatten().nonzero()[:, 0]
    token = torch.cat([side.features.token, tokens])
    n_features = side.features.n_features
    feature = torch.cat([side.features.feature, torch.full_like(tokens, n_features)])
    effect = torch.cat([side.feature_effect, side.error_effect.flatten()[tokens]])
    node = index.find(site, job.keys(inputs, token, feature, n_features))
    kept = (node >= 0) & (effect != 0)
    return token[kept], node[kept], effect[kept]
