"""Errors that a user can act on: what was got, what was expected, how to fix it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import UnionType
from typing import get_args

_SHELL: ContextVar[bool] = ContextVar("circuitscope_shell", default=False)


@contextmanager
def speaking_shell() -> Iterator[None]:
    """While it lasts, messages name options as they are typed in a shell."""
    token = _SHELL.set(True)
    try:
        yield
    finally:
        _SHELL.reset(token)


def argument(name: str, value: object = None) -> str:
    """An argument as the reader gives it: ``--edges-at patch`` in a shell, ``edges_at='patch'`` in Python.

    Args:
        name: as in Python, with underscores.
        value: left out if None.
    """
    if _SHELL.get():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            return flag
        return flag if value is None else f"{flag} {value}"
    return name if value is None else f"{name}={value!r}"


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
            lines.append(f"to fix it: {mend}")
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


def refuse_half_characters(text: str, where: str, kind: type[CircuitscopeError] = BadInput) -> None:
    r"""Refuse halves of surrogate pairs (``\ud83d`` alone), which no tokenizer and no file can take."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise kind(
            f"{where} has half a character: {text[error.start : error.end]!r} without its other half",
            expected="whole characters",
            mend="the text was cut inside a character, or is not in UTF-8; correct it",
        ) from error


MADE_BY = {
    "Circuit": "a circuit, as returned by discover or load",
    "Contexts": "contexts, as returned by find_contexts",
    "Dictionaries": "dictionaries, as returned by load_dictionaries",
    "Inputs": "inputs, as returned by make_inputs",
    "Iterable": "several of them",
    "LanguageModel": "a language model, as returned by load_model",
    "Mapping": "a mapping",
    "Metric": "a metric, as returned by metric_named",
    "NodeEffects": "node effects, as returned by node_effects",
    "NodeId": "a node",
    "Path": "its path",
    "Sequence": "a list of examples",
    "SupportsFloat": "a number",
    "Task": "a task, as returned by load_task",
    "str": "its name",
}
"""What a type is called in messages, and where its values come from."""


def expect(value: object, kind: type | UnionType, name: str, call: str = "") -> None:
    """Raise BadInput for an argument of a type that a public function does not take, as when two are swapped.

    Args:
        kind: the type, or several joined by ``|``.
        name: of the argument.
        call: how the function is called: ``scale(model, dictionaries, {node: factor})``.
    """
    if isinstance(value, kind):
        return
    kinds = [one.__name__ for one in (get_args(kind) or (kind,)) if one is not type(None)]
    raise BadInput(
        f"{name} is of type {type(value).__name__}",
        expected=" or ".join(MADE_BY.get(one, one) for one in kinds),
        mend=f"call it as {call}" if call else "",
    )
