"""JSON Schema of results, so that programs in other languages know what is in their files.

A schema of draft 2020-12 is made from a dataclass: its fields become properties, with the sentence after a field as
the description, and the dataclasses inside it become definitions. It describes what ``to_plain`` writes now: every
property is there except those of ``OPTIONAL`` fields, and there are no others. A file from before a field existed may
lack it; ``from_plain`` reads such files, too.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from circuitscope.results.plain import field_types, name_of

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_SCALARS: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def json_schema(kind: Any, *, schema_version: int | None = None) -> Schema:
    """The schema of a dataclass as JSON.

    Args:
        kind: a dataclass of numbers, strings, literals, tuples, mappings and other dataclasses.
        schema_version: what the file says its version is; None for a value that is not a file of its own.

    Raises:
        TypeError: a field has a type that JSON does not have.
    """
    definitions: dict[str, Schema] = {}
    forms = _forms(kind, definitions)
    if schema_version is not None:
        version = _Properties({"schema_version": {"const": schema_version}}, ("schema_version",))
        forms = [version.and_then(form, again="schema_version") for form in forms]
    head = {"$schema": DRAFT, "title": name_of(kind), "description": _sentence(inspect.getdoc(kind) or "")}
    found = {**head, **_object(forms)}
    return {**found, "$defs": dict(sorted(definitions.items()))} if definitions else found


@dataclass(frozen=True)
class _Properties:
    """What is in an object."""

    schemas: Mapping[str, Schema]
    required: tuple[str, ...] = ()

    def and_then(self, other: _Properties, *, again: str = "") -> _Properties:
        """Both, one after the other; a property named ``again`` is taken from the first."""
        schemas = {name: schema for name, schema in other.schemas.items() if name != again}
        required = tuple(name for name in other.required if name != again)
        return _Properties({**self.schemas, **schemas}, (*self.required, *required))


def _object(forms: list[_Properties]) -> Schema:
    """An object that has one of several forms."""
    closed = [
        {
            "type": "object",
            "properties": dict(form.schemas),
            "required": list(form.required),
            "additionalProperties": False,
        }
        for form in forms
    ]
    return closed[0] if len(closed) == 1 else {"anyOf": closed}


def _forms(kind: Any, definitions: dict[str, Schema]) -> list[_Properties]:
    """The forms that a dataclass has as JSON: two where a ``FLAT`` field may be None, and all its fields with it."""
    hints, sentences = field_types(kind), _sentences(typing.get_origin(kind) or kind)
    found = [_Properties({})]
    for item in dataclasses.fields(typing.get_origin(kind) or kind):
        hint = hints[item.name]
        if "flat" in item.metadata:
            inner = _forms(_without_none(hint), definitions)
            choices = inner if _without_none(hint) == hint else [_Properties({}), *inner]
        else:
            optional = "optional" in item.metadata
            schema = _schema(_without_none(hint) if optional else hint, definitions)
            if item.name in sentences:
                schema = {**schema, "description": sentences[item.name]}
            choices = [_Properties({item.name: schema}, () if optional else (item.name,))]
        found = [form.and_then(choice) for form in found for choice in choices]
    return found


def _schema(hint: Any, definitions: dict[str, Schema]) -> Schema:
    """The schema of a field's type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if hint is types.NoneType:
        return {"type": "null"}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(one, definitions) for one in arguments]}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema(one, definitions) for one in arguments]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    if dataclasses.is_dataclass(origin or hint):
        return {"$ref": f"#/$defs/{_defined(hint, definitions)}"}
    raise TypeError(f"{hint} is not a JSON type")


def _defined(kind: Any, definitions: dict[str, Schema]) -> str:
    """Put a dataclass among the definitions; returns its name there, ``BoxOfEgg`` for ``Box[Egg]``."""
    name = "Of".join(map(name_of, (kind, *typing.get_args(kind))))
    if name not in definitions:
        definitions[name] = {}  # known from now on, also to its own fields
        described = {"description": _sentence(inspect.getdoc(typing.get_origin(kind) or kind) or "")}
        definitions[name] = {**described, **_object(_forms(kind, definitions))}
    return name


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    some = tuple(one for one in typing.get_args(hint) if one is not types.NoneType)
    return typing.Union[some]  # noqa: UP007  # of a tuple


@cache
def _sentences(kind: type) -> Mapping[str, str]:
    """The sentence after each field of a dataclass, where there is one."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[field.target.id] = _sentence(str(after.value.value))
    return found


def _sentence(text: str) -> str:
    """The first paragraph, in one line."""
    return " ".join(text.split("\n\n")[0].replace("``", "`").split())


__all__ = ["DRAFT", "json_schema"]
