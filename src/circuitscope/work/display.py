"""How progress looks: bars in a terminal, one line in a notebook, nothing anywhere else.

Nothing appears before the work has lasted ``DELAY`` seconds, so quick calls stay quiet. A timer does that, because a
first step can take longer than the delay without saying anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, Timer
from typing import Any, Protocol, runtime_checkable

from rich.console import Console
from rich.errors import LiveError
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from circuitscope.work.progress import Progress, silent

DELAY = 1.0
"""Seconds of work before anything is shown."""
MOST_BARS = 8
"""How many bars at a time; if there are more, the one that has been quiet longest is dropped."""
REFRESH = 0.1
"""Seconds between two updates of a notebook's line."""


@runtime_checkable
class View(Protocol):
    """Something that can show progress between ``start`` and ``stop``; it may be told of progress before that."""

    def start(self) -> None: ...

    def tell(self, done: int, total: int, what: str) -> None: ...

    def stop(self) -> None: ...


@contextmanager
def display(console: Console | None = None) -> Iterator[Progress]:
    """What shows progress here, for the length of the block."""
    where = console or Console(stderr=True)
    view: View
    if where.is_jupyter:
        view = NotebookLine()
    elif where.file.isatty() and not where.is_dumb_terminal:
        view = TerminalBars(where)
    else:
        yield silent
        return
    late = _Late(view)
    try:
        yield late.tell
    finally:
        late.stop()


class _Late:
    """A view that starts after the delay."""

    def __init__(self, view: View) -> None:
        self._view, self._lock = view, RLock()
        self._started = self._stopped = False
        self._timer = Timer(DELAY, self._start)
        self._timer.daemon = True
        self._timer.start()

    def _start(self) -> None:
        with self._lock:
            if not self._stopped:
                self._view.start()
                self._started = True

    def tell(self, done: int, total: int, what: str) -> None:
        with self._lock:
            self._view.tell(done, total, what)

    def stop(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._stopped = True
            if self._started:
                self._view.stop()


class TerminalBars:
    """A bar, with the time left, for each thing being done; all vanish at the end."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._bars = RichProgress(*columns, console=console, transient=True)
        self._tasks: dict[str, TaskID] = {}  # what was told last comes last

    def start(self) -> None:
        try:
            self._bars.start()
        except LiveError:  # the caller has a display of their own in this terminal
            self._bars.disable = True

    def tell(self, done: int, total: int, what: str) -> None:
        task = self._tasks.pop(what, None)
        if task is None:
            self._make_room()
            task = self._bars.add_task(what, total=total)
        self._tasks[what] = task
        self._bars.update(task, completed=done, total=total)

    def _make_room(self) -> None:
        """Drop the bars of what is finished, and more if there are too many."""
        ended = {task.id for task in self._bars.tasks if task.finished}
        going = [what for what, task in self._tasks.items() if task not in ended]
        stay = going[max(0, len(going) - MOST_BARS + 1) :]
        for what in set(self._tasks) - set(stay):
            self._bars.remove_task(self._tasks.pop(what))

    def stop(self) -> None:
        self._bars.stop()


class NotebookLine:
    """What was told last, as a line below the cell. It needs IPython only, not ipywidgets, unlike rich's bars."""

    def __init__(self) -> None:
        self._line, self._drawn = "", 0.0
        self._handle: Any = None

    def start(self) -> None:
        from IPython.display import display as show_below_cell

        self._handle = show_below_cell(self._shown(), raw=True, display_id=True)

    def tell(self, done: int, total: int, what: str) -> None:
        self._line = f"{what}: {done} of {total}"
        if self._handle is not None and time.monotonic() - self._drawn > REFRESH:
            self._draw()

    def _draw(self) -> None:
        self._handle.update(self._shown(), raw=True)
        self._drawn = time.monotonic()

    def _shown(self) -> dict[str, str]:
        return {"text/plain": self._line}

    def stop(self) -> None:
        self._line = ""
        self._draw()
