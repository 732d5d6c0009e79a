"""circuitscope behaviours: find what a model does in plain text without being told. One step per file."""

from __future__ import annotations

import typer

from circuitscope.cli.behaviours import cluster, contexts, vectors

_HELP = """Find behaviours in plain text: what a model predicts well, and how.

contexts finds tokens that the model predicts well, vectors says how each is predicted, cluster finds
those that belong together. Each step continues from the folder that the one before it left."""


def register(app: typer.Typer) -> None:
    behaviours = typer.Typer(name="behaviours", help=_HELP, no_args_is_help=True, rich_markup_mode="rich")
    for verb in (contexts, vectors, cluster):
        verb.register(behaviours)
    app.add_typer(behaviours)
