"""Engine: does units of work in this process, in several, or on a cluster.

What the units share, such as the model and the dictionaries, is loaded once in each process.

    setup = Setup(open_model, ("bundled",))
    units = [Unit(name, partial(measure, name=name)) for name in names]
    for outcome in WorkerProcesses(4).run(setup, units):
        ...

A unit that raises is recorded in its outcome, and the others go on.

A ``Setup`` and the ``do`` of a ``Unit`` are functions of modules with plain arguments, so that any process on any
machine can be given them. Discovery's batches fit as they are: the setup makes the ``Job``, the units are those of
``node_pass``, and ``kept`` is the ``Partial`` into which results go as they arrive.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Protocol, cast, runtime_checkable

from circuitscope.config import WorkersConfig
from circuitscope.errors import BadInput, CircuitscopeError, WorkFailed
from circuitscope.work.partial import Batches
from circuitscope.work.progress import Progress, labelled, shown, silent
from circuitscope.work.units import Loaded, Result, Unit


@dataclass(frozen=True)
class Setup(Generic[Loaded]):
    """How to make what all units share, described so that any process can make it: once in each."""

    load: Callable[..., Loaded]
    """A function of a module."""
    arguments: tuple[Any, ...] = ()
    """Its arguments, plain values."""

    def __call__(self) -> Loaded:
        return self.load(*self.arguments)


def _nothing() -> None:
    """Nothing is shared."""


NOTHING_SHARED = Setup(_nothing)
"""For units that load what they need themselves."""


@dataclass(frozen=True)
class Failure:
    """Why a unit has no result."""

    kind: str
    """The class of the error; "killed" if its process ended."""
    text: str
    """What was got, what was expected and how to fix it; the traceback of an error that is not ours."""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        ours = isinstance(error, CircuitscopeError)
        return cls(
            type(error).__name__, str(error) if ours else "".join(traceback.format_exception(error)).strip()
        )


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of a unit: a value, or a failure."""

    name: str
    value: Result | None = None
    failure: Failure | None = None


@runtime_checkable
class Engine(Protocol):
    """Does units of work; this process, worker processes and Ray workers are engines."""

    def run(
        self,
        setup: Setup[Loaded],
        units: Sequence[Unit[Loaded, Result]],
        *,
        kept: Batches | None = None,
        progress: Progress = silent,
        what: str = "units",
    ) -> Generator[Outcome[Result], None, None]:
        """The outcome of every unit, in the order of the units.

        Args:
            setup: makes what all units share; not called in a process that has nothing to do.
            kept: where the arrays that units return are looked for, and put as soon as they are there; None for
                units that return something else or write their results themselves.
            progress: told how many units are done, and under its name how far each is.
            what: what progress is told that is being done.

        Raises:
            CircuitscopeError: the setup failed.
        """
        ...


def engine_for(workers: int, engine: str = "process", address: str = "") -> Engine:
    """The engine that settings ask for.

    Args:
        workers: how many; one worker of ``process`` is this process itself.
        engine: ``process`` or ``ray``.
        address: of a Ray cluster; by default one is started on this machine.

    Raises:
        BadInput: the settings are not good, or ray is not installed.
    """
    from circuitscope.work.processes import WorkerProcesses
    from circuitscope.work.ray_engine import RayWorkers

    WorkersConfig(workers, engine, address)  # raises if they are not good
    if engine == "ray":
        return RayWorkers(workers, address or None)
    return InProcess() if workers == 1 else WorkerProcesses(workers)


@dataclass(frozen=True)
class InProcess:
    """One unit after the other, in this process."""

    def run(
        self,
        setup: Setup[Loaded],
        units: Sequence[Unit[Loaded, Result]],
        *,
        kept: Batches | None = None,
        progress: Progress = silent,
        what: str = "units",
    ) -> Generator[Outcome[Result], None, None]:
        """See ``Engine``."""
        check_names(units)
        load = cache(setup)
        progress(0, len(units), what)
        for number, unit in enumerate(units):
            outcome = outcome_kept(unit, kept)
            if outcome is None:
                loaded = load()
                with shown(labelled(progress, unit.name)):
                    outcome = attempt(unit, loaded)
                keep(outcome, kept)
            progress(number + 1, len(units), what)
            yield outcome


def attempt(unit: Unit[Loaded, Result], loaded: Loaded) -> Outcome[Result]:
    """Do a unit; whatever it raises becomes its outcome, except for what ends the process."""
    try:
        return Outcome(unit.name, unit.do(loaded))
    except Exception as error:
        return Outcome(unit.name, failure=Failure.of(error))


def outcome_kept(unit: Unit[Any, Result], kept: Batches | None) -> Outcome[Result] | None:
    """The outcome of a unit that was done earlier."""
    arrays = None if kept is None else kept.get(unit.name)
    return None if arrays is None else Outcome(unit.name, cast(Result, arrays))


def keep(outcome: Outcome[Any], kept: Batches | None) -> None:
    """Keep the arrays of a unit that was done."""
    if kept is not None and outcome.value is not None:
        kept.put(outcome.name, outcome.value)


@runtime_checkable
class HasName(Protocol):
    """Whatever has a name."""

    @property
    def name(self) -> str: ...


def check_names(named: Sequence[HasName], kind: str = "unit") -> None:
    """Refuse two units, or jobs, with the same name, which could not be told apart."""
    times = Counter(one.name for one in named)
    twice = sorted(name for name, number in times.items() if number > 1)
    if twice:
        raise BadInput(f"more than one {kind} is called {', '.join(twice)}", expected="a name for each")


def refuse_failures(outcomes: Sequence[Outcome[Any]], what: str) -> None:
    """Raise WorkFailed, with every failure in its text, if any unit failed.

    Args:
        what: what the units are, in the plural.
    """
    failed = [(item.name, item.failure) for item in outcomes if item.failure is not None]
    if not failed:
        return
    lines = [f"{len(failed)} of {len(outcomes)} {what} failed"]
    for name, failure in failed:
        lines += [f"{name}:", *(f"  {line}" for line in failure.text.splitlines())]
    raise WorkFailed(
        "\n".join(lines), mend="the others are done; run the same command again for those that failed"
    )
