"""Circuits and features to judge, with the texts that a test wants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from described_circuits import described

from circuitscope.results import (
    Circuit,
    Edges,
    FeatureContexts,
    FeatureDashboard,
    FeatureTokens,
    JudgedFeature,
    Nodes,
    TokenContext,
    TokenWeight,
    to_judge,
)
from circuitscope.terms import NodeId, Site

EFFECTS = {"embed/3": 0.5, "resid_0/7": -1.25, "resid_0/9": 0.75, "resid_0/error": 9.0}
HASHES = {"embed": "e" * 64, "resid_0": "a" * 64}


def circuit(effects: dict[str, float] = EFFECTS, **info: Any) -> Circuit:
    """A classifier's circuit: positions summed, no edges."""
    ids = [NodeId.parse(name) for name in effects]
    sites = tuple(sorted({node.site for node in ids}))
    known = {"task": "bios: professor or nurse", "dictionary_hashes": HASHES, "dictionaries_hash": "d" * 64}
    nodes = Nodes(
        np.array([sites.index(node.site) for node in ids], np.int64),
        np.array([node.feature for node in ids], np.int64),
        np.array([node.position for node in ids], np.int64),
        np.array(list(effects.values()), float),
        np.zeros(len(ids)),
    )
    return described(sites, nodes, Edges.none(), {**known, **info})


def dashboard(
    site: Site, feature: int, tokens: tuple[str, ...] = (" the", " nurse", " said")
) -> FeatureDashboard:
    """Most active on the second token."""
    activations = tuple(2.0 if place == 1 else 0.5 for place in range(len(tokens)))
    contexts = (TokenContext(tokens, activations, 1, tokens[-1]),)
    raised, lowered = ((TokenWeight(token, sign * 1.23456) for token in tokens) for sign in (1, -1))
    return FeatureDashboard(
        FeatureContexts(site.name, feature, contexts, 0.1, 2.0, 100),
        FeatureTokens(site.name, feature, tuple(raised), tuple(lowered), True),
    )


def dashboards(of: Circuit, tokens: tuple[str, ...] = (" the", " nurse", " said")) -> list[FeatureDashboard]:
    return [dashboard(node.site, node.feature, tokens) for node in of.ids if not node.is_error]


def features(of: Circuit, **changed: Any) -> list[JudgedFeature]:
    """What there is to judge in a circuit, each with the same changes."""
    return [replace(item, **changed) for item in to_judge(of, dashboards(of))]
