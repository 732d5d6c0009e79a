"""The program: its verbs, and how errors reach a person."""

from __future__ import annotations

import logging
import os
import sys

import typer
from rich.logging import RichHandler
from rich.markup import escape

from circuitscope import __version__
from circuitscope.cli import (
    behaviours,
    check,
    demo,
    discover,
    evaluate,
    export,
    group,
    inspect,
    paths,
    plot,
    prune,
    report,
    shift,
    show,
    status,
    sweep,
    train,
)
from circuitscope.cli.console import errors, out
from circuitscope.errors import CircuitscopeError, speaking_shell

app = typer.Typer(
    name="circuitscope",
    help="Sparse feature circuits: which interpretable features of a language model cause a behaviour, and how.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for verb in (
    demo,
    check,
    discover,
    evaluate,
    sweep,
    prune,
    group,
    plot,
    report,
    export,
    show,
    paths,
    status,
    inspect,
    shift,
    behaviours,
    train,
):
    verb.register(app)


def _version(wanted: bool) -> bool:
    if wanted:
        out.print(f"circuitscope {__version__}", highlight=False)
        raise typer.Exit
    return wanted


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(
        False, "--version", help="Show the version and stop.", callback=_version, is_eager=True
    ),
) -> None:
    """Options of every verb."""


def main() -> None:
    """Run the program; an error that a user can fix is printed without a traceback, with exit status 1."""
    debug = "--debug" in sys.argv[1:]
    if debug:  # works before and after the verb
        sys.argv = [sys.argv[0], *(word for word in sys.argv[1:] if word != "--debug")]
    _set_up_messages(debug)
    try:
        with speaking_shell():
            app(prog_name=_program())
    except CircuitscopeError as error:
        if debug:
            raise
        _explain(error)
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as stop:  # typer makes exit status 130 of Ctrl-C
        if debug or (isinstance(stop, SystemExit) and stop.code != 130):
            raise
        errors.print(
            "\n[yellow]stopped.[/] Nothing was left half-written; the same command continues from the last "
            "finished batch, if there is one."
        )
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _program() -> str | None:
    """The name that a shell completes, also for ``python -m circuitscope``; None leaves it as it was called."""
    completing = {"--install-completion", "--show-completion"} & {
        word.split("=")[0] for word in sys.argv[1:2]
    }
    return app.info.name if completing else None


def _explain(error: CircuitscopeError) -> None:
    errors.print(f"[bold red]error:[/] {escape(error.got)}", highlight=False, soft_wrap=True)
    if error.expected:
        errors.print(f"  [bold]expected:[/] {escape(error.expected)}", highlight=False, soft_wrap=True)
    if error.mend:
        errors.print(f"  [bold]to fix it:[/] {escape(error.mend)}", highlight=False, soft_wrap=True)


def _set_up_messages(debug: bool) -> None:
    handler = RichHandler(console=errors, show_time=False, show_path=False, markup=False)
    log = logging.getLogger("circuitscope")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if debug else logging.INFO)
    if not errors.is_terminal:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Loading weights takes a moment for the models that circuitscope is for; its own bar says so.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1" if not errors.is_terminal else "0")
