"""Where the two questions about an edge disagree most: what it does alone, and what share it has in what happens.

    python -m benchmarks.approximation.disagreements --structure across_rc

For each edge between the strongest nodes, the mean over examples of its exact effect alone (``edges.py``) and of its
secant. The edges with the largest difference are listed, with the derivative at clean, with what the downstream
node's exact change comes to by its gradient, and with the effect of that node, which its secants share out.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.approximation.behaviours import Setting, bundled
from benchmarks.approximation.edges import Edge, exact_edges, linearised, only_chosen, strongest
from circuitscope.effects import NodeEffects, node_effects
from circuitscope.terms import ERROR, NodeId

out = Console(width=None if sys.stdout.isatty() else 160)


@dataclass
class Pair:
    """An edge between two nodes at positions, over the examples that have it."""

    alone: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    at_clean: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    """What the downstream node's exact change comes to by its gradient."""
    target_effect: list[float] = field(default_factory=list)

    def means(self, examples: int) -> tuple[float, ...]:
        """Means over all examples; one that does not have the edge counts as 0."""
        columns = (self.alone, self.moved, self.at_clean, self.share, self.target_effect)
        return tuple(float(np.sum(column) / examples) for column in columns)


def pairs_of(setting: Setting, nodes: int) -> dict[tuple[NodeId, NodeId], Pair]:
    """All edges of a behaviour, with what each of the two questions answers."""
    effects = node_effects(setting.model, setting.dictionaries, setting.inputs, setting.metric)
    chosen = strongest(effects, nodes)
    effects = only_chosen(effects, chosen)
    exact = exact_edges(setting, effects, chosen)
    secant, _ = linearised(setting, effects, chosen, "secant", "ig")
    clean, _ = linearised(setting, effects, chosen, "clean", "ig")
    found: dict[tuple[NodeId, NodeId], Pair] = defaultdict(Pair)
    for edge in exact.keys() | secant.keys():
        source, example, position, feature, target, place, end = edge
        pair = found[NodeId(source, feature, position), NodeId(target, end, place)]
        carried = exact.get(edge)
        gradient = effects.sites[target].gradient
        assert gradient is not None
        pair.alone.append(carried.effect if carried else 0.0)
        pair.moved.append(float(gradient[example, place] @ carried.change) if carried else 0.0)
        pair.share.append(secant.get(edge, 0.0))
        pair.at_clean.append(clean.get(edge, 0.0))
        pair.target_effect.append(effect_of(effects, edge))
    return found


def effect_of(effects: NodeEffects, edge: Edge) -> float:
    """The effect of an edge's downstream node in its example."""
    _, example, _, _, target, position, feature = edge
    side = effects.sites[target]
    if feature == ERROR:
        return float(side.error_effect[example, position])
    token = example * effects.inputs.clean.positions + position
    here = (side.features.token == token) & (side.features.feature == feature)
    return float(side.feature_effect[here].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--structure", default="across_rc")
    parser.add_argument("--nodes", type=int, default=80, help="nodes per example (default: 80)")
    parser.add_argument("--examples", type=int, default=8)
    parser.add_argument("--count", type=int, default=12, help="edges to list (default: 12)")
    options = parser.parse_args(sys.argv[1:])
    torch.set_num_threads(1)
    (setting,) = bundled((options.structure,)).settings(options.examples, "float64")
    pairs = pairs_of(setting, options.nodes)
    means = {ends: pair.means(options.examples) for ends, pair in pairs.items()}
    order = sorted(means, key=lambda ends: -abs(means[ends][3] - means[ends][1]))
    table = Table(title=f"{setting.behaviour}: largest differences of share and exact change × gradient")
    for heading in (
        "from",
        "to",
        "alone, exact",
        "alone × gradient",
        "at clean",
        "share",
        "effect of target",
    ):
        table.add_column(heading, justify="left" if heading in ("from", "to") else "right")
    for ends in order[: options.count]:
        table.add_row(*map(str, ends), *(f"{value:+.3f}" for value in means[ends]))
    out.print(table)


if __name__ == "__main__":
    main()
