"""The inside of a worker process: load once, then do the units that come, until the engine stops it.

A worker tells its engine (kind, value), where the kinds are those of ``crew``.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from threading import Lock, Thread
from typing import Any, NoReturn, Protocol, runtime_checkable

from circuitscope.errors import CircuitscopeError, WorkFailed
from circuitscope.work.crew import DONE, READY, SAID, TOLD, UNABLE
from circuitscope.work.engine import Failure, Outcome, Setup, attempt
from circuitscope.work.progress import Progress, shown

TELL_EVERY = 0.1
"""Seconds between two reports of progress on the same thing."""


@runtime_checkable
class Line(Protocol):
    """The line from a worker to its engine; any thread may use it."""

    def send(self, kind: str, value: Any = None) -> None: ...


class PipeLine:
    """A line through a pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, Lock()

    def send(self, kind: str, value: Any = None) -> None:
        with self._lock:
            self._pipe.send((kind, value))


def serve(pipe: Connection, setup: Setup[Any], threads: int, level: int) -> None:
    """What a worker process runs.

    Args:
        pipe: where units come in and messages go out.
        threads: how many threads torch may use.
        level: messages of the log from this level on are sent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the engine stops the workers
    signal.signal(signal.SIGTERM, _leave)
    Thread(target=_leave_with_parent, daemon=True).start()
    line = PipeLine(pipe)
    send_messages(line, level)
    _limit_threads(threads)
    try:
        loaded = setup()
    except Exception as error:
        line.send(UNABLE, shown_error(error))
        return
    _limit_threads(threads)  # the setup may have imported torch
    line.send(READY)
    while True:
        with suppress(OSError):  # the engine is gone; so is this process, in a moment
            _send_outcome(line, _do_next(pipe, line, loaded))


def _do_next(pipe: Connection, line: Line, loaded: Any) -> Outcome[Any]:
    try:
        unit = pipe.recv()
    except (EOFError, OSError):
        _leave()
    except Exception as error:  # it names a function that this process cannot import
        return Outcome("", failure=Failure.of(error))
    with shown(teller(line)):
        return attempt(unit, loaded)


def _leave(*_: object) -> NoReturn:
    """End as if the work had raised: what it was writing is cleaned up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the clean-up is not stopped a second time
    raise SystemExit(1)


def _leave_with_parent() -> None:
    """Stop when the engine's process is gone, even if it was killed."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _limit_threads(threads: int) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # what a library reads when it is imported
        os.environ.setdefault(name, str(threads))
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > threads:
        torch.set_num_threads(threads)


class _Sender(logging.Handler):
    """Hands messages of the log to the engine, whose process knows where they go."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        self._line.send(SAID, (record.levelno, record.getMessage()))


def send_messages(line: Line, level: int) -> None:
    log = logging.getLogger("circuitscope")
    log.addHandler(_Sender(line))
    log.setLevel(level)
    log.propagate = False


def teller(line: Line) -> Progress:
    """Sends progress, but no more often than anyone can see; the end of a thing is always sent."""
    last: dict[str, float] = {}

    def tell(done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if done >= total or now - last.get(what, -TELL_EVERY) >= TELL_EVERY:
            last[what] = now
            line.send(TOLD, (done, total, what))

    return tell


def _send_outcome(line: Line, outcome: Outcome[Any]) -> None:
    try:
        line.send(DONE, outcome)
    except OSError:
        raise
    except Exception as error:  # pickle raises nearly anything; nothing is sent before all is packed
        line.send(DONE, Outcome(outcome.name, failure=Failure.of(error)))


def shown_error(error: Exception) -> CircuitscopeError:
    """The error itself if it is one of ours, otherwise one that shows it."""
    if isinstance(error, CircuitscopeError):
        return error
    return WorkFailed(f"a worker could not load what it needs:\n{Failure.of(error).text}")
