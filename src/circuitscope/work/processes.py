"""WorkerProcesses: units of work in processes of their own, on this machine.

What workers do, and what happens if one dies, is in ``crew``. Processes are spawned, not forked: a fork of a process
that has used torch or CUDA may hang.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from circuitscope.work import worker
from circuitscope.work.crew import TRIES, Assignment, Crew, Hand, Workers, log, portable
from circuitscope.work.units import Loaded, Result, Unit

GRACE = 5.0
"""Seconds that workers have to clean up what they were writing before they are killed."""


@dataclass(frozen=True)
class WorkerProcesses(Workers):
    """Units in several processes of this machine; see this module's text."""

    workers: int
    tries: int = TRIES
    """How often a unit is tried if its worker dies."""

    def _crew(self, work: Assignment[Loaded, Result]) -> _ProcessCrew[Loaded, Result]:
        return _ProcessCrew(self.workers, self.tries, work)


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(eq=False, kw_only=True)
class _Process(Hand):
    process: BaseProcess
    pipe: Connection


class _ProcessCrew(Crew[Loaded, Result, _Process]):
    worker = "worker process"
    advice = '; in a script, begin the work under if __name__ == "__main__":'

    def stop(self) -> None:
        """End every worker that is left; it cleans up what it was writing."""
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

    def _start(self) -> _Process:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        threads = max(1, cores() // self._size)
        arguments = (there, portable(self._work.setup, "the setup"), threads, log.getEffectiveLevel())
        process = context.Process(target=worker.serve, args=arguments, daemon=True)
        process.start()
        there.close()  # so that this process notices when the worker is gone
        return _Process(process=process, pipe=here)

    def _listen(self) -> None:
        speaking = wait([one.pipe for one in self._workers])
        for one in list(self._workers):
            if one.pipe in speaking:
                try:
                    kind, value = one.pipe.recv()
                except (EOFError, OSError):
                    one.process.join()
                    one.pipe.close()
                    self._bury(one, _ending(one.process.exitcode))
                else:
                    self._hear(one, kind, value)

    def _send(self, one: _Process, unit: Unit[Loaded, Result]) -> bool:
        try:
            one.pipe.send(unit)
        except OSError:
            return False
        return True

    def _wake(self, one: _Process) -> None:
        self._feed(one)


def _ending(code: int | None) -> str:
    """How a process ended."""
    if code is not None and code < 0:
        return f"was killed ({signal.Signals(-code).name})"
    return f"ended with status {code}"
