"""A circuit as two tables, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from circuitscope.results import Circuit
from circuitscope.terms import OUTPUT, SUMMED, NodeId

NODE_COLUMNS = ("id", "site", "feature", "position", "token", "effect", "stderr", "label")
EDGE_COLUMNS = ("source", "target", "effect", "stderr")


def csv_tables(circuit: Circuit, labels: Mapping[NodeId, str], headings: Mapping[int, str]) -> dict[str, str]:
    """nodes.csv and edges.csv; numbers in full, an error's feature is ``error``, no position is empty."""
    nodes, edges = circuit.nodes, circuit.edges
    names = [*map(str, circuit.ids), OUTPUT]
    node_rows = (
        (
            *(str(node), node.site.name, "error" if node.is_error else node.feature),
            *("" if node.position == SUMMED else node.position, headings.get(node.position, "")),
            *(repr(effect), repr(stderr), labels.get(node, "")),
        )
        for node, effect, stderr in zip(
            circuit.ids, nodes.effect.tolist(), nodes.stderr.tolist(), strict=True
        )
    )
    edge_rows = (
        (names[source], names[target], repr(effect), repr(stderr))
        for source, target, effect, stderr in zip(
            edges.source, edges.target, edges.effect.tolist(), edges.stderr.tolist(), strict=True
        )
    )
    return {"nodes.csv": _table(NODE_COLUMNS, node_rows), "edges.csv": _table(EDGE_COLUMNS, edge_rows)}


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
