"""Dataclasses as JSON's plain values, and back."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from circuitscope.errors import BadFile
from circuitscope.runs import read_json

_Plain = TypeVar("_Plain")
_SCALARS = (str, int, float, bool)
"""What is taken as it is."""


def from_plain(kind: type[_Plain], value: Any) -> _Plain:
    """The inverse of ``dataclasses.asdict``: JSON's plain values as a dataclass with the same fields.

    Fields are numbers, strings, dataclasses, ``tuple[X, ...]`` of these, mappings, or one of these or None.
    A field that has a default may be missing, as it is in files from before it existed; any other missing field, and
    an unknown one, is a BadFile error that names it.
    """
    hints = _hints(typing.cast(Any, kind))  # mypy does not see that classes are hashable
    if isinstance(value, Mapping):
        value = {**_defaults(kind), **value}
    if not isinstance(value, Mapping) or set(value) != set(hints):
        got = sorted(set(value) ^ set(hints)) if isinstance(value, Mapping) else type(value).__name__
        raise BadFile(
            f"{kind.__name__} cannot be read: {got}", expected=", ".join(hints), mend="make the file again"
        )
    return kind(**{name: _field(hints[name], item) for name, item in value.items()})


def read_plain(
    kind: type[_Plain], place: str | Path, *, file: str, newest: int, what: str, again: str
) -> _Plain:
    """A dataclass as ``to_json`` of its room wrote it: ``file`` in a folder, or a file itself.

    ``newest`` is the newest schema version that can be read; ``what`` and ``again`` say in an error what was expected
    there and how to make it anew.

    Raises:
        BadFile: it is missing, damaged, or follows a newer schema.
    """
    path = Path(place)
    path = path / file if path.is_dir() else path
    value = read_json(path)
    version = value.get("schema_version") if isinstance(value, dict) else None
    if not isinstance(version, int) or version > newest:
        raise BadFile(
            f"{path} follows schema version {version}",
            expected=f"{what} of at most version {newest}",
            mend=f"install a newer circuitscope, or {again}",
        )
    return from_plain(kind, value)


@cache
def _hints(kind: type[Any]) -> Mapping[str, Any]:
    """The types of a dataclass's fields; to find them takes longer than to read a value."""
    return typing.get_type_hints(kind)


def _defaults(kind: type[Any]) -> dict[str, Any]:
    fields = dataclasses.fields(kind)
    values = {item.name: item.default for item in fields if item.default is not dataclasses.MISSING}
    for item in fields:
        if item.default_factory is not dataclasses.MISSING:
            values[item.name] = item.default_factory()
    return values


def _field(hint: Any, value: Any) -> Any:
    arguments = typing.get_args(hint)
    if type(None) in arguments:
        wanted = next(item for item in arguments if item is not type(None))
        return None if value is None else _field(wanted, value)
    if typing.get_origin(hint) in (dict, Mapping) and isinstance(value, Mapping):
        return {key: _field(arguments[1], item) for key, item in value.items()}
    if typing.get_origin(hint) is tuple:
        if arguments[0] in _SCALARS:
            return tuple(value)
        return tuple(_field(arguments[0], item) for item in value)
    is_dataclass = isinstance(hint, type) and dataclasses.is_dataclass(hint)
    return from_plain(hint, value) if is_dataclass else value
