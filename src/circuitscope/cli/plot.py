"""circuitscope plot"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from circuitscope.cli.console import say
from circuitscope.cli.options import RUN
from circuitscope.store import refuse_existing


def register(app: typer.Typer) -> None:
    app.command("plot")(plot)


def plot(
    run: RUN,
    nodes: Annotated[
        int | None, typer.Option(help="Draw only this many strongest nodes.", metavar="N", min=1)
    ] = None,
    edges: Annotated[
        int | None, typer.Option(help="Draw only this many strongest edges.", metavar="N", min=0)
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", help="The picture to write: .png, .svg or .pdf (default: RUN/circuit.png)."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Draw a run's circuit: layers upward, positions to the right, blue promotes, red suppresses."""
    from circuitscope.circuit import load
    from circuitscope.report import plot_circuit

    path = out_file or run / "circuit.png"
    refuse_existing(path, overwrite=overwrite)
    plot_circuit(load(run), path, max_nodes=nodes, max_edges=edges)
    say(f"written to {path}")
