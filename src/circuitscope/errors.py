"""Errors that a user can act on: what was got, what was expected, how to mend it."""

from __future__ import annotations


class CircuitscopeError(Exception):
    """The base of every error that circuitscope raises on purpose.

    The text has up to three parts, each on a line of its own: what was got, what was expected, and what to
    do about it. The command line prints just these; ``--debug`` adds the traceback.
    """

    def __init__(self, got: str, *, expected: str = "", mend: str = "") -> None:
        self.got, self.expected, self.mend = got, expected, mend
        lines = [got]
        if expected:
            lines.append(f"expected: {expected}")
        if mend:
            lines.append(f"to mend it: {mend}")
        super().__init__("\n".join(lines))


class BadInput(CircuitscopeError):
    """An argument, a task or a text that cannot be used as it stands."""


class BadFile(CircuitscopeError):
    """A file or folder that is missing, truncated, damaged or of another format."""


class BadDictionary(CircuitscopeError):
    """A dictionary that does not fit: wrong width, wrong tensor, NaN weights, unknown kind."""


class UnsupportedModel(CircuitscopeError):
    """A model architecture without a family record, or one whose record does not hold."""


class NothingFound(CircuitscopeError):
    """A threshold that keeps no node, a task that keeps no example."""


class OutOfSpace(CircuitscopeError):
    """A disk that is full, or a memory budget that one example already exceeds."""


class WorkFailed(CircuitscopeError):
    """Units of work that failed while others went on, or worker processes that could not begin."""
