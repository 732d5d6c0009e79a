"""A circuit as plain JSON values, and what older run folders have in its place.

The JSON view (``circuitscope show --json``) is flat: a few fields of the recipe are at the top, the rest of the
recipe and the findings under ``info``. Run folders of schema version 1 have the same ``info``, and the settings of
the command line beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from circuitscope.config import DiscoverySettings
from circuitscope.results.circuit import Circuit, Edges, Nodes
from circuitscope.results.evaluation import Evaluation
from circuitscope.results.plain import from_plain, to_plain
from circuitscope.results.recipe import (
    FILES,
    TEMPLATE,
    DictionariesSource,
    EdgeGap,
    Findings,
    ModelSource,
    PruneChoice,
    QuadratureGap,
    Recipe,
    TaskSource,
)
from circuitscope.terms import OUTPUT, NodeId, Site

VIEW_VERSION = 1
"""The schema version of the JSON view."""

_AT_TOP = ("model", "dictionaries", "task", "metric", "method", "thresholds")


def to_json(circuit: Circuit) -> dict[str, Any]:
    """The JSON view of a circuit."""
    ids = [str(node) for node in circuit.ids]
    columns = zip(circuit.nodes.effect.tolist(), circuit.nodes.stderr.tolist(), strict=True)
    info, edges = info_of(circuit), circuit.edges
    return {
        "schema_version": VIEW_VERSION,
        **{key: info.get(key) for key in _AT_TOP},
        "info": {key: value for key, value in info.items() if key not in _AT_TOP},
        "sites": [site.name for site in circuit.sites],
        "nodes": [
            {"id": name, "effect": effect, "stderr": stderr}
            for name, (effect, stderr) in zip(ids, columns, strict=True)
        ],
        "edges": [
            {
                "source": ids[source],
                "target": OUTPUT if target < 0 else ids[target],
                "effect": float(effect),
                "stderr": float(stderr),
            }
            for source, target, effect, stderr in zip(
                edges.source, edges.target, edges.effect, edges.stderr, strict=True
            )
        ],
        "evaluation": to_plain(circuit.evaluation),
    }


def from_json(value: Mapping[str, Any]) -> Circuit:
    """The inverse of ``to_json``."""
    sites = tuple(Site.parse(name) for name in value["sites"])
    ids = [NodeId.parse(node["id"]) for node in value["nodes"]]
    row = {str(node): index for index, node in enumerate(ids)} | {OUTPUT: -1}
    edges = value["edges"]
    found = Circuit(
        sites,
        Nodes(
            np.array([sites.index(node.site) for node in ids], np.int64),
            np.array([node.feature for node in ids], np.int64),
            np.array([node.position for node in ids], np.int64),
            np.array([node["effect"] for node in value["nodes"]], float),
            np.array([node["stderr"] for node in value["nodes"]], float),
        ),
        Edges(
            np.array([row[edge["source"]] for edge in edges], np.int64),
            np.array([row[edge["target"]] for edge in edges], np.int64),
            np.array([edge["effect"] for edge in edges], float),
            np.array([edge["stderr"] for edge in edges], float),
        ),
    )
    info = {**{key: value[key] for key in _AT_TOP if value.get(key) is not None}, **value["info"]}
    recipe, findings = from_info(info, found.nodes)
    evaluation = None if value["evaluation"] is None else from_plain(Evaluation, value["evaluation"])
    return replace(found, recipe=recipe, findings=findings, evaluation=evaluation)


def info_of(circuit: Circuit) -> dict[str, Any]:
    """Recipe and findings as flat values; empty for a circuit put together by hand."""
    recipe, found = circuit.recipe, circuit.findings
    if recipe is None:
        return {}
    settings = recipe.settings
    info: dict[str, Any] = {
        "model": recipe.model.name,
        "model_hash": recipe.model.hash,
        "n_layers": recipe.model.n_layers,
        "dictionaries": recipe.dictionaries.name,
        "dictionaries_hash": recipe.dictionaries.hash,
        "dictionary_kinds": dict(recipe.dictionaries.kinds),
        "task": recipe.task.name,
        "metric": settings.metric,
        "metric_shown_as": recipe.metric_shown_as,
        "method": settings.method,
        "rule": settings.rule if settings.method == "ig" else None,
        "points": settings.points,
        "positions": settings.positions,
        "bos": settings.has_bos,
        "examples": found.examples,
        "dtype": recipe.model.dtype,
        "quadrature": {site: asdict(gap) for site, gap in found.quadrature.items()},
        "clean_metric": found.clean_metric,
        "patch_metric": found.patch_metric,
        "tokens": None if found.tokens is None else list(found.tokens),
        "thresholds": {"node": found.node_threshold, "edge": found.edge_threshold},
        "nodes_asked": None if found.pruned else settings.nodes,
        "edges_at": settings.edges_at,
        "baseline": settings.baseline,
        "split": settings.split,
        "skipped": dict(found.skipped),
        "silent": list(found.silent),
    }
    if recipe.model.head is not None:
        info["dictionary_hashes"] = dict(recipe.dictionaries.by_site)
    if settings.edge_points is not None:
        info["edge_points"] = settings.edge_points
    if found.edge_gaps:
        info["edge_gaps"] = {site: asdict(gap) for site, gap in found.edge_gaps.items()}
    if found.right is not None:
        info["right"] = found.right
    if found.pruned is not None:
        info["pruned"] = asdict(found.pruned)
    return info


def from_info(
    info: Mapping[str, Any], nodes: Nodes, config: Mapping[str, Any] | None = None
) -> tuple[Recipe | None, Findings]:
    """Recipe and findings of the flat values, and of the command's settings where they are known.

    Args:
        nodes: the circuit's, which tell whether a threshold or a number was asked for.
    """
    if not info:
        return None, Findings()
    given = config or {}
    recipe = Recipe(
        ModelSource(
            str(info.get("model", "?")),
            given.get("model"),
            str(info.get("model_hash") or ""),
            int(info.get("n_layers") or 0),
            str(info.get("dtype") or "float32"),
            str(given.get("device") or "auto"),
        ),
        DictionariesSource(
            str(info.get("dictionaries", "?")),
            given.get("dictionaries"),
            str(info.get("dictionaries_hash") or ""),
            dict(info.get("dictionary_hashes") or {}),
            dict(info.get("dictionary_kinds") or {}),
        ),
        _task_of(info, given),
        _settings_of(info, nodes, given),
        str(info.get("metric_shown_as") or ""),
        int(given.get("seed") or 0),
        {},
    )
    return recipe, _findings_of(info)


def _task_of(info: Mapping[str, Any], given: Mapping[str, Any]) -> TaskSource:
    name, place = str(info.get("task", "?")), given.get("task")
    template = name.startswith("agreement/") and (place is None or place == name)
    if template:
        return TaskSource(name, TEMPLATE, name, is_template=True)
    return TaskSource(name, FILES, None if place is None else str(place))


def _settings_of(info: Mapping[str, Any], nodes: Nodes, given: Mapping[str, Any]) -> DiscoverySettings:
    thresholds = info.get("thresholds") or {}
    asked, threshold = info.get("nodes_asked"), thresholds.get("node")
    weakest = float(np.abs(nodes.effect).min()) if len(nodes) else 0.0
    # The weakest of the N strongest is exactly at the recorded threshold; a threshold keeps what is above it.
    by_threshold = asked is None and threshold is not None and weakest > threshold
    usual = DiscoverySettings()
    return DiscoverySettings(
        examples=int(given.get("examples") or info.get("examples") or usual.examples),
        method=str(info.get("method") or usual.method),
        rule=str(info.get("rule") or given.get("rule") or usual.rule),
        points=info.get("points"),
        node_threshold=threshold if by_threshold and not info.get("pruned") else None,
        nodes=asked,
        edge_threshold=given.get("edge_threshold"),
        connected=bool(given.get("connected", False)),
        batch_size=int(given.get("batch_size") or usual.batch_size),
        memory=str(given.get("memory") or usual.memory),
        split=str(info.get("split") or usual.split),
        metric=str(info.get("metric") or usual.metric),
        edges_at=str(info.get("edges_at") or "clean"),
        edge_points=info.get("edge_points"),
        positions=str(info.get("positions") or "sum"),
        baseline=str(info.get("baseline") or "mean"),
        bos="yes" if info.get("bos") else "no",
    )


def _findings_of(info: Mapping[str, Any]) -> Findings:
    thresholds, pruned = info.get("thresholds") or {}, info.get("pruned")
    tokens = info.get("tokens")
    return Findings(
        int(info.get("examples") or 0),
        thresholds.get("node"),
        thresholds.get("edge"),
        info.get("clean_metric"),
        info.get("patch_metric"),
        {site: QuadratureGap(**entry) for site, entry in (info.get("quadrature") or {}).items()},
        {site: EdgeGap(**entry) for site, entry in (info.get("edge_gaps") or {}).items()},
        None if tokens is None else tuple(map(str, tokens)),
        {reason: int(count) for reason, count in (info.get("skipped") or {}).items()},
        tuple(info.get("silent") or ()),
        None if not pruned else PruneChoice(**pruned),
        info.get("right"),
    )
