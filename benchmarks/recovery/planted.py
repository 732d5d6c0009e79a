"""Recovery of planted circuits: discover them with every method, and compare with what was planted.

1. A program of some depth, parallel or sequential, with its texts (``program``), as a model (``planted_model``).
2. Dictionaries: the true features, rotated, split and noisy ones (``planted_dictionaries``).
3. ``discover`` with every method, keeping every node and edge.
4. Nodes and edges ranked by |effect| against the truth.

A node is right if its feature carries a variable of the truth at its site and position and changes between clean
and patch; an error is right where a left-out variable of the truth lies. Errors of rotated and noisy dictionaries
elsewhere are neither right nor wrong: they hold what these dictionaries miss of everything, and are not ranked.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

import circuitscope as cs
from benchmarks.recovery.planted_dictionaries import CARRIES, KINDS, Planted, planted_dictionaries
from benchmarks.recovery.planted_model import directions, planted_model, planted_task
from benchmarks.recovery.program import (
    LEFT_OUT,
    VARIABLES,
    Place,
    Truth,
    planted_program,
    planted_texts,
    truth,
)
from benchmarks.recovery.scores import NOTHING, recovery
from circuitscope.effects.edges import EDGES_AT
from circuitscope.effects.nodes import METHODS
from circuitscope.model import LanguageModel
from circuitscope.tasks import Task, make_inputs, metric_named
from circuitscope.terms import NodeId, Site
from circuitscope.work.partial import InMemory

Edge = tuple[NodeId, NodeId | None]
"""None is the output."""

SHAPES = {"small": ((3, True), (2, False)), "full": ((3, True), (5, True), (2, False), (4, False))}
"""Layers, and whether blocks are parallel."""
SEEDS = {"small": 1, "full": 5}
TEXTS = {"small": 12, "full": 24}
LEAK = 0.01
"""How much every read and write of the planted models picks up of every other variable."""
EVERYTHING = 10**9

PARTS = {
    "copy": ("S", "S*"),
    "copy, silent at clean": ("P", "P*"),
    "and": ("A", "A*", "B"),
    "or": ("C", "C*", "D"),
    "gate, closed at clean": ("Q", "Q*"),
    "chain": ("T", "U", "U*"),
    "where a head attends": ("K", "V+*", "V-*"),
    "left out": LEFT_OUT,
    "answer": ("yes", "no"),
}
"""The variables of each part of the behaviour."""


@dataclass(frozen=True)
class Setting:
    """A planted model with one kind of dictionaries, and what is right in it."""

    model: LanguageModel
    task: Task
    planted: Planted
    truth: Truth

    @cached_property
    def changing(self) -> dict[NodeId, frozenset[int]]:
        """The texts in which each feature changes between clean and patch."""
        encoded, _ = self.task.encode("train", self.model.tokenizer, bos=True)
        inputs = make_inputs(encoded, has_bos=True)
        dictionaries = self.planted.dictionaries
        metric = metric_named("auto", pairs=True)
        effects = cs.node_effects(self.model, dictionaries, inputs, metric, method="atp")
        found: dict[NodeId, set[int]] = {}
        for site, side in effects.sites.items():
            features = side.features.select(side.features.delta != 0)
            for token, feature in zip(features.token.tolist(), features.feature.tolist(), strict=True):
                example, position = divmod(token, inputs.clean.positions)
                found.setdefault(NodeId(site, feature, position), set()).add(example)
        return {node: frozenset(examples) for node, examples in found.items()}

    @cached_property
    def right_nodes(self) -> dict[NodeId, frozenset[Place]]:
        """The right nodes, each with the places that it carries."""
        found: dict[NodeId, set[Place]] = {}
        at: dict[tuple[Site, int], list[NodeId]] = {}
        for node in self.changing:
            at.setdefault((node.site, node.position), []).append(node)
        for place in self.truth.nodes:
            if place.variable in LEFT_OUT:
                found.setdefault(NodeId.parse(f"{place.site}/error@{place.position}"), set()).add(place)
                continue
            for node in at.get((place.site, place.position), []):
                if place.variable in self.planted.carried(node.feature):
                    found.setdefault(node, set()).add(place)
        return {node: frozenset(places) for node, places in found.items()}

    @cached_property
    def right_edges(self) -> set[Edge]:
        """The right edges: the features' mixes are connected, and both change in one and the same text.

        A residual stream carries every variable, so there what counts is how much the two mixes have in common;
        through attention and MLPs it is the planted connections.
        """
        of_place: dict[Place, list[NodeId]] = {}
        for node, places in self.right_nodes.items():
            for place in places:
                of_place.setdefault(place, []).append(node)
        strength: dict[Edge, float] = {}
        for source, target in self.truth.edges:
            for node in of_place.get(source, ()):
                if target is None:
                    strength[node, None] = 1.0
                    continue
                for after in of_place.get(target, ()):
                    if target.site.kind == "resid":
                        strength[node, after] = self._in_common(node, after)
                    else:
                        weight = self._weight(node, source) * self._weight(after, target)
                        strength[node, after] = strength.get((node, after), 0.0) + weight
        return {
            edge
            for edge, value in strength.items()
            if abs(value) >= CARRIES**2 and (edge[1] is None or self._together(edge[0], edge[1]))
        }

    def _weight(self, node: NodeId, place: Place) -> float:
        if node.is_error:
            return 1.0
        return float(self.planted.mix[node.feature, VARIABLES.index(place.variable)])

    def _in_common(self, node: NodeId, after: NodeId) -> float:
        if node.is_error or after.is_error:
            return float(node.is_error and after.is_error)
        mix = self.planted.mix
        return float(mix[node.feature] @ mix[after.feature])

    def _together(self, node: NodeId, after: NodeId) -> bool:
        if node.is_error or after.is_error:
            return True
        return bool(self.changing[node] & self.changing[after])

    def ranked(self, node: NodeId | None) -> bool:
        """Whether a node counts as right or wrong at all."""
        return node is None or not node.is_error or self.planted.complete or node in self.right_nodes


def planted_setting(
    layers: int, parallel: bool, kind: str, seed: int, *, texts: int = 16, leak: float = LEAK
) -> Setting:
    """A planted model of a shape, with dictionaries of a kind."""
    program = planted_program(layers, parallel=parallel)
    pairs = planted_texts(texts, seed)
    basis = directions(seed)
    model = planted_model(program.with_leak(leak, seed), pairs, basis)
    planted = planted_dictionaries(model, basis, kind, seed)
    return Setting(model, planted_task(pairs), planted, truth(program, pairs))


def measure(preset: str) -> Iterator[dict[str, Any]]:
    """A row of figures for every model, kind of dictionaries and method."""
    for (layers, parallel), kind, seed in product(SHAPES[preset], KINDS, range(SEEDS[preset])):
        setting = planted_setting(layers, parallel, kind, seed, texts=TEXTS[preset])
        shape = {"layers": layers, "parallel": parallel, "dictionaries": kind, "seed": seed}
        for row in measure_setting(setting):
            yield {**shape, **row}


def measure_setting(setting: Setting) -> list[dict[str, Any]]:
    """Every method on one planted model."""
    circuits = {method: discover_all(setting, method) for method in METHODS}
    true = node_strengths(setting, circuits["exact"][EDGES_AT[0]])
    rows = []
    for method, by_side in circuits.items():
        strength = node_strengths(setting, by_side[EDGES_AT[0]])
        edges = {side: edge_strengths(setting, circuit) for side, circuit in by_side.items()}
        rows.append(
            {
                "method": method,
                "nodes": asdict(recovery(strength, setting.right_nodes)),
                "mass": effect_mass(true, strength, len(setting.right_nodes)),
                "parts": of_parts(setting, strength),
                "edges": {
                    side: asdict(recovery(found, setting.right_edges)) for side, found in edges.items()
                },
                "edges_into_features": {
                    side: asdict(recovery(into_features(found), into_features(setting.right_edges)))
                    for side, found in edges.items()
                },
                "edge_gap": {side: edge_gap(circuit) for side, circuit in by_side.items()},
            }
        )
    return rows


def discover_all(setting: Setting, method: str, sides: Sequence[str] = EDGES_AT) -> dict[str, cs.Circuit]:
    """Every node and every edge with an effect, by the side at which edges are linearised."""
    finished = InMemory()  # the first pass is the same for all sides
    with quiet():
        return {
            edges_at: cs.discover(
                setting.model,
                setting.planted.dictionaries,
                setting.task,
                examples=len(setting.task.train),
                batch_size=len(setting.task.train),
                nodes=EVERYTHING,
                edge_threshold=0.0,
                method=method,
                edges_at=edges_at,
                partial=lambda plan: finished,
                progress=False,
            )
            for edges_at in sides
        }


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings of quadrature gaps off the screen; the figures here say more."""
    log = logging.getLogger("circuitscope")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def node_strengths(setting: Setting, circuit: cs.Circuit) -> dict[NodeId, float]:
    """|mean effect| of every node that is ranked."""
    columns = zip(circuit.ids, circuit.nodes.effect.tolist(), strict=True)
    return {node: abs(effect) for node, effect in columns if setting.ranked(node)}


