"""Groups of made-up circuits, with whatever names a test wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuitscope.grouping.group_edges import group_edges, ordered
from circuitscope.grouping.may_join import may_join
from circuitscope.results import Circuit, Group, Groups, NodeActivity, Share

WEIGHTS = {"activity": 1.0, "vectors": 1.0, "edges": 1.0}


def groups_of_circuit(
    circuit: Circuit, *, names: Sequence[str] = ("a name",), span: int = 1, size: int = 4
) -> Groups:
    """Up to ``size`` nodes that may stand together share a group."""
    allowed = may_join(circuit, span)
    labels = np.full(len(circuit), -1)
    for row in range(len(circuit)):
        if labels[row] < 0:
            free = np.flatnonzero(allowed[row] & (labels < 0))
            together = [row]
            for other in free.tolist():
                if other != row and len(together) < size and allowed[other, together].all():
                    together.append(other)
            labels[together] = row
    rows = ordered(circuit, labels)
    between, inside = group_edges(circuit, rows)
    found = []
    for index, (members, within) in enumerate(zip(rows, inside, strict=True)):
        ids = [circuit.ids[row] for row in members]
        name = names[index % len(names)]
        found.append(
            Group(
                name=f"{name} {index}",
                where=f"on {name}",
                aim=f"→ {name}",
                members=tuple(map(str, ids)),
                effect=float(circuit.nodes.effect[members].sum()),
                stderr=float(circuit.nodes.stderr[members].sum()),
                inside=within,
                sites=tuple(site.name for site in sorted({node.site for node in ids})),
                position=None if ids[0].position < 0 else ids[0].position,
                tokens=(name,),
                for_answers=(name,),
                promoted=(name,),
            )
        )
    return Groups(1, tuple(found), between, 0.3, WEIGHTS, activities_of(circuit, names))


def activities_of(circuit: Circuit, names: Sequence[str] = ("is", "are")) -> tuple[NodeActivity, ...]:
    """Every feature is active on the texts of every other answer."""
    shares = tuple(Share(name, 50, float(number % 2), 1.0) for number, name in enumerate(names))
    return tuple(
        NodeActivity(str(node), 0.5, 0.5, shares, (), (names[0],), 1, 2)
        for node in circuit.ids
        if not node.is_error
    )
