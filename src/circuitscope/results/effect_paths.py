"""Paths: how an effect travels through a circuit, from the model's input to the output.

The in-edges of a node share out its effect, so an edge's share of its target is its effect over the target's, and the
share of a path is the product of the shares along it: what part of the whole effect takes this way. With edges that
add up (``secant``) the shares of all paths into a node sum to what reaches it; derivatives at one run add up to
nothing in particular, so shares made of them are only a ranking.

Shares may be negative, or above 1, where a node's in-edges partly cancel. ``flow`` is the same with sizes instead:
what part of the |edges| into each node an edge has, so that every node hands all of its flow on.

A *route* is all paths through the same sites and positions taken together: features that do one thing side by side
divide its share among hundreds of paths, and the route says what they do together.

All follow the mean effects over the examples, as the circuit holds them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import BadInput, argument, expect
from circuitscope.results.circuit import Circuit
from circuitscope.terms import OUTPUT, SUMMED, NodeId

SECANT = "secant"
"""The edges that add up."""
OF_OTHER_GRADIENTS = ("exact", "atp-graddrop")
"""Methods whose node effects are not those of the gradients that edges are made with."""
WIDEST = 400
"""How many beginnings of routes are followed side by side."""
END = -1
"""The row that stands for the output, as the target of edges."""

NodeRows = NDArray[np.int64]


@dataclass(frozen=True)
class Path:
    """One way through a circuit."""

    nodes: tuple[str, ...]
    """From the first node to the last; the last may be ``output``."""
    share: float
    """Of the effect of the last: the product of the edges' shares."""

    def __str__(self) -> str:
        return " → ".join(self.nodes)


@dataclass(frozen=True)
class Paths:
    """The strongest paths of a circuit, and what all of them carry."""

    task: str
    source: str | None
    """The node that they begin at; None for nodes without in-edges, where the circuit begins."""
    target: str
    """Where they end: ``output`` or a node."""
    whole: float
    """The effect that shares are of, in units of the metric."""
    carried: float
    """The share of it that all paths together carry, shown or not."""
    edges_at: str
    """Which edges they are made of."""
    adds_up: bool
    """Whether shares are parts of a whole, or only a ranking."""
    exact_routes: bool
    """Whether no route that is left out can be stronger; a large circuit has too many to look at all."""
    routes: tuple[Path, ...]
    """By decreasing |share|; sites with positions in place of nodes."""
    paths: tuple[Path, ...]
    """By decreasing |share|."""

    def __repr__(self) -> str:
        routes = [f"  {path.share:8.2%}  {path}" for path in self.routes]
        lines = [f"  {path.share:8.2%}  {path}" for path in self.paths]
        head = f"Paths to {self.target}: all together carry {self.carried:.0%}"
        return "\n".join([head, " routes", *routes, " paths", *lines])


def paths(
    circuit: Circuit, *, source: str | NodeId | None = None, target: str | NodeId = OUTPUT, count: int = 10
) -> Paths:
    """The strongest paths of a circuit.

    Args:
        circuit: with edges.
        source: the node that paths begin at; None for the nodes that no edge of the circuit goes into. Without a
            position it means every position.
        target: where they end: ``output``, or a node.
        count: how many to list.

    Raises:
        BadInput: a node is not in the circuit, or ``target`` means several.
    """
    expect(circuit, Circuit, "circuit", "paths(circuit)")
    expect(count, int, "count")
    if count < 1:
        raise BadInput(argument("count", count), expected="at least 1")
    if source is not None and str(source) == OUTPUT:
        raise BadInput(
            "paths from the output", expected="a node: paths end at the output", mend="name it as the target"
        )
    graph = Graph(circuit)
    end = END if str(target) == OUTPUT else _only_row(circuit, target)
    begin = graph.beginnings if source is None else _rows_of(circuit, source)
    found = tuple(
        Path(tuple(OUTPUT if row == END else str(circuit.ids[row]) for row in rows), share)
        for share, rows in graph.strongest(end, begin, count)
    )
    routes, exact = graph.strongest_routes(end, begin, count)
    return Paths(
        circuit.task,
        None if source is None else str(source),
        str(target),
        graph.effect[end],
        float(graph.carried(begin)[end]) if found else 0.0,
        circuit.recipe.settings.edges_at if circuit.recipe else "",
        shares_add_up(circuit),
        exact,
        tuple(Path(cells, share) for share, cells in routes),
        found,
    )


