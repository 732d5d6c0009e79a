"""WorkerProcesses: units of work in processes of their own, on this machine.

1. Start the workers; each loads what the units share, once.
2. Hand each worker that is ready the next unit, and take its outcome.
3. A worker that dies (killed, out of memory) is replaced; its unit is tried once more, then it has failed.
4. Stop all workers at the end, and whenever the caller stops (an error, Ctrl-C).

Processes are spawned, not forked: a fork of a process that has used torch or CUDA may hang.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic

from circuitscope.errors import BadInput, WorkFailed
from circuitscope.work import worker
from circuitscope.work.engine import Failure, Outcome, Setup, check_names, keep, outcome_kept
from circuitscope.work.partial import Batches
from circuitscope.work.progress import Progress, labelled, silent
from circuitscope.work.units import Loaded, Result, Unit

log = logging.getLogger("circuitscope")

TRIES = 2
"""How often a unit is tried if its worker dies."""
GRACE = 5.0
"""Seconds that workers have to clean up what they were writing before they are killed."""


@dataclass(frozen=True)
class WorkerProcesses:
    """Units in several processes of this machine; see this module's text."""

    workers: int

    def run(
        self,
        setup: Setup[Loaded],
        units: Sequence[Unit[Loaded, Result]],
        *,
        kept: Batches | None = None,
        progress: Progress = silent,
        what: str = "units",
    ) -> Iterator[Outcome[Result]]:
        """See ``Engine``.

        Raises:
            BadInput: setup or units cannot go to another process.
            WorkFailed: no worker could be started.
        """
        check_names(units)
        crew = _Crew(self.workers, setup, units, kept, progress, what)
        try:
            yield from crew.outcomes()
        finally:
            crew.stop()


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    ready: bool = False
    unit: int | None = None
    """The number of the unit that it is working on."""


class _Crew(Generic[Loaded, Result]):
    """The workers of one run, and where each unit stands."""

    def __init__(
        self,
        workers: int,
        setup: Setup[Loaded],
        units: Sequence[Unit[Loaded, Result]],
        kept: Batches | None,
        progress: Progress,
        what: str,
    ) -> None:
        self._size, self._setup, self._units = workers, setup, units
        self._kept, self._progress, self._what = kept, progress, what
        self._workers: list[_Worker] = []
        self._waiting: deque[int] = deque()
        self._deaths: Counter[int] = Counter()
        self._found: dict[int, Outcome[Result]] = {}
        self._done = 0

    def outcomes(self) -> Iterator[Outcome[Result]]:
        """In the order of the units; those that are ahead wait."""
        self._progress(0, len(self._units), self._what)
        for number, unit in enumerate(self._units):
            earlier = outcome_kept(unit, self._kept)
            if earlier is None:
                self._waiting.append(number)
            else:
                self._finish(number, earlier)
        for _ in range(min(self._size, len(self._waiting))):
            self._start()
        for number in range(len(self._units)):
            while number not in self._found:
                self._wait()
            yield self._found.pop(number)

    def stop(self) -> None:
        """End every worker that is left."""
        for one in self._workers:
            one.process.terminate()
        deadline = time.monotonic() + GRACE
        for one in self._workers:
            one.process.join(max(0.0, deadline - time.monotonic()))
            if one.process.is_alive():
                one.process.kill()
                one.process.join()
            one.pipe.close()
        self._workers.clear()

    # -- workers -------------------------------------------------------------------------------------

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        threads = max(1, cores() // self._size)
        arguments = (there, _picklable(self._setup, "the setup"), threads, log.getEffectiveLevel())
        process = context.Process(target=worker.serve, args=arguments, daemon=True)
        process.start()
        there.close()  # so that this process notices when the worker is gone
        self._workers.append(_Worker(process, here))

    def _wait(self) -> None:
        """Until a worker says something or dies."""
        if not self._workers:
            raise WorkFailed(
                "no worker process could load what the units need; each ended without a message",
                expected="at least one that loads it",
                mend="with little memory, use fewer workers; in a script, begin the work under "
                'if __name__ == "__main__":',
            )
        speaking = wait([one.pipe for one in self._workers])
        for one in list(self._workers):
            if one.pipe in speaking:
                try:
                    kind, value = one.pipe.recv()
                except (EOFError, OSError):
                    self._bury(one)
                else:
                    self._hear(one, kind, value)

    def _hear(self, one: _Worker, kind: str, value: Any) -> None:
        if kind == worker.UNABLE:
            raise value
        if kind == worker.SAID:
            log.log(value[0], "%s", value[1])
        elif kind == worker.TOLD and one.unit is not None:
            labelled(self._progress, self._units[one.unit].name)(*value)
        elif kind == worker.READY:
            one.ready = True
            self._feed(one)
        elif kind == worker.DONE and one.unit is not None:
            outcome = replace(value, name=self._units[one.unit].name)
            keep(outcome, self._kept)
            self._finish(one.unit, outcome)
            self._feed(one)

    def _feed(self, one: _Worker) -> None:
        """Hand a worker its next unit; one that gets none stays ready in case another dies."""
        one.unit = self._waiting.popleft() if self._waiting else None
        if one.unit is None:
            return
        unit = _picklable(self._units[one.unit], self._units[one.unit].name)
        with suppress(OSError):  # it died just now, which _wait notices
            one.pipe.send(unit)

    def _bury(self, one: _Worker) -> None:
        """A worker has died: its unit is tried again or has failed, and another worker takes its place."""
        one.process.join()
        one.pipe.close()
        self._workers.remove(one)
        how = _ending(one.process.exitcode)
        if one.unit is None:
            if not one.ready:
                log.warning("a worker process %s while it was loading", how)
            return
        unit = self._units[one.unit]
        self._deaths[one.unit] += 1
        if self._deaths[one.unit] < TRIES:
            log.warning("%s: its worker process %s; it is tried once more", unit.name, how)
            self._waiting.appendleft(one.unit)
        else:
            text = f"its worker process {how}, {TRIES} times\nto fix it: use fewer workers if memory is short"
            self._finish(one.unit, Outcome(unit.name, failure=Failure("killed", text)))
        self._replace()

    def _replace(self) -> None:
        """Have another worker do what a dead one left."""
        idle = next((one for one in self._workers if one.ready and one.unit is None), None)
        if self._waiting and idle is not None:
            self._feed(idle)
        elif self._waiting:
            self._start()

    def _finish(self, number: int, outcome: Outcome[Result]) -> None:
        self._found[number] = outcome
        self._done += 1
        self._progress(self._done, len(self._units), self._what)


def _ending(code: int | None) -> str:
    """How a process ended."""
    if code is not None and code < 0:
        return f"was killed ({signal.Signals(-code).name})"
    return f"ended with status {code}"


def _picklable(value: Any, name: str) -> Any:
    """The value, if it can go to another process."""
    try:
        ForkingPickler.dumps(value)
    except Exception as error:  # pickle raises nearly anything
        raise BadInput(
            f"{name} cannot go to a worker process: {error}",
            expected="functions of modules, with plain values as arguments",
            mend="use functools.partial of a function of a module, or one worker",
        ) from error
    return value
