"""What is timed: pieces of work of circuitscope, each beside the same work of the naive implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import naive
from benchmarks.speed.presets import Preset, World
from circuitscope.config import DiscoverySettings
from circuitscope.discovery.edge_pass import edge_pass
from circuitscope.discovery.job import Job
from circuitscope.discovery.node_pass import node_pass
from circuitscope.discovery.select import select_nodes
from circuitscope.effects import EdgeEntries, NodeEffects, Rows, edge_effects, node_effects
from circuitscope.evaluation.ablated_metric import ablated_metric
from circuitscope.evaluation.baseline import Baseline, make_baseline
from circuitscope.evaluation.node_set import node_set
from circuitscope.results import Nodes
from circuitscope.terms import ERROR, Site

POINTS = 10
"""Points of the rule left, as in the paper."""


@dataclass(frozen=True)
class Work:
    """One row of the table."""

    name: str
    ours: Callable[[], Any]
    naive: str | None
    """Which naive work it is compared with."""
    differs: Callable[[Any, Any], float] | None = None
    """The largest difference of (ours, naive), relative to the largest entry; None where they differ on purpose."""


@dataclass(frozen=True)
class Works:
    """All works on one world, and what they share."""

    naive: Mapping[str, Callable[[], Any]]
    rows: list[Work]
    downstream: Mapping[str, int]
    """Downstream rows of the works that have any."""


def make_works(world: World, preset: Preset) -> Works:
    """Prepare every work; what one needs of another (the nodes of edges) is computed here, off the clock."""
    model, dictionaries, inputs, metric = world.model, world.dictionaries, world.inputs, world.metric
    effects = node_effects(model, dictionaries, inputs, metric)
    strongest = strongest_rows(effects, preset.rows)
    job = _job(world)
    circuit = circuit_nodes(job, preset.nodes)
    among = _between_kept(effects, strongest)
    kept = _dense_kept(world, circuit)
    means = naive.naive_means(model, dictionaries, inputs)
    baseline = _baseline(world)
    return Works(
        {
            "nodes": lambda: naive.naive_nodes(model, dictionaries, inputs, metric, POINTS),
            "edges": lambda: naive.naive_edges(model, dictionaries, inputs, effects, strongest),
            "circuit": lambda: naive.naive_circuit(model, dictionaries, inputs, metric, POINTS, preset.nodes),
            "ablated": lambda: naive.naive_ablated(model, dictionaries, inputs, metric, kept, means),
            "faithfulness": lambda: naive.naive_faithfulness(model, dictionaries, inputs, metric, kept),
        },
        [
            Work("node effects, atp", lambda: _nodes(world, method="atp"), None),
            Work(
                f"node effects, left-{POINTS}",
                lambda: _nodes(world, rule="left", points=POINTS),
                "nodes",
                lambda ours, theirs: _nodes_differ(ours, theirs.effects),
            ),
            Work("node effects, default rule", lambda: _nodes(world), "nodes"),
            Work(
                "edges, all upstream nodes",
                lambda: edge_effects(model, dictionaries, effects, strongest, at="clean"),
                "edges",
                lambda ours, theirs: _edges_differ(ours, theirs, strongest),
            ),
            Work(
                "edges, between the nodes of a circuit",
                lambda: edge_effects(model, dictionaries, among, strongest, at="clean"),
                "edges",
            ),
            Work(
                "secant edges, all upstream nodes",
                lambda: edge_effects(model, dictionaries, effects, strongest, at="secant"),
                "edges",
            ),
            Work(
                "secant edges, between the nodes of a circuit",
                lambda: edge_effects(model, dictionaries, among, strongest, at="secant"),
                "edges",
            ),
            Work(
                f"circuit, left-{POINTS}, edges at clean",
                lambda: _circuit(as_published(job), preset.nodes),
                "circuit",
            ),
            Work("circuit, default rule, secant edges", lambda: _circuit(job, preset.nodes), "circuit"),
            Work(
                "one ablated run",
                lambda: _ablated(world, circuit, baseline),
                "ablated",
                _relative,
            ),
            Work(
                "faithfulness",
                lambda: _faithfulness(world, circuit),
                "faithfulness",
                lambda ours, theirs: abs(ours - theirs) / max(abs(theirs), 1e-30),
            ),
        ],
        {"edges": sum(map(len, strongest.values()))},
    )


# -- ours ------------------------------------------------------------------------------------------------


def _nodes(world: World, **settings: Any) -> NodeEffects:
    effects = node_effects(world.model, world.dictionaries, world.inputs, world.metric, **settings)
    for side in effects.sites.values():
        _ = side.error_effect  # everything is computed by now; nothing is left for later
    return effects


def _job(world: World) -> Job:
    return Job(
        world.model,
        world.dictionaries,
        world.metric,
        world.examples,
        DiscoverySettings(
            positions="keep",
            bos="no",
            edges_at="secant",
            batch_size=len(world.examples),
        ),
    )


def circuit_nodes(job: Job, count: int) -> Nodes:
    """The strongest nodes of a first pass under left, so that the naive side has the same circuit."""
    found = node_pass(afresh(as_published(job)))
    rows, _ = select_nodes(found.nodes, None, count)
    return found.nodes.take(rows)


def _circuit(job: Job, count: int) -> Any:
    fresh = afresh(job)
    found = node_pass(fresh)
    rows, _ = select_nodes(found.nodes, None, count)
    return edge_pass(fresh, found.nodes.take(rows))


def as_published(job: Job) -> Job:
    """The same by the rule and the edges of the published procedure, which is what the naive side computes."""
    return replace(job, settings=replace(job.settings, rule="left", points=POINTS, edges_at="clean"))


def afresh(job: Job) -> Job:
    """The same job with nothing computed yet."""
    return Job(**{name: value for name, value in vars(job).items() if name not in ("partial", "recent")})


def _baseline(world: World) -> Baseline:
    return make_baseline(
        "mean",
        world.model,
        world.dictionaries,
        [world.inputs],
        places=world.inputs.clean.positions,
    )


def _ablated(world: World, nodes: Nodes, baseline: Baseline) -> Tensor:
    kept = node_set(nodes, world.dictionaries, places=world.inputs.clean.positions, device=world.model.device)
    return ablated_metric(
        world.model,
        world.dictionaries,
        world.inputs,
        world.metric,
        kept,
        baseline,
        sites=list(world.dictionaries),
    )


def _faithfulness(world: World, nodes: Nodes) -> float:
    baseline = _baseline(world)
    with torch.no_grad():
        logits = world.model.logits(world.inputs.clean, world.metric.positions(world.inputs))
        whole = world.metric(logits, world.inputs).mean()
    empty = _ablated(world, nodes.take(np.array([], dtype=np.int64)), baseline).mean()
    return float((_ablated(world, nodes, baseline).mean() - empty) / (whole - empty))


# -- the same rows and nodes on both sides ---------------------------------------------------------------


def strongest_rows(effects: NodeEffects, count: int) -> dict[Site, Rows]:
    """The strongest nodes at tokens as downstream rows: features active at clean, and a tenth of errors."""
    strength = torch.cat(
        [side.feature_effect.abs() * (side.features.clean != 0) for side in effects.sites.values()]
    )
    weakest = strength.topk(min(count - count // 10, len(strength))).values[-1]
    per_site = -(-(count // 10) // len(effects.sites))
    return {site: _site_rows(effects, site, float(weakest), per_site) for site in effects.sites}


def _site_rows(effects: NodeEffects, site: Site, weakest: float, errors: int) -> Rows:
    side = effects.sites[site]
    positions = effects.inputs.clean.positions
    chosen = (side.feature_effect.abs() >= weakest) & (side.features.clean != 0)
    token_of_error = side.error_effect.flatten().abs().topk(errors).indices
    token = torch.cat([side.features.token[chosen], token_of_error])
    feature = torch.cat([side.features.feature[chosen], torch.full_like(token_of_error, ERROR)])
    return Rows(token // positions, token % positions, feature)


def _between_kept(effects: NodeEffects, rows: Mapping[Site, Rows]) -> NodeEffects:
    """The effects with the rows' own features alone upstream, as between the nodes of a circuit."""
    kept = {}
    for site, side in effects.sites.items():
        positions = effects.inputs.clean.positions
        tokens = rows[site].example * positions + rows[site].position
        key = tokens * side.features.n_features + rows[site].feature
        mine = side.features.token * side.features.n_features + side.features.feature
        kept[site] = side.only(torch.isin(mine, key[rows[site].feature != ERROR]))
    return replace(effects, sites=kept)


