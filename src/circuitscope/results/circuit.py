"""Circuit: the nodes and edges that carry a behaviour, as one value.

A circuit needs numpy at most, so it opens in a second on a machine without torch or the model.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import BadFile
from circuitscope.runs import EVALUATION, SCHEMA_VERSION, read_arrays, read_json, read_manifest, write_arrays
from circuitscope.terms import ERROR, OUTPUT, SUMMED, NodeId, Site

KIND = "run"
FILE = "circuit.safetensors"


@dataclass(frozen=True)
class Nodes:
    """Nodes as columns; all have one length."""

    site: NDArray[np.int64]
    """Index into the circuit's ``sites``."""
    feature: NDArray[np.int64]
    """Dictionary element, or ``ERROR``."""
    position: NDArray[np.int64]
    """Token position, or ``SUMMED``."""
    effect: NDArray[np.float64]
    """Mean indirect effect over the examples, in units of the metric; above 0 promotes the clean behaviour."""
    stderr: NDArray[np.float64]
    """Standard error of that mean over the examples."""

    def __len__(self) -> int:
        return int(self.site.size)

    @classmethod
    def none(cls) -> Nodes:
        """No nodes."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing, np.zeros(0), np.zeros(0))

    def take(self, rows: NDArray[Any]) -> Nodes:
        return Nodes(
            self.site[rows], self.feature[rows], self.position[rows], self.effect[rows], self.stderr[rows]
        )

    def strongest(self) -> NDArray[np.int64]:
        """Row numbers by falling |effect|; ties in the order of sites, positions and features."""
        return np.lexsort((self.feature, self.position, self.site, -np.abs(self.effect)))


@dataclass(frozen=True)
class Edges:
    """Edges as columns; ``target`` -1 is the output."""

    source: NDArray[np.int64]
    """Row of the upstream node."""
    target: NDArray[np.int64]
    """Row of the downstream node, or -1 for the output (the metric)."""
    effect: NDArray[np.float64]
    """Mean edge effect over the examples, in units of the metric."""
    stderr: NDArray[np.float64]
    """Standard error of that mean."""

    def __len__(self) -> int:
        return int(self.source.size)

    @classmethod
    def none(cls) -> Edges:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


_Table = TypeVar("_Table", Nodes, Edges)


@dataclass(frozen=True)
class Circuit:
    """A sparse feature circuit (Marks et al. 2024, arXiv 2403.19647)."""

    sites: tuple[Site, ...]
    """The sites with a dictionary, in the order of computation."""
    nodes: Nodes
    edges: Edges
    info: Mapping[str, Any] = field(default_factory=dict)
    """What it was made from: model, dictionaries, task, metric, method, thresholds, gaps, examples, tokens."""
    evaluation: Mapping[str, Any] | None = None
    """Faithfulness and completeness, once measured."""
    candidates: Nodes | None = None
    """Every node that had an effect, kept or not; what a sweep ranks. Not part of the JSON view."""

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def ids(self) -> tuple[NodeId, ...]:
        """Every node's name, in row order."""
        columns = zip(self.nodes.site, self.nodes.feature, self.nodes.position, strict=True)
        return tuple(NodeId(self.sites[site], int(feature), int(pos)) for site, feature, pos in columns)

    @property
    def keeps_positions(self) -> bool:
        """Whether its nodes are features at positions (templates) rather than summed over them."""
        return bool(self.info.get("positions") == "keep")

    def effect_of(self, node: NodeId) -> float | None:
        """A node's mean effect; None if it is not in the circuit."""
        row = self._rows.get(node)
        return None if row is None else float(self.nodes.effect[row])

    def strongest(self, count: int) -> Circuit:
        """The ``count`` nodes of largest |effect| and the edges between them."""
        return self.keep(self.nodes.strongest()[:count])

    def keep(self, rows: NDArray[Any]) -> Circuit:
        """The nodes in ``rows``, in row order, and the edges between them."""
        rows = np.unique(rows)
        renumber = np.full(len(self.nodes) + 1, -2)
        renumber[rows], renumber[-1] = np.arange(rows.size), -1
        source, target = renumber[self.edges.source], renumber[self.edges.target]
        inside = (source >= 0) & (target >= -1)
        edges = Edges(source[inside], target[inside], self.edges.effect[inside], self.edges.stderr[inside])
        return replace(self, nodes=self.nodes.take(rows), edges=edges)

    @cached_property
    def _rows(self) -> dict[NodeId, int]:
        return {node: row for row, node in enumerate(self.ids)}

    # -- as JSON -------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """The circuit as plain values; the layout that ``circuitscope show --json`` prints."""
        ids = [str(node) for node in self.ids]
        columns = zip(self.nodes.effect.tolist(), self.nodes.stderr.tolist(), strict=True)
        known = ("model", "dictionaries", "task", "metric", "method", "thresholds")
        return {
            "schema_version": SCHEMA_VERSION,
            **{key: self.info.get(key) for key in known},
            "info": {key: value for key, value in self.info.items() if key not in known},
            "sites": [site.name for site in self.sites],
            "nodes": [
                {"id": name, "effect": effect, "stderr": stderr}
                for name, (effect, stderr) in zip(ids, columns, strict=True)
            ],
            "edges": [
                {
                    "source": ids[source],
                    "target": OUTPUT if target < 0 else ids[target],
                    "effect": float(effect),
                    "stderr": float(stderr),
                }
                for source, target, effect, stderr in zip(
                    self.edges.source, self.edges.target, self.edges.effect, self.edges.stderr, strict=True
                )
            ],
            "evaluation": self.evaluation,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Circuit:
        """The inverse of ``to_json``."""
        sites = tuple(Site.parse(name) for name in value["sites"])
        ids = [NodeId.parse(node["id"]) for node in value["nodes"]]
        row = {str(node): index for index, node in enumerate(ids)} | {OUTPUT: -1}
        edges = value["edges"]
        known = ("model", "dictionaries", "task", "metric", "method", "thresholds")
        return cls(
            sites,
            Nodes(
                np.array([sites.index(node.site) for node in ids], np.int64),
                np.array([node.feature for node in ids], np.int64),
                np.array([node.position for node in ids], np.int64),
                np.array([node["effect"] for node in value["nodes"]], float),
                np.array([node["stderr"] for node in value["nodes"]], float),
            ),
            Edges(
                np.array([row[edge["source"]] for edge in edges], np.int64),
                np.array([row[edge["target"]] for edge in edges], np.int64),
                np.array([edge["effect"] for edge in edges], float),
                np.array([edge["stderr"] for edge in edges], float),
            ),
            {**{key: value[key] for key in known if value.get(key) is not None}, **value["info"]},
            value["evaluation"],
        )

    # -- for people ----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        task, model = self.info.get("task", "?"), self.info.get("model", "?")
        return f"Circuit({len(self.nodes)} nodes, {len(self.edges)} edges, task {task!r}, model {model!r})"

    def _repr_html_(self) -> str:
        """For notebooks, light and dark: colours only in the bars, text in the notebook's own."""
        shown = self.nodes.strongest()[:_ROWS_SHOWN]
        largest = float(np.abs(self.nodes.effect[shown]).max(initial=0)) or 1.0
        rows = "".join(
            _html_row(self.ids[row], float(self.nodes.effect[row]), float(self.nodes.stderr[row]), largest)
            for row in shown
        )
        more = f"<p>and {len(self.nodes) - len(shown):,} more</p>" if len(self.nodes) > len(shown) else ""
        head = "<tr><th style='text-align:left'>node</th><th colspan='2'>effect ± standard error</th></tr>"
        return (
            f"<div><p><b>{html.escape(str(self.info.get('task', 'circuit')))}</b> in "
            f"{html.escape(str(self.info.get('model', '?')))}: {len(self.nodes):,} nodes, "
            f"{len(self.edges):,} edges<br>{html.escape(self._evaluation_line())}</p>"
            f"<table>{head}{rows}</table>{more}</div>"
        )

    def _evaluation_line(self) -> str:
        """Faithfulness and completeness in a line of text."""
        if not self.evaluation:
            return "not evaluated yet"
        score = self.evaluation["scores"][0]
        parts = []
        for name in ("faithfulness", "completeness"):
            value = score[name]
            known = value["value"] is not None
            parts.append(
                f"{name} {value['value']:.2f} ({value['low']:.2f} … {value['high']:.2f})"
                if known
                else f"{name} undefined"
            )
        return ", ".join(parts) + f"; {score['free_layers']} layers free"


_ROWS_SHOWN = 12
_BLUE, _RED = "#3b7dd8", "#d9534f"


def _html_row(node: NodeId, effect: float, stderr: float, largest: float) -> str:
    width, colour = 100 * abs(effect) / largest, _BLUE if effect > 0 else _RED
    bar = f"<div style='width:{width:.0f}px;height:0.7em;border-radius:2px;background:{colour}'></div>"
    return (
        f"<tr><td style='text-align:left'>{html.escape(str(node))}</td>"
        f"<td style='text-align:right'>{effect:+.3f} ± {stderr:.3f}</td>"
        f"<td style='width:104px'>{bar}</td></tr>"
    )


@dataclass(frozen=True)
class Comparison:
    """How two circuits agree."""

    shared: tuple[NodeId, ...]
    only_first: tuple[NodeId, ...]
    only_second: tuple[NodeId, ...]
    overlap: float
    """Shared nodes over all nodes (Jaccard)."""
    edge_overlap: float
    """The same for edges."""
    correlation: float | None
    """Pearson correlation of the shared nodes' effects; None for fewer than two."""


def compare(first: Circuit, second: Circuit) -> Comparison:
    """Compare two circuits by node names.

    Where one keeps positions and the other sums over them, a feature's effects are summed over its positions.
    """
    kinds = [set((circuit.nodes.position == SUMMED).tolist()) for circuit in (first, second)]
    positions = sorted(map(tuple, kinds)) != [(False,), (True,)]
    ours, theirs = _effects(first, positions), _effects(second, positions)
    shared = tuple(sorted(set(ours) & set(theirs)))
    edges, other_edges = _edge_names(first, positions), _edge_names(second, positions)
    effects = np.array([[ours[node], theirs[node]] for node in shared], float)
    correlation = None
    if len(shared) >= 2 and (effects.std(axis=0) > 0).all():
        correlation = float(np.corrcoef(effects.T)[0, 1])
    return Comparison(
        shared,
        tuple(sorted(set(ours) - set(theirs))),
        tuple(sorted(set(theirs) - set(ours))),
        len(shared) / max(1, len(set(ours) | set(theirs))),
        len(edges & other_edges) / max(1, len(edges | other_edges)),
        correlation,
    )


def _named(circuit: Circuit, positions: bool) -> list[NodeId]:
    return [node if positions else replace(node, position=SUMMED) for node in circuit.ids]


def _effects(circuit: Circuit, positions: bool) -> dict[NodeId, float]:
    total: dict[NodeId, float] = {}
    for node, effect in zip(_named(circuit, positions), circuit.nodes.effect.tolist(), strict=True):
        total[node] = total.get(node, 0.0) + effect
    return total


def _edge_names(circuit: Circuit, positions: bool) -> set[tuple[str, str]]:
    names = [*map(str, _named(circuit, positions)), OUTPUT]
    return {(names[s], names[t]) for s, t in zip(circuit.edges.source, circuit.edges.target, strict=True)}


# -- run folders -------------------------------------------------------------------------------------


def write_circuit(folder: Path, circuit: Circuit) -> None:
    """Put a circuit's arrays into a run folder that is being written; the manifest takes the rest."""
    tables = {"nodes": circuit.nodes, "edges": circuit.edges, "candidates": circuit.candidates}
    columns = {
        f"{table}.{name}": column
        for table, value in tables.items()
        if value is not None
        for name, column in vars(value).items()
    }
    write_arrays(folder / FILE, columns)


def _table(arrays: Mapping[str, NDArray[Any]], name: str, kind: type[_Table]) -> _Table:
    return kind(**{column: arrays[f"{name}.{column}"] for column in kind.__dataclass_fields__})


def load(path: str | Path) -> Circuit:
    """Open the circuit of a run folder; needs neither torch nor the model.

    Raises:
        BadFile: it is no run folder, was made by a newer schema, or was damaged.
    """
    folder = Path(path)
    manifest = read_manifest(folder, KIND)
    arrays = read_arrays(folder / FILE)
    try:
        nodes, edges = _table(arrays, "nodes", Nodes), _table(arrays, "edges", Edges)
        candidates = _table(arrays, "candidates", Nodes) if "candidates.site" in arrays else None
    except KeyError as error:
        raise BadFile(f"{folder / FILE} lacks {error}", expected="a circuit", mend="make it again") from error
    evaluation = EVALUATION.path(folder)
    return Circuit(
        tuple(Site.parse(name) for name in manifest["sites"]),
        nodes,
        edges,
        manifest["info"],
        read_json(evaluation) if evaluation.is_file() else None,
        candidates,
    )


__all__ = ["ERROR", "SUMMED", "Circuit", "Comparison", "Edges", "Nodes", "compare", "load", "write_circuit"]
