"""circuitscope shift: edit a classifier by what a person judges irrelevant. One step per file."""

from __future__ import annotations

import typer

from circuitscope.cli.shift import (
    apply,
    compare,
    demo,
    dictionaries,
    effects,
    evaluate,
    judge,
    retrain,
    status,
    train,
)

_HELP = """Edit a classifier by removing the features that a person judges irrelevant (SHIFT).

train a classifier, find the features that it uses (effects), judge them, apply the verdicts, retrain without what was
struck, evaluate. Each step continues from the folder that the one before it left."""


def register(app: typer.Typer) -> None:
    shift = typer.Typer(name="shift", help=_HELP, no_args_is_help=True, rich_markup_mode="rich")
    for verb in (demo, train, effects, judge, apply, retrain, evaluate, compare, status, dictionaries):
        verb.register(shift)
    app.add_typer(shift)
