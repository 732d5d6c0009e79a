"""Progress: how far something is.

Whatever takes long calls a ``Progress`` as it goes. Public functions take what a caller wants of it, and ``shown``
turns that into a ``Progress``:

    with shown(progress) as tell:
        for number, batch in enumerate(batches):
            ...
            tell(number + 1, len(batches), "nodes")

A function called inside the block passes ``tell`` on. One that was not given any joins the block it runs in, so
there is one display however deep the calls go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

Progress = Callable[[int, int, str], None]
"""(done, total, what is being done); ``what`` is finished when ``done`` reaches ``total``."""

_current: ContextVar[Progress | None] = ContextVar("circuitscope_progress", default=None)


def silent(done: int, total: int, what: str) -> None:
    """A progress that nobody watches."""


@contextmanager
def shown(progress: Progress | bool | None = None, *, console: Any = None) -> Iterator[Progress]:
    """The progress to report to inside the block.

    Args:
        progress: None or True shows bars in a terminal (on standard error) and a line in a notebook, once the block
            has lasted about a second; elsewhere nothing is shown. False is silent. A function is called with
            (done, total, what).
        console: the rich console of a program that prints through one; by default standard error.
    """
    outer = _current.get()
    block: AbstractContextManager[Progress]
    if callable(progress):
        block = nullcontext(progress)
    elif progress is False:
        block = nullcontext(silent)
    elif outer is not None:
        block = nullcontext(outer)
    else:
        from circuitscope.work.display import display  # rich takes a moment to import

        block = display(console)
    with block as tell:
        token = _current.set(tell)
        try:
            yield tell
        finally:
            _current.reset(token)


@contextmanager
def step(progress: Progress, what: str) -> Iterator[None]:
    """Report something that has no parts: it is being done inside the block."""
    progress(0, 1, what)
    yield
    progress(1, 1, what)


def labelled(progress: Progress, label: str) -> Progress:
    """The same progress, with a label before what is being done."""
    return lambda done, total, what: progress(done, total, f"{label}: {what}")
