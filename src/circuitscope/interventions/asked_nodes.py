"""From the names of nodes and a number for each to the nodes themselves, checked against the dictionaries."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import SupportsFloat

from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput, expect
from circuitscope.results import Circuit
from circuitscope.terms import SUMMED, NodeId

Numbers = Mapping[NodeId | str, SupportsFloat]
"""A number per node: Python's, numpy's or torch's."""

Value = SupportsFloat | Numbers
"""One number for all nodes, or one per node."""


def numbers_for(
    nodes: Circuit | Iterable[NodeId | str], value: Value, dictionaries: Dictionaries, verb: str
) -> dict[NodeId, float]:
    """The number of each node, each node once.

    Args:
        verb: what is done with the nodes, as messages say it: ``held at``.

    Raises:
        BadInput: a name cannot be read, the dictionaries lack a node, a number is missing or not finite, or a feature
            is named both at every position and at one.
    """
    if isinstance(nodes, str):
        nodes = [nodes]
    ids = list(dict.fromkeys(map(_named, nodes.ids if isinstance(nodes, Circuit) else nodes)))
    _refuse_twice(ids)
    numbers = _numbers(ids, value, verb)
    for node, number in numbers.items():
        _check(node, dictionaries)
        if not math.isfinite(number):
            raise BadInput(f"{node} {verb} {number}", expected="a finite number")
    return numbers


def _named(node: NodeId | str) -> NodeId:
    expect(node, NodeId | str, "a node")
    return node if isinstance(node, NodeId) else NodeId.parse(node)


def _refuse_twice(ids: list[NodeId]) -> None:
    """Refuse a node that is named both at every position and at one, where it would change twice."""
    everywhere = {(node.site, node.feature) for node in ids if node.position == SUMMED}
    twice = [node for node in ids if node.position != SUMMED and (node.site, node.feature) in everywhere]
    if twice:
        raise BadInput(
            f"{twice[0]} is named, and so is {NodeId(twice[0].site, twice[0].feature)}, which means every position",
            expected="a feature either at every position or only at some",
            mend="leave one of the two out",
        )


def _numbers(ids: list[NodeId], value: Value, verb: str) -> dict[NodeId, float]:
    if not isinstance(value, Mapping):
        return dict.fromkeys(ids, _number(value, f"what nodes are {verb}"))
    given: dict[NodeId, float] = {}
    for name, number in value.items():
        node = _named(name)
        if node in given:
            raise BadInput(f"two values for {node}", expected="one", mend="leave one of the two out")
        given[node] = _number(number, f"what {node} is {verb}")
    missing = [str(node) for node in ids if node not in given]
    unknown = [str(node) for node in given if node not in ids]
    if missing or unknown:
        raise BadInput(
            f"no value for {', '.join(missing[:5])}"
            if missing
            else f"a value for {', '.join(unknown[:5])}, not among the nodes",
            expected="a value for every node and for no others, or one number for all",
            mend="make the nodes and the values agree",
        )
    return given


def _number(value: SupportsFloat, what: str) -> float:
    expect(value, SupportsFloat, what)
    try:
        return float(value)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # an array of several numbers; libraries differ in what they raise
        raise BadInput(f"{what} {value!r}", expected="one number") from error


def _check(node: NodeId, dictionaries: Dictionaries) -> None:
    if node.site not in dictionaries:
        raise BadInput(
            f"{node}: there is no dictionary for {node.site}",
            expected=", ".join(map(str, dictionaries)),
            mend="choose a node of one of these sites",
        )
    count = dictionaries[node.site].n_features
    if node.feature >= count:
        raise BadInput(f"{node}: its dictionary has {count} features", expected=f"0 to {count - 1}, or error")
