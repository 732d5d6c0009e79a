"""Dataclasses as JSON's plain values, and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from circuitscope.errors import BadFile
from circuitscope.runs import read_json

_Plain = TypeVar("_Plain")

FLAT = {"flat": True}
"""Metadata of a field whose own fields are beside the others in JSON, not in an object of their own."""
OPTIONAL = {"optional": True}
"""Metadata of a field that JSON leaves out where it is None."""

_SCALARS: Mapping[Any, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}


def to_plain(value: Any) -> Any:
    """A dataclass as JSON's plain values: objects, lists, numbers, strings, true, false and null.

    What ``dataclasses.asdict`` gives, except for tuples, which become lists, and for fields that are ``FLAT`` or
    ``OPTIONAL``.
    """
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    found: dict[str, Any] = {}
    for item in dataclasses.fields(value):
        inner = getattr(value, item.name)
        if item.metadata and inner is None:
            continue
        found |= to_plain(inner) if "flat" in item.metadata else {item.name: to_plain(inner)}
    return found


def from_plain(kind: type[_Plain], value: Any) -> _Plain:
    """The inverse of ``to_plain``, and of ``dataclasses.asdict`` for dataclasses without ``FLAT`` fields.

    Fields are numbers, strings, dataclasses, ``tuple[X, ...]`` or ``tuple[X, Y]`` of these, mappings, one of these
    or None, or one of several dataclasses, which a field of type ``Literal`` tells apart. A field that has a default
    may be missing, as it is in files from before it existed; any other missing field, and an unknown one, is a
    BadFile error that names it.
    """
    found: _Plain = _dataclass(kind, value)
    return found


def _dataclass(kind: Any, value: Any) -> Any:
    """``kind`` is a dataclass, or a generic one with its parameter (``Box[Egg]``)."""
    hints = field_types(kind)
    origin: Any = typing.get_origin(kind) or kind
    fields = dataclasses.fields(origin)
    if not isinstance(value, Mapping):
        raise _unreadable(name_of(kind), type(value).__name__, ", ".join(hints))
    given = _with_flat(fields, value)
    missing = {item.name for item in fields if _is_required(item)} - set(given)
    unknown = set(given) - set(hints)
    if missing or unknown:
        raise _unreadable(name_of(kind), sorted(missing | unknown), ", ".join(hints))
    return kind(
        **{name: _field(hints[name], item, f"{name_of(kind)}.{name}") for name, item in given.items()}
    )


def read_plain(
    kind: type[_Plain],
    place: str | Path,
    *,
    file: str,
    newest: int,
    what: str,
    again: str,
    unnumbered: int | None = None,
) -> _Plain:
    """A dataclass that was written as JSON: ``file`` in a folder, or a file itself.

    Args:
        newest: the newest schema version that can be read.
        what, again: say in an error what was expected there and how to make it again.
        unnumbered: the schema version of files that do not give theirs; by default every file has to.

    Raises:
        BadFile: it is missing, damaged, or follows a newer schema.
    """
    path = Path(place)
    path = path / file if path.is_dir() else path
    value = read_json(path)
    version = value.get("schema_version", unnumbered) if isinstance(value, dict) else None
    if not isinstance(version, int) or version > newest:
        raise BadFile(
            f"{path} follows schema version {version}",
            expected=f"{what} of at most version {newest}",
            mend=f"install a newer circuitscope, or {again}",
        )
    if "schema_version" not in field_types(typing.cast(Any, kind)):
        value = {key: item for key, item in value.items() if key != "schema_version"}
    return from_plain(kind, value)


def name_of(kind: Any) -> str:
    return str((typing.get_origin(kind) or kind).__name__)


def _unreadable(what: str, got: Any, expected: str) -> BadFile:
    return BadFile(f"{what} cannot be read: {got}", expected=expected, mend="make the file again")


@cache
def field_types(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields; those of ``Box[Egg]`` have Egg in the place of Box's variable."""
    origin = typing.get_origin(kind) or kind
    hints = typing.get_type_hints(origin)
    meant = dict(zip(getattr(origin, "__parameters__", ()), typing.get_args(kind), strict=False))
    return {name: _settled(hint, meant) for name, hint in hints.items()} if meant else hints


def _settled(hint: Any, meant: Mapping[Any, Any]) -> Any:
    if isinstance(hint, TypeVar):
        return meant[hint]
    variables = getattr(hint, "__parameters__", ())
    return hint[tuple(meant[variable] for variable in variables)] if variables else hint


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _with_flat(fields: tuple[dataclasses.Field[Any], ...], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What belongs to a flat field, gathered into it: everything that is not another field's."""
    flat = [item.name for item in fields if "flat" in item.metadata]
    if not flat:
        return value
    own = {item.name for item in fields} - set(flat)
    rest = {key: item for key, item in value.items() if key not in own}
    return {**{key: item for key, item in value.items() if key in own}, **({flat[0]: rest} if rest else {})}


def _field(hint: Any, value: Any, name: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value, name)
    if origin is typing.Literal:
        if value not in arguments:
            raise _unreadable(name, repr(value), ", ".join(map(str, arguments)))
        return value
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise _unreadable(name, type(value).__name__, "an object")
        return {key: _field(arguments[1], item, name) for key, item in value.items()}
    if origin is tuple:
        return _items(arguments, value, name)
    if dataclasses.is_dataclass(origin or hint):
        return _dataclass(hint, value)
    return _scalar(hint, value, name) if hint in _SCALARS else value


def _scalar(hint: Any, value: Any, name: str) -> Any:
    fits = isinstance(value, _SCALARS[hint]) and (hint is bool) == isinstance(value, bool)
    if not fits:
        raise _unreadable(name, repr(value), f"a value of type {hint.__name__}")
    return float(value) if hint is float else value


def _items(arguments: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _unreadable(name, type(value).__name__, "a list")
    if arguments[-1] is Ellipsis:
        return tuple(_field(arguments[0], item, name) for item in value)
    if len(value) != len(arguments):
        raise _unreadable(name, f"a list of {len(value)}", f"a list of {len(arguments)}")
    return tuple(_field(hint, item, name) for hint, item in zip(arguments, value, strict=True))


def _one_of(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """The first of several types that the value can be of; a dataclass that its literal fields do not rule out."""
    if value is None and type(None) in kinds:
        return None
    some = [kind for kind in kinds if kind is not type(None)]
    fitting = [kind for kind in some if _fits(kind, value)]
    if not fitting:
        raise _unreadable(name, _shown(value), " or ".join(name_of(kind) for kind in some))
    return _field(fitting[0], value, name)


def _fits(kind: Any, value: Any) -> bool:
    if not dataclasses.is_dataclass(typing.get_origin(kind) or kind):
        return kind not in _SCALARS or isinstance(value, _SCALARS[kind])
    literals = {
        name: hint for name, hint in field_types(kind).items() if typing.get_origin(hint) is typing.Literal
    }
    return isinstance(value, Mapping) and all(
        value.get(name) in typing.get_args(hint) for name, hint in literals.items()
    )


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, Mapping) else repr(value)
