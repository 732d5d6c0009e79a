"""Schemas of results: what is written conforms, what reading refuses does not, and every word is of the draft."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

import pytest
from measured import COMPARISON, DICTIONARIES, EVALUATION, PRUNE, SHIFT_SCORES, STABILITY, STRICT, SWEEP
from schema_check import SCHEMAS, faults, schema_named

from circuitscope.errors import BadFile
from circuitscope.results import (
    FLAT,
    OPTIONAL,
    FeatureContexts,
    FeatureDashboard,
    FeatureTokens,
    TokenContext,
    TokenWeight,
    from_plain,
    json_schema,
    to_plain,
    write_result,
)
from circuitscope.runs import read_json

Content = TypeVar("Content")


@dataclass(frozen=True)
class Seed:
    """A seed.

    Which is not described any further.
    """

    weight: float
    """In ``grams``,
    dry."""


@dataclass(frozen=True)
class Ripe(Generic[Content]):
    """A fruit with seeds."""

    state: Literal["ripe"]
    seed: Content = field(metadata=FLAT)


@dataclass(frozen=True)
class Green(Generic[Content]):
    """A fruit that may have one."""

    state: Literal["green"]
    seed: Content | None = field(default=None, metadata=FLAT)


@dataclass(frozen=True)
class Tree:
    """A tree."""

    fruit: Ripe[Seed] | Green[Seed]
    size: tuple[float, int]
    names: Mapping[str, str | None]
    roots: tuple[Seed, ...] = ()
    note: str | None = field(default=None, metadata=OPTIONAL)


TREES = [
    Tree(Ripe("ripe", Seed(1.5)), (2.0, 3), {"en": "apple", "la": None}),
    Tree(Green("green", Seed(1.0)), (2.0, 3), {}, (Seed(1.0), Seed(2.0)), "old"),
    Tree(Green("green"), (2.0, 3), {}),
]


def plain(value: Any) -> Any:
    """As it is in a file."""
    return json.loads(json.dumps(to_plain(value)))


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.fruit.state)
def test_what_is_written_conforms(tree):
    assert faults(plain(tree), json_schema(Tree)) == []


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"size": [2.0]}, "$.size has 1 items"),
        ({"size": [2.0, 3, 4]}, "$.size has 3 items"),
        ({"size": [2.0, 3.5]}, "$.size[1] is float"),
        ({"size": [True, 3]}, "$.size[0] is bool"),
        ({"fruit": {"state": "rotten"}}, "$.fruit is none of 2 forms"),
        ({"fruit": {"state": "ripe"}}, "$.fruit is none of 2 forms"),
        ({"fruit": {"state": "green", "height": 1.0}}, "$.fruit is none of 2 forms"),
        ({"fruit": None}, "$.fruit is none of 2 forms"),
        ({"names": {"en": 3}}, "$.names.en is none of 2 forms"),
        ({"roots": [{"weight": "heavy"}]}, "$.roots[0].weight is str"),
        ({"roots": [{}]}, "$.roots[0].weight is missing"),
        ({"leaves": 7}, "$.leaves is unknown"),
    ],
)
def test_what_reading_refuses_does_not_conform(changed, where):
    value = {**plain(TREES[0]), **changed}
    (fault,) = faults(value, json_schema(Tree))
    assert fault.startswith(where)
    with pytest.raises(BadFile):
        from_plain(Tree, value)


def test_a_field_has_its_sentence_and_a_class_its_first_paragraph():
    seed = json_schema(Seed)
    assert (seed["title"], seed["description"]) == ("Seed", "A seed.")
    assert seed["properties"] == {"weight": {"type": "number", "description": "In `grams`, dry."}}
    tree = json_schema(Tree)
    assert sorted(tree["$defs"]) == ["GreenOfSeed", "RipeOfSeed", "Seed"]
    assert tree["required"] == ["fruit", "size", "names", "roots"], "what may be None is left out of files"


def test_a_type_that_json_does_not_have_is_refused():
    @dataclass(frozen=True)
    class Odd:
        number: complex

    with pytest.raises(TypeError, match="complex"):
        json_schema(Odd)


def test_the_version_comes_first():
    schema = json_schema(Seed, schema_version=7)
    assert list(schema["properties"]) == schema["required"] == ["schema_version", "weight"]
    assert faults({"schema_version": 7, "weight": 1.0}, schema) == []
    assert faults({"schema_version": 8, "weight": 1.0}, schema) == ["$.schema_version is 8"]


DASHBOARD = FeatureDashboard(
    FeatureContexts("resid_1", 9, (TokenContext((" he", " was"), (0.0, 1.5), 1, ""),), 0.25, 1.5, 1000),
    FeatureTokens("resid_1", 9, (TokenWeight(" is", 1.5),), (), exact=True),
)
STABLE = replace(STRICT, stability=STABILITY)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("evaluation", EVALUATION),
        ("evaluation", replace(EVALUATION, strict=STRICT)),
        ("evaluation", replace(EVALUATION, strict=STABLE)),
        ("sweep", SWEEP),
        ("prune", PRUNE),
        ("scores", SHIFT_SCORES),
        ("comparison", COMPARISON),
        ("dictionaries", DICTIONARIES),
    ],
)
def test_files_conform_to_the_published_schemas(tmp_path, name, value):
    write_result(tmp_path / "file.json", value)
    written = read_json(tmp_path / "file.json")
    assert faults(written, schema_named(name)) == []
    for missing in written:
        less = {key: item for key, item in written.items() if key != missing}
        expected = [] if missing == "strict" else [f"$.{missing} is missing"]
        assert faults(less, schema_named(name)) == expected


def test_a_feature_conforms_to_its_published_schema():
    assert faults(plain(DASHBOARD), schema_named("features")) == []


def test_published_schemas_name_their_draft():
    for path in SCHEMAS.iterdir():
        assert read_json(path)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
