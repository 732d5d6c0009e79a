"""Progress: how far something is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""(done, total, what is being done)."""


def silent(done: int, total: int, what: str) -> None:
    """A progress that nobody watches."""
