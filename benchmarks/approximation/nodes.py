"""Node effects: the quadrature error of rules against 64 points, and every method's error against ``exact``.

1. Effects by 64 Gauss points and by ``exact`` of every node: no node is left out, so recall counts all of them.
2. Every method in float64, against one or both of these.
3. Every method once more in float32, for the seconds that it takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.approximation.behaviours import Setting
from benchmarks.approximation.scores import (
    TOPS,
    Array,
    Whole,
    largest_errors,
    over_groups,
    quantile,
    rank_correlation,
    recall,
    relative_errors,
    summed_by_key,
)
from circuitscope.effects import NodeEffects, node_effects
from circuitscope.model import linear_rules

REFERENCE_POINTS = 64
TIMES = 2
"""Runs of which the quickest counts."""


@dataclass(frozen=True)
class Method:
    """A way to compute node effects, with the settings of ``node_effects``."""

    name: str
    how: dict[str, Any]
    is_rule: bool
    """Whether it approximates the integral, so that it has a quadrature error."""
    attention_free: bool = False
    """Whether attention weights are differentiated under linear rules."""

    def effects(self, setting: Setting) -> NodeEffects:
        how = dict(self.how)
        if self.attention_free:
            with linear_rules(setting.model, attention=False):
                return node_effects(
                    setting.model, setting.dictionaries, setting.inputs, setting.metric, **how
                )
        return node_effects(setting.model, setting.dictionaries, setting.inputs, setting.metric, **how)


METHODS = (
    Method("atp", {"method": "atp"}, True),
    Method("atp-graddrop", {"method": "atp-graddrop"}, False),
    Method("relp", {"method": "relp"}, False),
    Method("relp, attention differentiated", {"method": "atp"}, False, attention_free=True),
    Method("ig left-10", {"rule": "left", "points": 10}, True),
    Method("ig midpoint-10", {"rule": "midpoint", "points": 10}, True),
    *(Method(f"ig gauss-{n}", {"rule": "gauss", "points": n}, True) for n in range(2, 13)),
    Method("ig (default)", {}, True),
    Method(f"ig gauss-{REFERENCE_POINTS}", {"rule": "gauss", "points": REFERENCE_POINTS}, False),
)
EXACT = Method("exact", {"method": "exact"}, False)


def measure_nodes(setting: Setting, quick: Setting, tick: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """One entry per method, for one behaviour; ``quick`` is the same in float32."""
    table = Table(setting)
    integral = table.values(METHODS[-1].effects(setting))
    tick("exact")
    truth = table.values(EXACT.effects(setting))
    shared = {
        "model": setting.model_name,
        "behaviour": setting.behaviour,
        "examples": len(setting.inputs),
        "positions": setting.inputs.clean.positions,
        "nodes": len(truth),
    }
    for method in METHODS:
        tick(method.name)
        found = method.effects(setting)
        guess = table.values(found)
        yield {
            **shared,
            "method": method.name,
            "seconds": seconds(partial(method.effects, quick)),
            "gap": _largest_gap(found),
            "points": {site.name: side.points for site, side in found.sites.items()},
            "quadrature": table.scores(guess, integral) if method.is_rule else None,
            "method_error": table.scores(guess, truth),
        }
    yield {**shared, "method": EXACT.name, "seconds": seconds(partial(EXACT.effects, quick), times=1)}


def seconds(call: Callable[[], object], times: int = TIMES) -> float:
    """Processor time of the quickest of some runs: other work on the same cores does not count."""
    found = []
    for _ in range(times):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def _largest_gap(found: NodeEffects) -> float | None:
    gaps = [side.gap for side in found.sites.values() if side.gap is not None]
    return max(gaps, default=None)


class Table:
    """The nodes of every site in one fixed order, each with its site, its example, and its node over examples."""

    def __init__(self, setting: Setting) -> None:
        some = METHODS[0].effects(setting)
        self.sites = list(some.sites)
        positions = setting.inputs.clean.positions
        same_length = len(set(setting.inputs.clean.mask.sum(dim=1).tolist())) == 1
        site, example, key, offset = [], [], [], 0
        for number, side in enumerate(some.sites.values()):
            tokens = np.arange(setting.inputs.clean.ids.numel())
            token = np.concatenate([side.features.token.numpy(), tokens])
            n_features = side.features.n_features
            feature = np.concatenate([side.features.feature.numpy(), np.full(len(tokens), n_features)])
            site.append(np.full(len(token), number))
            example.append(token // positions)
            place = token % positions if same_length else 0
            key.append(offset + place * (n_features + 1) + feature)
            offset += positions * (n_features + 1)
        self.site: Whole = np.concatenate(site)
        self.example: Whole = np.concatenate(example)
        self.key: Whole = np.concatenate(key)

    @staticmethod
    def values(effects: NodeEffects) -> Array:
        parts = [
            part.double().flatten().numpy()
            for side in effects.sites.values()
            for part in (side.feature_effect, side.error_effect)
        ]
        return np.concatenate(parts)

    def scores(self, guess: Array, truth: Array) -> dict[str, Any]:
        """By site, over all sites of an example together, and of the means over examples that discovery ranks."""
        real = truth != 0
        guess, truth, site, example = guess[real], truth[real], self.site[real], self.example[real]
        by_site = {}
        for number, name in enumerate(self.sites):
            here = site == number
            by_site[name.name] = _scores(guess[here], truth[here], example[here])
        means = [summed_by_key(values, self.key[real]) for values in (guess, truth)]
        return {
            "sites": by_site,
            "all": _scores(guess, truth, example),
            "mean": {
                "rank_correlation": rank_correlation(*means),
                "recall": {str(top): recall(*means, top) for top in TOPS},
            },
        }


def _scores(guess: Array, truth: Array, example: Whole) -> dict[str, Any]:
    effects, sites = relative_errors(guess, truth, example), largest_errors(guess, truth, example)
    return {
        "effect_50": quantile(effects, 0.5),
        "effect_90": quantile(effects, 0.9),
        "largest_50": quantile(sites, 0.5),
        "largest_90": quantile(sites, 0.9),
        "rank_correlation": over_groups(rank_correlation, guess, truth, example),
        "recall": {str(top): over_groups(partial(recall, top=top), guess, truth, example) for top in TOPS},
    }
