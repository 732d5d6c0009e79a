"""What engines with workers share: who does which unit, and what becomes of the unit of a worker that dies.

1. Start the workers; each loads what the units share, once.
2. Hand each worker that is ready the next unit, and take its outcome.
3. A worker that dies (killed, out of memory, its machine gone) is replaced; its unit is given to another worker,
   until it has had its number of tries: then it has failed, as "killed".
4. Stop all workers at the end, and whenever the caller stops (an error, Ctrl-C).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.reduction import ForkingPickler
from typing import Any, ClassVar, Generic, TypeVar

from circuitscope.errors import BadInput, WorkFailed
from circuitscope.work.engine import Failure, Outcome, Setup, check_names, keep, outcome_kept
from circuitscope.work.partial import Batches
from circuitscope.work.progress import Progress, labelled, silent
from circuitscope.work.units import Loaded, Result, Unit

log = logging.getLogger("circuitscope")

READY, DONE, TOLD, SAID, UNABLE = "ready", "done", "told", "said", "unable"
"""The kinds of message that a worker sends: it has loaded; an outcome; progress; a message of the log; the error of
its setup."""

TRIES = 2
"""How often a unit is tried if its worker dies."""


@dataclass(frozen=True)
class Assignment(Generic[Loaded, Result]):
    """What an engine was asked to do; see ``Engine.run``."""

    setup: Setup[Loaded]
    units: Sequence[Unit[Loaded, Result]]
    kept: Batches | None
    progress: Progress
    what: str


@dataclass(eq=False)
class Hand:
    """A worker, as the engine sees it."""

    ready: bool = False
    """It has loaded what the units share."""
    unit: int | None = None
    """The number of the unit that it is working on."""


AHand = TypeVar("AHand", bound=Hand)


class Crew(ABC, Generic[Loaded, Result, AHand]):
    """The workers of one run, and where each unit stands."""

    worker: ClassVar[str]
    """What messages call a worker."""
    advice: ClassVar[str] = ""
    """What else may help if no worker can load."""

    def __init__(self, size: int, tries: int, work: Assignment[Loaded, Result]) -> None:
        self._size, self._tries, self._work = size, tries, work
        self._units = work.units
        self._workers: list[AHand] = []
        self._waiting: deque[int] = deque()
        self._deaths: Counter[int] = Counter()
        self._found: dict[int, Outcome[Result]] = {}
        self._done = 0

    def outcomes(self) -> Iterator[Outcome[Result]]:
        """In the order of the units; those that are ahead wait."""
        self._work.progress(0, len(self._units), self._work.what)
        for number, unit in enumerate(self._units):
            earlier = outcome_kept(unit, self._work.kept)
            if earlier is None:
                self._waiting.append(number)
            else:
                self._finish(number, earlier)
        for _ in range(min(self._size, len(self._waiting))):
            self._workers.append(self._start())
        for number in range(len(self._units)):
            while number not in self._found:
                self._refuse_nobody()
                self._listen()
            yield self._found.pop(number)

    # -- what differs ------------------------------------------------------------------------------------

    @abstractmethod
    def _start(self) -> AHand:
        """A new worker, which begins to load."""

    @abstractmethod
    def _listen(self) -> None:
        """Until a worker says something or dies: ``_hear`` or ``_bury`` is called."""

    @abstractmethod
    def _send(self, one: AHand, unit: Unit[Loaded, Result]) -> bool:
        """Give a worker a unit; whether it was still there to take it."""

    @abstractmethod
    def _wake(self, one: AHand) -> None:
        """Give a worker that has been idle its next unit, if it is still there."""

    @abstractmethod
    def stop(self) -> None:
        """End every worker that is left."""

    # -- what is the same --------------------------------------------------------------------------------

    def _hear(self, one: AHand, kind: str, value: Any) -> None:
        if kind == UNABLE:
            raise value
        if kind == SAID:
            log.log(value[0], "%s", value[1])
        elif kind == TOLD and one.unit is not None:
            labelled(self._work.progress, self._units[one.unit].name)(*value)
        elif kind == READY:
            one.ready = True
            self._feed(one)
        elif kind == DONE and one.unit is not None:
            outcome = replace(value, name=self._units[one.unit].name)
            keep(outcome, self._work.kept)
            self._finish(one.unit, outcome)
            self._feed(one)

    def _feed(self, one: AHand) -> None:
        """Hand a worker its next unit; one that gets none stays ready in case another dies."""
        one.unit = self._waiting.popleft() if self._waiting else None
        if one.unit is None:
            return
        unit = self._units[one.unit]
        if not self._send(one, portable(unit, unit.name)):  # it died just now, and had not begun
            self._waiting.appendleft(one.unit)
            one.unit = None

    def _bury(self, one: AHand, how: str) -> None:
        """A worker has died: its unit is tried again or has failed, and another worker takes its place.

        Args:
            how: how it ended, as a verb.
        """
        self._workers.remove(one)
        if one.unit is not None:
            self._mourn(one.unit, how)
        elif not one.ready:
            log.warning("a %s %s while it was loading", self.worker, how)
        self._replace(start=one.ready or self._may_load_again())

    def _mourn(self, number: int, how: str) -> None:
        unit = self._units[number]
        self._deaths[number] += 1
        if self._deaths[number] < self._tries:
            log.warning("%s: its %s %s; another one tries it", unit.name, self.worker, how)
            self._waiting.appendleft(number)
        else:
            text = f"its {self.worker} {how}, {self._deaths[number]} times"
            mend = "\nto fix it: use fewer workers if memory is short"
            self._finish(number, Outcome(unit.name, failure=Failure("killed", text + mend)))

    def _may_load_again(self) -> bool:
        """Whether a worker that died while it was loading is replaced; if not, the others go on without it."""
        return False

    def _replace(self, *, start: bool) -> None:
        """Have another worker do what a dead one left: one that is idle, or else a new one if ``start``."""
        if not self._waiting:
            return
        idle = next((one for one in self._workers if one.ready and one.unit is None), None)
        if idle is not None:
            self._wake(idle)
        elif start:
            self._workers.append(self._start())

    def _refuse_nobody(self) -> None:
        if not self._workers:
            raise WorkFailed(
                f"no {self.worker} could load what the units need; each ended without a message",
                expected="at least one that loads it",
                mend=f"with little memory, use fewer workers{self.advice}",
            )

    def _finish(self, number: int, outcome: Outcome[Result]) -> None:
        self._found[number] = outcome
        self._done += 1
        self._work.progress(self._done, len(self._units), self._work.what)


class Workers(ABC):
    """An engine that has workers."""

    @abstractmethod
    def _crew(self, work: Assignment[Loaded, Result]) -> Crew[Loaded, Result, Any]:
        """The workers for a run; none is started yet."""

    def run(
        self,
        setup: Setup[Loaded],
        units: Sequence[Unit[Loaded, Result]],
        *,
        kept: Batches | None = None,
        progress: Progress = silent,
        what: str = "units",
    ) -> Generator[Outcome[Result], None, None]:
        """See ``Engine``.

        Raises:
            BadInput: setup or units cannot go to another process.
            WorkFailed: no worker could be started.
        """
        check_names(units)
        crew = self._crew(Assignment(setup, units, kept, progress, what))
        try:
            yield from crew.outcomes()
        finally:
            crew.stop()


def portable(value: Any, name: str) -> Any:
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
