"""Edge effects: each way of linearising against the exact edge effect.

The exact effect of the edge from u to d is m(clean | do(d = d')) − m(clean), where d' is the value that d takes in
a clean run in which u has its patch value and every other site with a dictionary is held at clean:

1. replace u's site by its clean tensor with u alone at its patch value; hold all sites between; read d's site;
2. encode that tensor: d' of a feature, or the new error;
3. replace d alone, let everything after it run, and look at the metric.

A linearised edge is wrong in two ways, kept apart here. It takes d's change from a derivative: against the change
of step 2 times d's gradient, that is the linearisation error. And it takes what that change does from d's gradient,
which is the method error of d's node effect. Against the exact effect both count.

Beside what ``discover`` offers there is one more way, ``active``: at clean into what is active at clean, errors
included, and at patch into features that are silent at clean.

Nodes are the strongest of each example by ig; edges are all pairs of them that step 1 connects.

A secant edge answers another question than the exact effect: not what this upstream change does alone, but what share
it has in what happens. Its reference is the node effect that the in-edges of a node should add up to, from all nodes;
how far each way is from that is the edge gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.approximation.behaviours import Setting
from benchmarks.approximation.nodes import seconds
from benchmarks.approximation.scores import (
    TOPS,
    Array,
    Whole,
    amount_off,
    over_groups,
    quantile,
    rank_correlation,
    recall,
    relative_errors,
)
from circuitscope.effects import EdgeEffects, NodeEffects, Rows, edge_effects, node_effects
from circuitscope.effects.edges import EDGES_AT
from circuitscope.effects.replayer import Replayer
from circuitscope.model import Edit, Tap, linear_rules
from circuitscope.terms import ERROR, Site

ACTIVE = "active"
WAYS = (*EDGES_AT, ACTIVE)

LINEAR_PATHS = "relp, paths by linear rules"
METHODS = {"ig": "ig", "atp": "atp", "relp": "relp", LINEAR_PATHS: "relp"}
"""Whose node effects the edges go with. ``discover`` takes the plain Jacobian of direct paths with all of them."""

Truth = NDArray[np.bool_]
Edge = tuple[Site, int, int, int, Site, int, int]
"""Upstream site, example, position and feature; downstream site, position and feature."""


@dataclass(frozen=True)
class Carried:
    """What an edge carries, exactly."""

    change: Tensor
    """What the downstream node's new value adds to its site's tensor."""
    effect: float
    """m(clean | do(d = d')) − m(clean)."""


@dataclass(frozen=True)
class Chosen:
    """The nodes at tokens between which edges are measured, all sites in one list."""

    site: tuple[Site, ...]
    example: Whole
    position: Whole
    feature: Whole
    silent: Truth
    """Whether a feature is silent at clean."""

    def rows(self, site: Site, some: Truth | None = None) -> Rows:
        """The chosen nodes of one site, or those of ``some``."""
        wanted = np.ones_like(self.silent) if some is None else some
        here = np.array([n for n, name in enumerate(self.site) if name == site and wanted[n]], dtype=np.int64)
        return Rows(*(torch.from_numpy(part[here]) for part in (self.example, self.position, self.feature)))


def measure_edges(setting: Setting, nodes: int, tick: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """One entry per node method and way of linearising, for one behaviour."""
    by_ig = _effects(setting, "ig")
    chosen = strongest(by_ig, nodes)
    tick("exact edges")
    truth = exact_edges(setting, by_ig, chosen)
    keys = list(truth)
    exact = np.array([truth[key].effect for key in keys])
    example = np.array([key[1] for key in keys])
    silent = np.array([_is_silent(by_ig, key) for key in keys])
    shared = {"model": setting.model_name, "behaviour": setting.behaviour, "edges": len(keys), "nodes": nodes}
    for method, of_nodes in METHODS.items():
        effects = only_chosen(_effects(setting, of_nodes), chosen)
        moved = np.array([_by_gradient(effects, key, truth[key].change) for key in keys])
        for at in WAYS:
            tick(f"edges at {at}, {method}")
            found = partial(linearised, setting, effects, chosen, at, method)
            blocks, gap = found()
            guess = np.array([blocks.get(key, 0.0) for key in keys])
            yield {
                **shared,
                "method": method,
                "at": at,
                "seconds": seconds(found),
                "edge_gap": gap,
                "all": _scores(guess, exact, example),
                "into_silent": _scores(guess[silent], exact[silent], example[silent]),
                "into_active": _scores(guess[~silent], exact[~silent], example[~silent]),
                "linearisation": _scores(guess, moved, example),
                "silent_unmoved": float((exact[silent] == 0).mean()) if silent.any() else None,
                "silent_share": float(np.abs(exact[silent]).sum() / np.abs(exact).sum()),
            }


def _by_gradient(effects: NodeEffects, edge: Edge, change: Tensor) -> float:
    """What d's exact change does by d's gradient."""
    _, example, _, _, target, position, _ = edge
    gradient = effects.sites[target].gradient
    assert gradient is not None
    return float(gradient[example, position] @ change)


def _scores(guess: Array, truth: Array, example: Whole) -> dict[str, Any]:
    if len(truth) == 0 or not truth.any():
        return {"edges": len(truth)}
    errors = relative_errors(guess, truth, example)
    return {
        "edges": len(truth),
        "amount_off": amount_off(guess, truth),
        "effect_50": quantile(errors, 0.5),
        "effect_90": quantile(errors, 0.9),
        "rank_correlation": over_groups(rank_correlation, guess, truth, example),
        "recall": {str(top): over_groups(partial(recall, top=top), guess, truth, example) for top in TOPS},
    }


def _effects(setting: Setting, method: str) -> NodeEffects:
    return node_effects(setting.model, setting.dictionaries, setting.inputs, setting.metric, method=method)


def strongest(effects: NodeEffects, count: int) -> Chosen:
    """The ``count`` nodes at tokens of every example with the largest effects, errors among them."""
    site, token, feature, value, silent = [], [], [], [], []
    for name, side in effects.sites.items():
        tokens = torch.arange(side.error_effect.numel())
        site += [name] * (len(side.features) + len(tokens))
        token += [side.features.token, tokens]
        feature += [side.features.feature, torch.full_like(tokens, ERROR)]
        value += [side.feature_effect, side.error_effect.flatten()]
        silent += [side.features.clean == 0, torch.zeros(len(tokens), dtype=torch.bool)]
    columns = [torch.cat(part).numpy() for part in (token, feature, value, silent)]
    example = columns[0] // effects.inputs.clean.positions
    picked = np.concatenate(
        [
            here[np.argsort(-np.abs(columns[2][here]), kind="stable")[:count]]
            for here in (np.flatnonzero(example == number) for number in range(len(effects.inputs)))
        ]
    )
    return Chosen(
        tuple(site[number] for number in picked),
        example[picked],
        columns[0][picked] % effects.inputs.clean.positions,
        columns[1][picked],
        columns[3][picked],
    )


def only_chosen(effects: NodeEffects, chosen: Chosen) -> NodeEffects:
    """Upstream features restricted to the chosen ones, as discovery restricts them."""
    sites = {}
    for site, side in effects.sites.items():
        rows, n = chosen.rows(site), side.features.n_features
        wanted = (rows.example * effects.inputs.clean.positions + rows.position) * n + rows.feature
        here = side.features.token * n + side.features.feature
        sites[site] = side.only(torch.isin(here, wanted[rows.feature != ERROR]))
    return replace(effects, sites=sites)


def _is_silent(effects: NodeEffects, edge: Edge) -> bool:
    """Whether the edge goes into a feature that is silent at clean."""
    _, example, _, _, site, position, feature = edge
    if feature == ERROR:
        return False
    token = torch.tensor([example * effects.inputs.clean.positions + position])
    return float(effects.sites[site].clean.active.lookup(token, torch.tensor([feature]))[0]) == 0


# -- exact ---------------------------------------------------------------------------------------------


def exact_edges(setting: Setting, effects: NodeEffects, chosen: Chosen) -> dict[Edge, Carried]:
    """The exact effect of every edge between chosen nodes, other than those that carry nothing at all."""
    found: dict[Edge, Carried] = {}
    for source in effects.sites:
        for target in effects.sites:
            if source < target:
                found |= _between(setting, effects, chosen, source, target)
    return found


def _between(
    setting: Setting, effects: NodeEffects, chosen: Chosen, source: Site, target: Site
) -> dict[Edge, Carried]:
    """The edges between two sites: every source node once, then every pair that it moves."""
    up, down = chosen.rows(source), chosen.rows(target)
    if len(up) == 0 or len(down) == 0:
        return {}
    moved = tensors_at(setting, effects, source, target, _with_patch_values(effects, source, up), up.example)
    clean = effects.clean_cache.x[target]
    first, second = (up.example[:, None] == down.example[None, :]).nonzero(as_tuple=True)
    here = moved[first, down.position[second]]
    at_clean = clean[down.example[second], down.position[second]]
    some = (here != at_clean).any(dim=1)
    first, second, here, at_clean = first[some], second[some], here[some], at_clean[some]
    if len(first) == 0:
        return {}
    change = _node_change(effects, target, down.feature[second], here, at_clean)
    example, position = down.example[second], down.position[second]
    x = clean[example]
    x[torch.arange(len(x)), position] += change
    replayer = Replayer(setting.model, effects.inputs, effects.metric, effects.clean_cache)
    value = replayer.value(target, effects.sites[target].tap, x, example) - effects.clean_metric[example]
    columns = [
        part.tolist()
        for part in (example, up.position[first], up.feature[first], position, down.feature[second])
    ]
    return {
        (source, e, p, f, target, q, g): Carried(part, effect)
        for e, p, f, q, g, part, effect in zip(*columns, change, value.tolist(), strict=True)
    }


def _with_patch_values(effects: NodeEffects, site: Site, rows: Rows) -> Tensor:
    """The site's clean tensor, once per row, with that row's node at its patch value."""
    side = effects.sites[site]
    positions = side.clean.x.shape[1]
    token = rows.example * positions + rows.position
    x = side.clean.x[rows.example].clone()
    change = side.error_delta.reshape(-1, x.shape[-1])[token].clone()
    features = rows.feature != ERROR
    delta = side.patch.active.lookup(token[features], rows.feature[features]) - side.clean.active.lookup(
        token[features], rows.feature[features]
    )
    change[features] = delta[:, None] * side.dictionary.write_vectors(rows.feature[features])
    x[torch.arange(len(x)), rows.position] += change
    return x


def tensors_at(
    setting: Setting, effects: NodeEffects, source: Site, target: Site, x: Tensor, rows: Tensor
) -> Tensor:
    """The target's tensor in copies of the examples ``rows`` with ``x`` at the source and all sites between held."""
    model, cache = setting.model, effects.clean_cache
    taps: Mapping[Site, Tap] = setting.dictionaries.taps(model)
    seen: list[Tensor] = []

    def look(tensor: Tensor) -> Tensor:
        seen.append(tensor)
        return tensor

    def give(tensor: Tensor) -> Edit:
        return lambda _: tensor

    edits: dict[Site, tuple[Tap, Edit]] = {
        site: (tap, give(cache.x[site][rows])) for site, tap in taps.items() if source < site < target
    }
    edits[target] = (taps[target], look)
    if source.kind in ("embed", "resid"):
        entry, stream = source.layer, x
    else:
        entry, stream = source.layer - 1, cache.streams[source.layer][rows]
        edits[source] = (taps[source], give(x))
    with torch.no_grad():
        model.replay_blocks(entry, stream, cache.tokens.take(rows), target.layer + 1, edits)
    return seen[0]


def _node_change(effects: NodeEffects, site: Site, feature: Tensor, here: Tensor, at_clean: Tensor) -> Tensor:
    """What the downstream node alone adds to its site's tensor when it follows from ``here`` to its new value."""
    dictionary = effects.sites[site].dictionary
    number = torch.arange(len(here))
    now, before = dictionary.encode_active(here), dictionary.encode_active(at_clean)
    change = (here - dictionary.decode(now, here)) - (at_clean - dictionary.decode(before, at_clean))
    real = feature != ERROR
    delta = now.lookup(number[real], feature[real]) - before.lookup(number[real], feature[real])
    change[real] = delta[:, None] * dictionary.write_vectors(feature[real])
    return change


# -- linearised ----------------------------------------------------------------------------------------


def linearised(
    setting: Setting, effects: NodeEffects, chosen: Chosen, at: str, method: str
) -> tuple[dict[Edge, float], float]:
    """Every edge, and how far the in-edges of all rows are from their node effects."""
    ways = {at: np.ones_like(chosen.silent)}
    if at == ACTIVE:
        ways = {"clean": ~chosen.silent, "patch": chosen.silent}
    found: dict[Edge, float] = {}
    missing = effect = 0.0
    for side, some in ways.items():
        rows = _rows(chosen, effects, some)
        with linear_rules(setting.model) if method == LINEAR_PATHS else nullcontext():
            blocks = edge_effects(setting.model, setting.dictionaries, effects, rows, at=side)
        found |= _by_edge(blocks, rows)
        for inflow in blocks.inflow.values():
            missing += float((inflow.edges + inflow.elsewhere - inflow.effect).abs().sum())
            effect += float(inflow.effect.abs().sum())
    return found, missing / effect


def _rows(chosen: Chosen, effects: NodeEffects, some: Truth) -> dict[Site, Rows]:
    return {site: chosen.rows(site, some) for site in effects.sites}


def _by_edge(blocks: EdgeEffects, rows: Mapping[Site, Rows]) -> dict[Edge, float]:
    found: dict[Edge, float] = {}
    for (source, target), entries in blocks.items():
        down, row = rows[target], entries.row
        columns = (
            down.example[row], entries.position, entries.feature, down.position[row], down.feature[row],
            entries.effect,
        )  # fmt: skip
        for e, p, f, q, g, effect in zip(*(part.tolist() for part in columns), strict=True):
            found[(source, e, p, f, target, q, g)] = effect
    return found