def edge_strengths(setting: Setting, circuit: cs.Circuit) -> dict[Edge, float]:
    """|mean effect| of every edge between nodes that are ranked."""
    ends = (*circuit.ids, None)
    columns = zip(
        circuit.edges.source.tolist(), circuit.edges.target.tolist(), circuit.edges.effect, strict=True
    )
    found = {(ends[source], ends[target]): abs(float(effect)) for source, target, effect in columns}
    return {
        (source, target): effect
        for (source, target), effect in found.items()
        if source is not None and setting.ranked(source) and setting.ranked(target)
    }


def edge_gap(circuit: cs.Circuit) -> dict[str, float]:
    """How far in-edges are from adding up to their nodes' effects: the mean over sites, and the worst of them."""
    gaps = [entry.gap for entry in circuit.findings.edge_gaps.values()]
    return {"mean": float(np.mean(gaps)), "worst": max(gaps)}


def into_features(edges: Mapping[Edge, float] | set[Edge]) -> dict[Edge, float]:
    """The edges whose downstream node is no error."""
    strength = edges if isinstance(edges, Mapping) else dict.fromkeys(edges, 1.0)
    return {(s, t): value for (s, t), value in strength.items() if t is None or not t.is_error}


def effect_mass(true: Mapping[NodeId, float], strength: Mapping[NodeId, float], count: int) -> float:
    """The summed |exact effect| of the ``count`` strongest nodes, as a share of the most that as many can have."""
    chosen = sorted(strength, key=lambda node: -strength[node])[:count]
    most = sum(sorted(true.values(), reverse=True)[:count])
    return math.fsum(true.get(node, 0.0) for node in chosen) / most


def of_parts(setting: Setting, strength: Mapping[NodeId, float]) -> dict[str, dict[str, float]]:
    """Of each part's right nodes, the share among as many strongest nodes as are right, and the mean |effect|."""
    floor = max(strength.values()) * NOTHING
    ranked = sorted((node for node in strength if strength[node] > floor), key=lambda node: -strength[node])
    chosen = set(ranked[: len(setting.right_nodes)])
    found = {}
    for part, variables in PARTS.items():
        nodes = [
            node
            for node, places in setting.right_nodes.items()
            if any(place.variable in variables for place in places)
        ]
        found[part] = {
            "found": float(np.mean([node in chosen for node in nodes])),
            "effect": float(np.mean([strength.get(node, 0.0) for node in nodes])),
        }
    return found
