"""group: from a circuit to its supernodes.

1. Run the task's examples, those that the circuit was discovered on, and note where its features are active.
2. Compute how alike any two features are (``similarity``): by activity, by write vectors, by edges.
3. Join what is alike (``cluster``), but only what may stand together (``places``). An error node and a feature that
   is like no other are groups of their own, so every node is in exactly one group.
4. Sum effects and edges (``sums``), and name the groups (``naming``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from circuitscope.config import GroupConfig
from circuitscope.dashboards import NodeActivations, node_activations, promoted_tokens, stream_vector
from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput
from circuitscope.grouping.cluster import clusters
from circuitscope.grouping.group_edges import Rows, group_edges, ordered
from circuitscope.grouping.may_join import default_span, may_join
from circuitscope.grouping.naming import Member, aim_of, layers_of, traits_of, unique, where_of, words
from circuitscope.grouping.similarity import VIEWS, combined, correlations, cosines, profiles
from circuitscope.model import LanguageModel
from circuitscope.results import Circuit, Group, Groups, NodeActivity
from circuitscope.results.groups import SCHEMA_VERSION
from circuitscope.tasks import Examples, Task, load_task
from circuitscope.terms import ERROR, SUMMED, NodeId, Site
from circuitscope.work import Progress, shown

SIMILARITY = 0.3
_PROMOTED = 8


def group(
    model: LanguageModel,
    dictionaries: Dictionaries,
    task: Task | str | Path | Examples,
    circuit: Circuit,
    *,
    groups: int | None = None,
    similarity: float | None = None,
    layers: int | None = None,
    activity: float = 1.0,
    vectors: float = 1.0,
    edges: float = 1.0,
    batch_size: int = 32,
    progress: Progress | bool | None = None,
) -> Groups:
    """Group a circuit's features by what they do; see this module's text.

    Args:
        task: the one that the circuit was discovered on.
        groups: join until there are this many; there are more where no further join is allowed.
        similarity: join as long as members are at least this similar on average, from -1 to 1; 0.3 if neither
            this nor ``groups`` is given.
        layers: how many neighbouring layers a group may touch; a quarter of the model's if not given.
        activity, vectors, edges: weights of the three views of similarity.
        batch_size: examples that go through the model together.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Raises:
        BadInput: both ``groups`` and ``similarity`` are given, a number is out of range, all weights are 0, or the
            circuit has a node that the dictionaries lack.
    """
    GroupConfig(
        groups, similarity, layers, activity, vectors, edges, batch_size
    )  # refuses what makes no sense
    weights = {"activity": activity, "vectors": vectors, "edges": edges}
    _check_nodes(circuit, dictionaries)
    task = load_task(task, model)
    with shown(progress) as tell:
        tell(0, 3, "reading the task's texts")
        encoded, _ = task.encode(
            str(circuit.info.get("split", "train")),
            model.tokenizer,
            bos=bool(circuit.info.get("bos")),
            limit=int(circuit.info.get("examples") or 100),
        )
        seen = node_activations(
            model,
            dictionaries,
            circuit.ids,
            encoded,
            bos=bool(circuit.info.get("bos")),
            batch_size=batch_size,
        )
        tell(1, 3, "comparing features")
        alike = _similarity(model, dictionaries, circuit, seen, weights)
        least = SIMILARITY if similarity is None and groups is None else similarity
        span = default_span(model.n_layers) if layers is None else layers
        rows = ordered(circuit, clusters(alike, may_join(circuit, span), least=least, count=groups))
        tell(2, 3, "naming groups")
        activities = seen.activities()
        links, inside = group_edges(circuit, rows)
        found = _named(
            circuit, rows, inside, _members(model, dictionaries, circuit, activities), model.n_layers
        )
        tell(3, 3, "naming groups")
    return Groups(SCHEMA_VERSION, found, links, least, weights, activities)


def _check_nodes(circuit: Circuit, dictionaries: Dictionaries) -> None:
    for node in circuit.ids:
        known = node.site in dictionaries
        if not known or node.feature >= dictionaries[node.site].n_features:
            raise BadInput(
                f"the circuit's node {node} is in none of the dictionaries",
                expected="the dictionaries that the circuit was discovered with",
                mend="load those",
            )


def _similarity(
    model: LanguageModel,
    dictionaries: Dictionaries,
    circuit: Circuit,
    seen: NodeActivations,
    weights: dict[str, float],
) -> NDArray[np.float64]:
    """(node, node) over all nodes; what it says of errors is never used, since they join nothing."""
    features = np.flatnonzero(circuit.nodes.feature != ERROR)
    views = {view: np.full((len(circuit), len(circuit)), np.nan) for view in VIEWS}
    both = np.ix_(features, features)
    views["activity"][both] = correlations(seen.values)
    views["vectors"][both] = cosines(_write_vectors(model, dictionaries, seen.nodes))
    views["edges"] = profiles(circuit.edges, len(circuit))
    return combined(views, weights)


def _write_vectors(
    model: LanguageModel, dictionaries: Dictionaries, nodes: Sequence[NodeId]
) -> NDArray[np.float64]:
    """(node, width) as the residual stream receives them, so that sites with other tensors compare too."""
    known: dict[tuple[Site, int], NDArray[np.float64]] = {}
    with torch.no_grad():
        for node in nodes:
            if (node.site, node.feature) not in known:
                vector, _ = stream_vector(model, dictionaries, node.site, node.feature)
                known[node.site, node.feature] = vector.double().cpu().numpy()
    found = [known[node.site, node.feature] for node in nodes]
    return np.stack(found) if found else np.zeros((0, model.width))


def _members(
    model: LanguageModel,
    dictionaries: Dictionaries,
    circuit: Circuit,
    activities: Sequence[NodeActivity],
) -> list[Member]:
    """Per node what names are made from."""
    features = [(node.site, node.feature) for node in circuit.ids if not node.is_error]
    promoted = iter(promoted_tokens(model, dictionaries, features, count=_PROMOTED))
    active = iter(activities)
    return [
        Member(node, effect, None, None)
        if node.is_error
        else Member(node, effect, next(active), next(promoted))
        for node, effect in zip(circuit.ids, circuit.nodes.effect.tolist(), strict=True)
    ]


def _is_late(members: Sequence[Member], n_layers: int) -> bool:
    """Whether all members are in the upper half of the model, whose write vectors the output reads."""
    return all(member.node.site.layer >= n_layers / 2 for member in members)


def _named(
    circuit: Circuit,
    rows: Sequence[Rows],
    inside: Sequence[float],
    members: Sequence[Member],
    n_layers: int,
) -> tuple[Group, ...]:
    together = [[members[row] for row in group_rows] for group_rows in rows]
    traits = [traits_of(part) for part in together]
    sites = [tuple(site.name for site in sorted({member.node.site for member in part})) for part in together]
    headings = dict(enumerate(map(str, circuit.info.get("tokens") or ())))
    last = len(headings) - 1
    where = [
        where_of(part, trait, headings.get(part[0].node.position, ""))
        for part, trait in zip(together, traits, strict=True)
    ]
    aim = [
        aim_of(part, trait, at_end=part[0].node.position in (SUMMED, last) and _is_late(part, n_layers))
        for part, trait in zip(together, traits, strict=True)
    ]
    names = unique(
        [
            left if part[0].node.is_error else f"{left} {right}".strip() + f" ({layers_of(place)})"
            for left, right, place, part in zip(where, aim, sites, together, strict=True)
        ],
        lambda row: f"makes likelier {words(traits[row].promoted)}",
    )
    return tuple(
        Group(
            name=names[row],
            where=where[row],
            aim=aim[row],
            members=tuple(str(member.node) for member in part),
            effect=float(circuit.nodes.effect[rows[row]].sum()),
            stderr=float(circuit.nodes.stderr[rows[row]].sum()),
            inside=inside[row],
            sites=sites[row],
            position=None if part[0].node.position == SUMMED else part[0].node.position,
            tokens=traits[row].tokens,
            for_answers=traits[row].for_answers,
            promoted=traits[row].promoted,
        )
        for row, part in enumerate(together)
    )
