"""A circuit as a notebook shows it, light and dark: colours only in the bars, text in the notebook's own."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from circuitscope.terms import NodeId

if TYPE_CHECKING:
    from circuitscope.results.circuit import Circuit

_ROWS_SHOWN = 12
_BLUE, _RED = "#3b7dd8", "#d9534f"


def circuit_html(circuit: Circuit) -> str:
    """Its strongest nodes and its scores."""
    shown = circuit.nodes.strongest()[:_ROWS_SHOWN]
    largest = float(np.abs(circuit.nodes.effect[shown]).max(initial=0)) or 1.0
    rows = "".join(
        _html_row(
            circuit.ids[row], float(circuit.nodes.effect[row]), float(circuit.nodes.stderr[row]), largest
        )
        for row in shown
    )
    rest = len(circuit.nodes) - len(shown)
    more = f"<p>and {rest:,} more</p>" if rest else ""
    head = "<tr><th style='text-align:left'>node</th><th colspan='2'>effect ± standard error</th></tr>"
    return (
        f"<div><p><b>{html.escape(circuit.task)}</b> in {html.escape(circuit.model)}: "
        f"{len(circuit.nodes):,} nodes, {len(circuit.edges):,} edges<br>"
        f"{html.escape(_evaluation_line(circuit))}</p><table>{head}{rows}</table>{more}</div>"
    )


def _evaluation_line(circuit: Circuit) -> str:
    """Faithfulness and completeness in a line of text."""
    if circuit.evaluation is None:
        return "not evaluated yet"
    score = circuit.evaluation.scores[0]
    known = [("faithfulness", score.faithfulness), ("completeness", score.completeness)]
    parts = [f"{name} {'undefined' if found.value is None else found}" for name, found in known]
    return ", ".join(parts) + f"; {score.free_layers} layers free"


def _html_row(node: NodeId, effect: float, stderr: float, largest: float) -> str:
    width, colour = 100 * abs(effect) / largest, _BLUE if effect > 0 else _RED
    bar = f"<div style='width:{width:.0f}px;height:0.7em;border-radius:2px;background:{colour}'></div>"
    spread = f" ± {stderr:.3f}" if stderr else ""  # one example has none
    return (
        f"<tr><td style='text-align:left'>{html.escape(str(node))}</td>"
        f"<td style='text-align:right'>{effect:+.3f}{spread}</td>"
        f"<td style='width:104px'>{bar}</td></tr>"
    )