class Graph:
    """A circuit's edges, looked at from their targets; the last entry of an array by node is the output."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        order = np.argsort(circuit.edges.target, kind="stable")
        self.source, self.target = circuit.edges.source[order], circuit.edges.target[order]
        self._edge = circuit.edges.effect[order]
        self.row = order
        """The row of each edge in the circuit."""

    @property
    def size(self) -> int:
        return len(self._circuit.nodes)

    @cached_property
    def effect(self) -> NDArray[np.float64]:
        """What the in-edges of each node should add up to; for methods with other gradients, what they do."""
        whole = np.append(self._circuit.nodes.effect, whole_effect(self._circuit))
        if _method(self._circuit) in OF_OTHER_GRADIENTS:
            sums = np.zeros(self.size + 1)
            np.add.at(sums, self.target, self._edge)
            return np.where(sums != 0, sums, whole)
        return whole

    @cached_property
    def share(self) -> NDArray[np.float64]:
        """Each edge's share of its target's effect; 0 where there is none to share."""
        whole = self.effect[self.target]
        return np.divide(self._edge, whole, out=np.zeros_like(self._edge), where=whole != 0)

    @cached_property
    def size_share(self) -> NDArray[np.float64]:
        """Each edge's share of the |edges| into its target."""
        size = np.abs(self._edge)
        total = np.bincount(self.target % (self.size + 1), weights=size, minlength=self.size + 1)
        return np.divide(size, total[self.target % (self.size + 1)], out=np.zeros_like(size), where=size != 0)

    @cached_property
    def beginnings(self) -> NodeRows:
        """The nodes that no edge goes into."""
        return np.setdiff1d(np.arange(self.size), self.target)

    @cached_property
    def upward(self) -> list[int]:
        """All targets in the order of computation, the output last."""
        nodes = self._circuit.nodes
        return [*np.lexsort((nodes.feature, nodes.position, nodes.site)).tolist(), END]

    @cached_property
    def _into(self) -> Mapping[int, slice]:
        """The edges into each node."""
        targets, first, count = np.unique(self.target, return_index=True, return_counts=True)
        columns = zip(targets.tolist(), first.tolist(), (first + count).tolist(), strict=True)
        return {row: slice(start, stop) for row, start, stop in columns}

    def into(self, row: int) -> slice:
        """Where the edges into a node stand."""
        return self._into.get(row, slice(0, 0))

    def carried(
        self, begin: NodeRows, *, kept: NDArray[np.bool_] | None = None, sizes: bool = False
    ) -> NDArray[np.float64]:
        """The summed shares of all paths from ``begin`` to each node, over ``kept`` edges only."""
        share = (self.size_share if sizes else self.share) * (1 if kept is None else kept)
        total = np.zeros(self.size + 1)
        total[begin] = 1.0
        fixed = set(begin.tolist())
        for row in self.upward:
            if row not in fixed and row in self._into:
                edges = self._into[row]
                total[row] = share[edges] @ total[self.source[edges]]
        return total

    def flow(self) -> NDArray[np.float64]:
        """The part of the output's flow that goes over each edge: every node hands all of its flow on, by size."""
        through, edge = np.zeros(self.size + 1), np.zeros(len(self.source))
        through[END] = 1.0
        for row in reversed(self.upward):
            if row in self._into:
                edges = self._into[row]
                edge[edges] = through[row] * self.size_share[edges]
                np.add.at(through, self.source[edges], edge[edges])
        return edge

    def strongest(self, end: int, begin: NodeRows, count: int) -> Iterator[tuple[float, tuple[int, ...]]]:
        """The ``count`` paths of largest |share|, best first: a search that knows how good the rest can get."""
        best = self._best_from(begin)
        starts = set(begin.tolist())
        queue: list[tuple[float, tuple[int, ...], float]] = [(-best[end], (end,), 1.0)]
        while queue and count:
            bound, rows, share = heapq.heappop(queue)
            if bound == 0:
                return
            head = rows[0]
            if head in starts and len(rows) > 1:
                count -= 1
                yield share, rows
                continue
            for edge in range(*self.into(head).indices(len(self.source))):
                source, longer = int(self.source[edge]), share * float(self.share[edge])
                if longer * best[source] != 0:
                    heapq.heappush(queue, (-abs(longer) * best[source], (source, *rows), longer))

    def strongest_routes(
        self, end: int, begin: NodeRows, count: int
    ) -> tuple[list[tuple[float, tuple[str, ...]]], bool]:
        """The ``count`` routes of largest |share|: paths through the same sites and positions, taken together.

        All beginnings of routes are followed upward side by side, the ``WIDEST`` most promising of each step.

        Returns:
            The routes, and whether nothing was left aside on the way.
        """
        most, starts = self._most_from(begin), np.zeros(self.size + 1, bool)
        starts[begin] = True
        name = OUTPUT if end == END else str(self._circuit.ids[end])
        frontier: list[tuple[float, tuple[str, ...], dict[int, float]]] = [(0.0, (name,), {end: 1.0})]
        found: dict[tuple[str, ...], float] = {}
        exact = True
        while frontier:
            longer_ones = []
            for _, cells, shares in frontier:
                done = sum(share for row, share in shares.items() if starts[row] and row != end)
                if done:
                    found[cells] = done
                for cell, longer in self._one_step_up(shares, starts, end).items():
                    reach = sum(abs(share) * most[row] for row, share in longer.items())
                    if reach:
                        longer_ones.append((reach, (cell, *cells), longer))
            longer_ones.sort(key=lambda item: (-item[0], item[1]))
            exact = exact and len(longer_ones) <= WIDEST
            frontier = longer_ones[:WIDEST]
        best = sorted(found.items(), key=lambda item: (-abs(item[1]), item[0]))[:count]
        return [(share, cells) for cells, share in best], exact

    def _one_step_up(
        self, shares: Mapping[int, float], starts: NDArray[np.bool_], end: int
    ) -> dict[str, dict[int, float]]:
        """Shares of the nodes that edges into these come from, by site and position."""
        found: dict[str, dict[int, float]] = {}
        for row, share in shares.items():
            if (starts[row] and row != end) or row not in self._into:
                continue
            edges = self._into[row]
            for source, part in zip(self.source[edges].tolist(), self.share[edges].tolist(), strict=True):
                cell = found.setdefault(self._cell(source), {})
                cell[source] = cell.get(source, 0.0) + share * part
        return found

    def _cell(self, row: int) -> str:
        node = self._circuit.ids[row]
        return node.site.name if node.position == SUMMED else f"{node.site.name}@{node.position}"

    def _best_from(self, begin: NodeRows) -> NDArray[np.float64]:
        """The largest |share| of a path from ``begin`` to each node."""
        return self._from(begin, np.maximum.reduce)

    def _most_from(self, begin: NodeRows) -> NDArray[np.float64]:
        """The summed |shares| of all paths from ``begin`` to each node: more than any route can have."""
        return self._from(begin, np.add.reduce)

    def _from(self, begin: NodeRows, combine: Callable[[NDArray[Any]], float]) -> NDArray[np.float64]:
        """Something of all |shares| of paths from ``begin``, node by node upward."""
        best = np.zeros(self.size + 1)
        best[begin] = 1.0
        fixed = set(begin.tolist())
        for row in self.upward:
            if row not in fixed and row in self._into:
                edges = self._into[row]
                best[row] = combine(np.abs(self.share[edges]) * best[self.source[edges]])
        return best


