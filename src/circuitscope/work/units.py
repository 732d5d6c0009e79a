"""Units of work: each has a name, and its result is its checkpoint.

``finished`` does units one after the other. What a store has under a unit's name is taken from there, so the work
continues where it was stopped; since results come in the order of the units, sums over them are identical.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from circuitscope.work.partial import Arrays, Batches
from circuitscope.work.progress import Progress, silent

Loaded = TypeVar("Loaded")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Unit(Generic[Loaded, Result]):
    """A piece of work that can be done by itself."""

    name: str
    """Unique among the units; with a store, also the name of the result there."""
    do: Callable[[Loaded], Result]
    """Does it with what all units share: a model, a job. For another process it must be picklable: a function of a
    module, or ``functools.partial`` of one with plain arguments."""
    size: int = 1
    """How much of the total it is, for progress."""


def finished(
    units: Iterable[Unit[Loaded, Arrays]],
    loaded: Loaded,
    kept: Batches,
    progress: Progress = silent,
    what: str = "units",
    *,
    total: int | None = None,
) -> Iterator[tuple[str, Arrays]]:
    """Name and arrays of every unit, in order.

    Args:
        units: they may be made one by one; then pass ``total``.
        loaded: what all units share.
        kept: where results are looked for, and put as soon as they are there.
        what: what progress is told that is being done.
        total: the sum of the units' sizes; by default they are all made first and counted.
    """
    if total is None:
        units = list(units)
        total = sum(unit.size for unit in units)
    done = 0
    for unit in units:
        arrays = kept_or_done(unit, loaded, kept)
        done += unit.size
        progress(done, total, what)
        yield unit.name, arrays


def kept_or_done(unit: Unit[Loaded, Arrays], loaded: Loaded, kept: Batches) -> Arrays:
    """The result of one unit: the one kept, or else a new one, which is kept from now on."""
    arrays = kept.get(unit.name)
    if arrays is None:
        arrays = unit.do(loaded)
        kept.put(unit.name, arrays)
    return arrays
