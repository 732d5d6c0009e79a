"""Which nodes and edges of a circuit are drawn, if there are too many to read.

The strongest of both. But an error has no meaning of its own and is often weak, while a strong edge of a strong node
can end in it. A picture without that error shows a path that seems to lead from nowhere, or to nowhere, and a reader
would distrust the rest. So an error is drawn too where it is the other end of a drawn node's strongest edge, into
it or out of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuitscope.config import ERRORS_IN_PICTURE
from circuitscope.errors import BadInput, argument
from circuitscope.results import Circuit, Edges
from circuitscope.terms import ERROR

ALWAYS, STRONG, NEVER = ERRORS_IN_PICTURE
_Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """What is drawn."""

    circuit: Circuit
    """The nodes, with all edges between them."""
    edges: _Rows
    """The drawn rows of ``circuit.edges``, the strongest first."""
    errors: str
    """Which errors are drawn: ``always``, ``strong`` or ``never``."""
    added: int
    """How many errors are drawn that are not among the strongest nodes."""


def choose(circuit: Circuit, max_nodes: int, max_edges: int | None, errors: str) -> Chosen:
    """The strongest nodes and edges, and the errors that the picture needs.

    Args:
        max_edges: three for each node, 150 to 600, if not given.
        errors: ``strong`` adds those that carry a drawn node's strongest edge, ``always`` all of them; ``never``
            draws features only.
    """
    if errors not in ERRORS_IN_PICTURE:
        raise BadInput(
            argument("errors_in_picture", errors),
            expected=" or ".join(ERRORS_IN_PICTURE),
            mend="use one of these",
        )
    is_error = circuit.nodes.feature == ERROR
    order = circuit.nodes.strongest()
    if errors == NEVER:
        order = order[~is_error[order]]
    rows = order[:max_nodes]
    limit = default_edges(rows.size) if max_edges is None else max_edges
    needed = np.zeros(0, np.int64)
    if errors == ALWAYS:
        more = np.setdiff1d(np.flatnonzero(is_error), rows)
    elif errors == STRONG:
        needed = _leading_to_errors(circuit.edges, rows, is_error)[:limit]
        ends = np.concatenate([circuit.edges.source[needed], circuit.edges.target[needed]])
        more = np.setdiff1d(ends, rows)
    else:
        more = np.zeros(0, np.int64)
    shown = circuit.keep(np.concatenate([rows, more]))
    if max_edges is None:
        limit = default_edges(len(shown))
    return Chosen(shown, _edges(circuit, shown, needed, limit), errors, int(more.size))


def default_edges(nodes: int) -> int:
    """How many edges a picture of so many nodes can show."""
    return min(600, max(150, 3 * nodes))


def _leading_to_errors(edges: Edges, rows: _Rows, is_error: NDArray[np.bool_]) -> _Rows:
    """Edges between a drawn node and an error that is not drawn that are the node's strongest on that side."""
    drawn = np.zeros(is_error.size + 1, bool)  # the last place is the output's, which the index -1 reaches
    drawn[rows] = True
    error = np.append(is_error, False)
    order = np.argsort(-np.abs(edges.effect), kind="stable")
    found = []
    for here, there in ((edges.source, edges.target), (edges.target, edges.source)):
        rank = order[drawn[here[order]]]
        _, first = np.unique(here[rank], return_index=True)
        strongest = rank[first]
        found.append(strongest[error[there[strongest]] & ~drawn[there[strongest]]])
    needed = np.unique(np.concatenate(found))
    return np.asarray(needed[np.argsort(-np.abs(edges.effect[needed]), kind="stable")])


def _edges(circuit: Circuit, shown: Circuit, needed: _Rows, limit: int) -> _Rows:
    """The strongest edges of what is shown, among them in any case those that errors are shown for."""
    names = circuit.ids
    ends = {(names[circuit.edges.source[row]], names[circuit.edges.target[row]]) for row in needed.tolist()}
    edges = shown.edges
    in_any_case = np.zeros(len(edges), bool)
    for row, (source, target) in enumerate(zip(edges.source.tolist(), edges.target.tolist(), strict=True)):
        in_any_case[row] = target >= 0 and (shown.ids[source], shown.ids[target]) in ends
    strength = np.abs(edges.effect)
    first = np.lexsort((-strength, ~in_any_case))[:limit]
    return np.asarray(first[np.argsort(-strength[first], kind="stable")])
