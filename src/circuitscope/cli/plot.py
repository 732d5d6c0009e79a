"""circuitscope plot"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuitscope.cli.console import say
from circuitscope.cli.options import RUN
from circuitscope.errors import BadInput, argument
from circuitscope.runs import refuse_existing

if TYPE_CHECKING:
    from circuitscope.results import Circuit, Groups


_ERRORS = Annotated[
    str,
    typer.Option(
        "--errors-in-picture",
        help="Which errors to draw: strong adds those at the other end of a drawn node's strongest edge to the "
        "strongest nodes, always adds all, never leaves errors out.",
        metavar="always|strong|never",
    ),
]
_LABELS = Annotated[
    bool | None,
    typer.Option(
        "--labels/--no-labels",
        help="Write under a feature's number what it is most active on, as the run's report has it "
        "(default: if there is a report).",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    app.command("plot")(plot)


def plot(
    run: RUN,
    nodes: Annotated[
        int | None, typer.Option(help="Draw only this many of the strongest nodes.", metavar="N", min=1)
    ] = None,
    edges: Annotated[
        int | None, typer.Option(help="Draw only this many of the strongest edges.", metavar="N", min=0)
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The picture to write: .png, .svg or .pdf (default: RUN/circuit.png, or RUN/groups.png).",
        ),
    ] = None,
    groups: Annotated[
        bool,
        typer.Option(
            "--groups",
            help="Draw the groups that group found; --nodes and --edges then count groups and edges between them.",
        ),
    ] = False,
    errors_in_picture: _ERRORS = "strong",
    labels: _LABELS = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Draw a run's circuit: layers upward, positions to the right, blue promotes, red suppresses."""
    from circuitscope.pages.page import report_labels
    from circuitscope.pages.pictures import plot_circuit, plot_groups
    from circuitscope.results import load

    path = out_file.expanduser() if out_file else run / ("groups.png" if groups else "circuit.png")
    refuse_existing(path, overwrite=overwrite)
    if groups and (errors_in_picture != "strong" or labels):
        option = argument("labels", True) if labels else argument("errors_in_picture")
        raise BadInput(
            f"{option} is about the picture of single nodes, but {argument('groups', True)} is given",
            expected="one of the two: groups have names, and errors are groups of their own",
            mend="leave one out",
        )
    circuit = load(run)
    if groups:
        plot_groups(circuit, _groups_of(run, circuit), path, max_groups=nodes, max_edges=edges)
    else:
        plot_circuit(
            circuit,
            path,
            labels=report_labels(run, wanted=labels),
            max_nodes=nodes,
            max_edges=edges,
            errors_in_picture=errors_in_picture,
        )
    say(f"written to {path}")


def _groups_of(run: Path, circuit: Circuit) -> Groups:
    from circuitscope.results import groups_of

    found = groups_of(run, circuit)
    if found is None:
        raise BadInput(
            f"{run} has no groups yet", expected="a run that was grouped", mend=f"circuitscope group {run}"
        )
    return found
