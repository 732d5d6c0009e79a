"""circuitscope paths"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from circuitscope.cli.console import out, say
from circuitscope.cli.options import RUN
from circuitscope.terms import OUTPUT


def register(app: typer.Typer) -> None:
    app.command("paths")(paths)


def paths(
    run: RUN,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="The node that paths begin at; otherwise all that no edge goes into.",
            metavar="NODE",
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option("--to", help="The node that paths end at; shares are of its effect.", metavar="NODE"),
    ] = OUTPUT,
    count: Annotated[int, typer.Option(help="How many to list.", metavar="N", min=1)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the strongest paths from a circuit's inputs to the output, each with its share of the whole effect."""
    from circuitscope.pages.words import path_sentence, path_share, position_tokens_line
    from circuitscope.results import load, paths, to_plain

    circuit = load(run)
    found = paths(circuit, source=source, target=target, count=count)
    if as_json:
        json.dump(to_plain(found), sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    say(path_sentence(found))
    if not found.paths:
        return
    for title, some in (("routes: sites and positions", found.routes), ("paths: node by node", found.paths)):
        table = Table(title=f"strongest {title}", title_justify="left")
        table.add_column("share", justify="right", no_wrap=True)
        table.add_column("from … to", overflow="fold")
        for path in some:
            table.add_row(path_share(path.share), escape(str(path)))
        out.print(table)
    tokens = position_tokens_line(circuit)
    if tokens:
        say(tokens)
