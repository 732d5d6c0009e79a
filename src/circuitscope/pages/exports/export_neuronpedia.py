"""A circuit as a graph file of Neuronpedia and circuit-tracer (schema version 1: ids by Cantor's pairing).

Their graphs have one kind of feature per layer; a circuit has up to three, and the embedding's. So a "layer"
here is a site: embed is 1, attn_l is 3l + 2, mlp_l is 3l + 3, resid_l is 3l + 4, which is also the order from
bottom to top in which the rows are drawn. Row 0 stays free, since error nodes are called ``0_{layer}_{position}``.

* A feature is ``{layer}_{feature}_{position}``; its number is cantor(layer, feature).
* The metric is the one logit node, in the row after the last.
* ``influence`` is the share of Σ|effect| that this node and the stronger ones have: the slider keeps the
  strongest nodes.
* The groups of a grouped circuit are the subgraph's supernodes.
* A circuit that is summed over positions has one pseudo position, 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import isqrt
from typing import Any

import numpy as np

from circuitscope.pages.words.visible import visible
from circuitscope.results import Circuit, Groups
from circuitscope.runs import versions
from circuitscope.terms import SUMMED, NodeId, Site

ALL_POSITIONS = "(all positions)"
_OFFSET = {"attn": 2, "mlp": 3, "resid": 4}


def cantor(layer: int, feature: int) -> int:
    """One number for a pair of numbers: (x + y)(x + y + 1) / 2 + y."""
    return (layer + feature) * (layer + feature + 1) // 2 + feature


def uncantor(number: int) -> tuple[int, int]:
    """The inverse of ``cantor``, in whole numbers throughout."""
    diagonal = (isqrt(8 * number + 1) - 1) // 2
    feature = number - diagonal * (diagonal + 1) // 2
    return diagonal - feature, feature


def row_of(site: Site) -> int:
    """The "layer" of a site, from 1."""
    return 1 if site.kind == "embed" else 3 * site.layer + _OFFSET[site.kind]


def neuronpedia(
    circuit: Circuit,
    labels: Mapping[NodeId, str],
    headings: Mapping[int, str],
    *,
    prompt: str,
    name: str,
    created: str,
    groups: Groups | None = None,
) -> dict[str, Any]:
    """The graph as JSON's plain values.

    Args:
        labels: a few words per node.
        headings: position → token, where positions are kept.
        prompt: an example's text.
        name: the slug: letters, digits and hyphens are kept.
        created: when it was discovered, in ISO 8601.
        groups: the circuit's, if it was grouped; those of several members become supernodes.
    """
    tokens = _prompt_tokens(circuit, headings)
    influence = _influence(circuit)
    nodes = [_node(node, labels, tokens, share) for node, share in zip(circuit.ids, influence, strict=True)]
    last = max((row_of(site) for site in circuit.sites), default=0)
    output = _output(circuit, last + 1, len(tokens) - 1)
    ids = [*(node["node_id"] for node in nodes), output["node_id"]]
    edges = circuit.edges
    return {
        "metadata": _metadata(circuit, tokens, prompt, name, created),
        "qParams": _shown(circuit, ids, groups),
        "nodes": [*nodes, output],
        "links": [
            {"source": ids[source], "target": ids[target], "weight": effect}
            for source, target, effect in zip(edges.source, edges.target, edges.effect.tolist(), strict=True)
        ],
    }


def _shown(circuit: Circuit, ids: list[str], groups: Groups | None) -> dict[str, Any]:
    """What the viewer shows at first. Only pinned nodes are in its subgraph, so the members of supernodes are."""
    row = {str(node): index for index, node in enumerate(circuit.ids)}
    several = [] if groups is None else [item for item in groups.groups if len(item.members) > 1]
    supernodes = [[visible(item.name), *(ids[row[node]] for node in item.members)] for item in several]
    pinned = [node for _, *members in supernodes for node in members]
    return {
        "pinnedIds": [*pinned, ids[-1]] if pinned else [],
        "supernodes": supernodes,
        "linkType": "both",
        "clickedId": "",
        "sg_pos": "",
    }


def _prompt_tokens(circuit: Circuit, headings: Mapping[int, str]) -> list[str]:
    last = int(circuit.nodes.position.max(initial=SUMMED))
    if last == SUMMED:
        return [ALL_POSITIONS]
    length = max(last + 1, len(headings))
    return [visible(headings.get(position, str(position))) for position in range(length)]


def _influence(circuit: Circuit) -> list[float]:
    strength = np.abs(circuit.nodes.effect)
    order = circuit.nodes.strongest()
    result = np.zeros(len(strength))
    result[order] = np.cumsum(strength[order]) / max(float(strength.sum()), np.finfo(float).tiny)
    return [float(min(1.0, share)) for share in result]


def _node(node: NodeId, labels: Mapping[NodeId, str], tokens: list[str], influence: float) -> dict[str, Any]:
    layer, position = row_of(node.site), max(node.position, 0)
    label = f"{labels[node]} ({node})" if node in labels else str(node)
    common = {
        "layer": str(layer),
        "ctx_idx": position,
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": len(tokens) - 1 - position,
        "clerp": visible(label),
        "influence": influence,
        "activation": None,
    }
    if node.is_error:
        return {
            **common,
            "node_id": f"0_{layer}_{position}",
            "feature": -1,
            "feature_type": f"{node.site.kind} reconstruction error",
            "jsNodeId": f"0_{layer}-0",
        }
    return {
        **common,
        "node_id": f"{layer}_{node.feature}_{position}",
        "feature": cantor(layer, node.feature),
        "feature_type": f"{node.site.kind} feature",
        "jsNodeId": f"{layer}_{node.feature}-0",
    }


def _output(circuit: Circuit, layer: int, position: int) -> dict[str, Any]:
    recipe = circuit.recipe
    shown_as = (recipe and (recipe.metric_shown_as or recipe.settings.metric)) or "the metric"
    return {
        "node_id": f"{layer}_0_{position}",
        "feature": cantor(layer, 0),
        "layer": str(layer),
        "ctx_idx": position,
        "feature_type": "logit",
        "jsNodeId": f"{layer}_0-0",
        "clerp": f"Output: {visible(str(shown_as))}",
        "token_prob": 1.0,
        "is_target_logit": True,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "influence": 0.0,
        "activation": None,
    }


def _metadata(circuit: Circuit, tokens: list[str], prompt: str, name: str, created: str) -> dict[str, Any]:
    found = circuit.findings
    slug = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name).strip("-")
    chosen = (
        f"chosen ({found.pruned.method}) to keep a faithfulness of {found.pruned.faithfulness:g}"
        if found.pruned
        else f"kept if |mean effect| > {found.node_threshold or 0:.3g}"
    )
    about = (
        f"{len(circuit)} nodes of the behaviour {circuit.task}; {chosen}, "
        f"edges if > {found.edge_threshold or 0:.3g}. Rows are sites: "
        + ", ".join(f"{row_of(site)} {site}" for site in circuit.sites)
    )
    info: dict[str, Any] = {
        "description": about,
        "generator": {"name": "circuitscope", "version": versions().get("circuitscope", "")},
    }
    if created:
        info["create_time_ms"] = int(datetime.fromisoformat(created).timestamp() * 1000)
    return {
        "slug": slug.lower() or "circuit",
        "scan": circuit.model if circuit.recipe else "unknown",
        "prompt_tokens": tokens,
        "prompt": prompt,
        "node_threshold": 1.0,
        "schema_version": 1,
        "info": info,
    }
