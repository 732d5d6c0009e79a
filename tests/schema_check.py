"""Check JSON values against the schemas in docs/schemas, whose words of JSON Schema are all that it knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parents[1] / "docs" / "schemas"

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "type", "properties", "required", "additionalProperties",
    "items", "prefixItems", "minItems", "anyOf", "enum", "const",
}  # fmt: skip


def schema_named(name: str) -> dict[str, Any]:
    """The published schema of a kind of result."""
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def faults_in(path: Path, name: str) -> list[str]:
    """Where a file does not conform to the published schema of a kind of result."""
    return faults(json.loads(path.read_text(encoding="utf-8")), schema_named(name))


def faults(value: Any, schema: dict[str, Any]) -> list[str]:
    """Where a value does not conform, and why; empty for a value that does."""
    return list(_faults(value, schema, schema, "$"))


def _faults(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    assert set(schema) <= KNOWN, f"unknown words: {sorted(set(schema) - KNOWN)}"
    if "$ref" in schema:
        yield from _faults(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    if "anyOf" in schema:
        tried = [list(_faults(value, one, root, at)) for one in schema["anyOf"]]
        if all(tried):
            yield f"{at} is none of {len(tried)} forms: {min(tried, key=len)[0]}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at} is {value!r}"
    if "const" in schema and value != schema["const"]:
        yield f"{at} is {value!r}"
    if "type" not in schema:
        return
    if not isinstance(value, TYPES[schema["type"]]) or isinstance(value, bool) != (
        schema["type"] == "boolean"
    ):
        yield f"{at} is {type(value).__name__}"
    elif schema["type"] == "object":
        yield from _faults_of_object(value, schema, root, at)
    elif schema["type"] == "array":
        yield from _faults_of_array(value, schema, root, at)


def _faults_of_object(
    value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], at: str
) -> Iterator[str]:
    yield from (f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value)
    properties, others = schema.get("properties", {}), schema["additionalProperties"]
    for name, item in value.items():
        inner = properties.get(name, others)
        if inner is False:
            yield f"{at}.{name} is unknown"
        else:
            yield from _faults(item, inner, root, f"{at}.{name}")


def _faults_of_array(
    value: list[Any], schema: dict[str, Any], root: dict[str, Any], at: str
) -> Iterator[str]:
    first = schema.get("prefixItems", [])
    if len(value) < schema.get("minItems", 0):
        yield f"{at} has {len(value)} items"
    for number, item in enumerate(value):
        inner = first[number] if number < len(first) else schema["items"]
        if inner is False:
            yield f"{at} has {len(value)} items"
        else:
            yield from _faults(item, inner, root, f"{at}[{number}]")
