"""The strongest paths of a circuit, with the token and a few words for every node on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from circuitscope.pages.report_content import PathLine, PathStep, WaysThrough
from circuitscope.pages.words.path_words import path_sentence
from circuitscope.results import Circuit, FeatureDashboard, Path, explained_by_edges, label_of, paths
from circuitscope.terms import OUTPUT, SUMMED, NodeId

SHOWN = 5


def ways_through(
    circuit: Circuit, features: Sequence[FeatureDashboard], headings: Mapping[int, str]
) -> WaysThrough | None:
    """The strongest routes and paths to the output; None where no edge goes into it."""
    if not (circuit.edges.target < 0).any():
        return None
    found = paths(circuit, count=SHOWN)
    labels = {(item.site, item.feature): label_of(item) for item in features}
    return WaysThrough(
        path_sentence(found),
        tuple(PathLine(path.share, _route_steps(path, headings)) for path in found.routes),
        tuple(PathLine(path.share, _path_steps(path, labels, headings)) for path in found.paths),
        explained_by_edges(circuit),
    )


def _route_steps(path: Path, headings: Mapping[int, str]) -> tuple[PathStep, ...]:
    cells = [cell.partition("@") for cell in path.nodes]
    places = [int(position) if position else SUMMED for _, _, position in cells]
    return tuple(
        PathStep(site, heading)
        for (site, _, _), heading in zip(cells, _headings(places, headings), strict=True)
    )


def _path_steps(
    path: Path, labels: Mapping[tuple[str, int], str], headings: Mapping[int, str]
) -> tuple[PathStep, ...]:
    nodes = [None if name == OUTPUT else NodeId.parse(name) for name in path.nodes]
    places = [SUMMED if node is None else node.position for node in nodes]
    return tuple(
        PathStep(name, heading, "" if node is None else labels.get((node.site.name, node.feature), ""))
        for name, node, heading in zip(path.nodes, nodes, _headings(places, headings), strict=True)
    )


def _headings(places: Sequence[int], headings: Mapping[int, str]) -> list[str]:
    """The token at each position, where it changes."""
    found, before = [], SUMMED
    for place in places:
        found.append(headings.get(place, "") if place != before else "")
        before = place
    return found
