"""What a command would take, found out without doing it.

Times are counts times a unit that was timed once, on this machine and these settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class WorkPart:
    """A part of the work."""

    what: str
    count: int
    """How many runs, texts or steps it has."""
    unit: str
    """What is counted, in the plural: ``model runs of 40 examples``."""
    seconds: float
    """Roughly: the count times the time of one."""
    at_most: bool = False
    """Whether there may be fewer, depending on what is found on the way."""


@dataclass(frozen=True)
class DryRun:
    """What a command would take and write."""

    parts: tuple[WorkPart, ...]
    measured: str
    """What was timed, and how long it took."""
    memory: int
    """Bytes."""
    memory_is: str
    """What that number is."""
    writes: tuple[str, ...]
    """Files and folders; empty if nothing is written."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What it is about, by name: examples, sites."""
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Of all parts."""
        return sum(part.seconds for part in self.parts)

    @property
    def at_most(self) -> bool:
        """Whether it may take less."""
        return any(part.at_most for part in self.parts)
