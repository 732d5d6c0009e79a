"""circuitscope show"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from circuitscope.cli.console import errors, out, say
from circuitscope.cli.options import RUN
from circuitscope.cli.tables import circuit_table, edge_gap_table, edge_table, evaluation_parts, summary
from circuitscope.runs import EVALUATION, command, is_there, outdated_by


def register(app: typer.Typer) -> None:
    app.command("show")(show)


def show(
    run: RUN,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole circuit as JSON.")] = False,
    nodes: Annotated[int, typer.Option(help="How many nodes and edges to list.", metavar="N", min=1)] = 20,
) -> None:
    """Show a saved circuit; needs neither the model nor torch."""
    from circuitscope.results import load

    circuit = load(run)
    if as_json:
        json.dump(circuit.to_json(), sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    out.print(summary(circuit))
    out.print(circuit_table(circuit, nodes))
    out.print(edge_table(circuit, nodes))
    gaps = edge_gap_table(circuit)
    if gaps is not None:
        out.print(gaps)
    if circuit.evaluation is not None:
        _warn_of_another_circuit(run)
        for part in evaluation_parts(circuit.evaluation):
            out.print(part)
    else:
        say(f"not evaluated yet: circuitscope evaluate {run}")


def _warn_of_another_circuit(run: Path) -> None:
    if is_there(run, EVALUATION) and outdated_by(run, EVALUATION) is not None:
        errors.print(
            "these scores belong to another circuit, which was in this folder when they were measured; measure "
            "again: " + command(run, EVALUATION, again=True),
            style="yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
