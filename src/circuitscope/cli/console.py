"""Where the command line prints: results to standard output, everything else to standard error."""

from __future__ import annotations

from contextlib import AbstractContextManager

from rich.console import Console

from circuitscope.work import Progress, shown

out = Console()
errors = Console(stderr=True)


def say(text: str) -> None:
    """Print a line as it is: a path in it is neither broken in two nor read as markup."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def progress() -> AbstractContextManager[Progress]:
    """A bar for each thing being done; silent where standard error is not a terminal."""
    return shown(console=errors)
