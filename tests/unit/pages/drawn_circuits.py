"""Made-up circuits to draw, shared by the tests of this folder."""

from __future__ import annotations

from functools import cache

import numpy as np
from described_circuits import described

from circuitscope.results import Circuit, Edges, Nodes
from circuitscope.terms import OUTPUT, NodeId, Site


def circuit_of(
    nodes: dict[str, float], edges: dict[tuple[str, str], float] | None = None, **info: object
) -> Circuit:
    ids = [NodeId.parse(name) for name in nodes]
    sites = tuple(sorted({node.site for node in ids}))
    row = {name: index for index, name in enumerate(nodes)} | {OUTPUT: -1}
    pairs = edges or {}
    columns = Nodes(
        np.array([sites.index(node.site) for node in ids], np.int64),
        np.array([node.feature for node in ids], np.int64),
        np.array([node.position for node in ids], np.int64),
        np.array(list(nodes.values()), float),
        np.zeros(len(ids)),
    )
    links = Edges(
        np.array([row[source] for source, _ in pairs], np.int64),
        np.array([row[target] for _, target in pairs], np.int64),
        np.array(list(pairs.values()), float),
        np.zeros(len(pairs)),
    )
    return described(sites, columns, links, info)


@cache
def random_circuit(count: int, *, keep: bool, seed: int = 0, edges: int | None = None) -> Circuit:
    """Nodes anywhere in six layers; edges upward and never to an earlier position."""
    generator = np.random.default_rng(seed)
    sites = [Site("embed", -1), *(Site(kind, n) for n in range(6) for kind in ("attn", "mlp", "resid"))]
    names: dict[str, float] = {}
    while len(names) < count:
        site = sites[generator.integers(len(sites))]
        feature = "error" if generator.random() < 0.15 else str(generator.integers(32768))
        place = f"@{generator.integers(1, 8)}" if keep else ""
        names[f"{site}/{feature}{place}"] = float(generator.lognormal(-3, 1) * generator.choice([1, 1, -1]))
    ids = [(NodeId.parse(name), name) for name in names]
    wanted, effects = 3 * count if edges is None else edges, {}
    for _ in range(40 * wanted):
        (source, a), (target, b) = (ids[generator.integers(count)] for _ in range(2))
        if source.site == sites[-1]:
            b = OUTPUT
        if b == OUTPUT or (source.site < target.site and source.position <= target.position):
            effects[a, b] = float(generator.lognormal(-5, 1) * generator.choice([1, -1]))
        if len(effects) == wanted:
            break
    return circuit_of(names, effects, positions="keep" if keep else "sum", task="synthetic", model="toy")
