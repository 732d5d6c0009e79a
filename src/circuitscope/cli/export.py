"""circuitscope export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from circuitscope.cli.console import say
from circuitscope.cli.options import RUN


def register(app: typer.Typer) -> None:
    app.command("export")(export)


def export(
    run: RUN,
    format: Annotated[
        str, typer.Option("--format", help="The format to write.", metavar="neuronpedia|graphml|csv")
    ],
    out_file: Annotated[
        Path, typer.Option("--out", help="The file to write, or the folder for csv.", metavar="OUT")
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write a saved circuit for other programs; needs neither the model nor torch.

    neuronpedia is a graph file for Neuronpedia and circuit-tracer; graphml is for networkx, Gephi and Cytoscape;
    csv is a folder with nodes.csv and edges.csv. If the run has a report, labels come from it.
    """
    from circuitscope.pages.exports import export as write

    path = write(run, format, out_file, overwrite=overwrite)
    say(f"written to {path}")