def whole_effect(circuit: Circuit) -> float:
    """What the edges into the output should add up to: for ig of pairs m(patch) − m(clean), else what they do."""
    known = circuit.findings
    if _method(circuit) == "ig" and known.clean_metric is not None and known.patch_metric is not None:
        return known.clean_metric - known.patch_metric  # both are of the higher-is-better side
    return float(circuit.edges.effect[circuit.edges.target == END].sum())


def shares_add_up(circuit: Circuit) -> bool:
    """Whether a circuit's edges add up to its nodes' effects: secants, of a method whose gradients they use."""
    recipe = circuit.recipe
    return (
        recipe is not None
        and recipe.settings.edges_at == SECANT
        and _method(circuit) not in OF_OTHER_GRADIENTS
    )


def _method(circuit: Circuit) -> str:
    return "ig" if circuit.recipe is None else circuit.recipe.settings.method


def explained_by_edges(circuit: Circuit) -> float | None:
    """How much of the effects of a circuit's nodes its edges explain: 1 − Σ|Σ in-edges − effect| / Σ|effect|.

    Nodes of the first site have no in-edges and do not count; nor does, site by site, the share of the effects that
    comes from the model's input where no dictionary covers it. 1 where everything else arrives over kept edges from
    kept nodes; below 0 where the edges miss by more than there is. None where nothing is left to explain.
    """
    nodes, edges = circuit.nodes, circuit.edges
    inside = edges.target != END
    arrives = np.bincount(edges.target[inside], weights=edges.effect[inside], minlength=len(nodes))
    total = missing = 0.0
    for number, site in enumerate(circuit.sites):
        here = nodes.site == number
        if number == 0 or not here.any():
            continue
        gap = circuit.findings.edge_gaps.get(site.name)
        elsewhere = min(gap.elsewhere, 1.0) if gap else 0.0
        size = float(np.abs(nodes.effect[here]).sum())
        off = float(np.abs(arrives - nodes.effect)[here].sum())
        total += (1 - elsewhere) * size
        missing += max(0.0, off - elsewhere * size)
    return None if total < 1e-12 else 1 - missing / total


def _rows_of(circuit: Circuit, asked: str | NodeId) -> NodeRows:
    """The circuit's rows of a node; without a position, of every position."""
    node = asked if isinstance(asked, NodeId) else NodeId.parse(asked)
    rows = [
        row
        for row, known in enumerate(circuit.ids)
        if (known.site, known.feature) == (node.site, node.feature)
        and node.position in (SUMMED, known.position)
    ]
    if not rows:
        raise BadInput(
            f"node {node} is not in the circuit",
            expected="one of its nodes, as circuitscope show lists them",
            mend="name such a node, or discover with more nodes",
        )
    return np.array(rows, dtype=np.int64)


def _only_row(circuit: Circuit, asked: str | NodeId) -> int:
    rows = _rows_of(circuit, asked)
    if len(rows) > 1:
        listed = ", ".join(str(circuit.ids[row]) for row in rows)
        raise BadInput(
            f"{asked} means {len(rows)} nodes: {listed}", expected="one of them", mend="add its position"
        )
    return int(rows[0])


__all__ = ["Graph", "Path", "Paths", "explained_by_edges", "paths", "shares_add_up", "whole_effect"]