def _dense_kept(world: World, nodes: Nodes) -> dict[Site, Tensor]:
    kept = {}
    for number, (site, dictionary) in enumerate(world.dictionaries.items()):
        dense = torch.zeros(
            world.inputs.clean.positions,
            dictionary.n_features + 1,
            dtype=torch.bool,
            device=world.model.device,
        )
        here = nodes.take((nodes.site == number).nonzero()[0])
        feature = torch.from_numpy(here.feature)
        dense[torch.from_numpy(here.position), feature.where(feature != ERROR, dictionary.n_features)] = True
        kept[site] = dense
    return kept


# -- how far apart both sides are ------------------------------------------------------------------------


def _relative(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30))


def _nodes_differ(ours: NodeEffects, theirs: Mapping[Site, Tensor]) -> float:
    return max(_relative(_dense_nodes(ours, site), theirs[site]) for site in theirs)


def _dense_nodes(effects: NodeEffects, site: Site) -> Tensor:
    """Our effects of a site as (batch, position, feature + 1), the error last."""
    side = effects.sites[site]
    dense = side.feature_effect.new_zeros(side.features.n_tokens, side.features.n_features)
    dense[side.features.token, side.features.feature] = side.feature_effect
    batch, positions = side.error_effect.shape
    return torch.cat([dense.view(batch, positions, -1), side.error_effect[:, :, None]], dim=-1)


def _edges_differ(
    ours: Mapping[tuple[Site, Site], EdgeEntries],
    theirs: Mapping[tuple[Site, Site], Tensor],
    rows: Mapping[Site, Rows],
) -> float:
    if set(ours) != set(theirs):
        raise RuntimeError(f"the pairs of sites differ: {sorted(map(str, set(ours) ^ set(theirs)))}")
    worst = 0.0
    for pair, dense in theirs.items():
        entries, asked = ours[pair], rows[pair[1]]
        left = dense.clone()
        left[entries.row, asked.example[entries.row], entries.position, entries.feature] -= entries.effect
        worst = max(worst, float(left.abs().max() / dense.abs().max().clamp(min=1e-30)))
    return worst
