"""Dataclasses as JSON's plain values, and back: unions, fixed tuples, flat fields, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import pytest

from circuitscope.errors import BadFile
from circuitscope.results import FLAT, OPTIONAL, from_plain, read_plain, to_plain
from circuitscope.runs import write_json

Content = TypeVar("Content")


@dataclass(frozen=True)
class Egg:
    weight: float
    spots: int = 0


@dataclass(frozen=True)
class Full(Generic[Content]):
    state: Literal["full", "half full"]
    content: Content = field(metadata=FLAT)


@dataclass(frozen=True)
class Empty(Generic[Content]):
    why: str
    last: Content | None = field(default=None, metadata=FLAT)
    state: Literal["empty"] = "empty"


@dataclass(frozen=True)
class Box:
    nest: Full[Egg] | Empty[Egg]
    size: tuple[float, float]
    eggs: tuple[Egg, ...] = ()
    by_name: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    note: str | None = field(default=None, metadata=OPTIONAL)
    lid: Egg | None = None


BOXES = [
    Box(
        Full("full", Egg(1.5, 2)), (1.0, 2.0), (Egg(0.5), Egg(2.0)), {"first": (1, "a")}, "fragile", Egg(1.0)
    ),
    Box(Full("half full", Egg(1.5)), (1.0, 2.0)),
    Box(Empty("the hen is away"), (0.0, 0.0)),
    Box(Empty("the fox was here", Egg(0.25)), (0.0, 0.0)),
]


@pytest.mark.parametrize("box", BOXES, ids=lambda box: type(box.nest).__name__)
def test_what_is_written_is_read(box):
    again = from_plain(Box, json.loads(json.dumps(to_plain(box))))
    assert again == box
    assert type(again.nest) is type(box.nest)


def test_flat_fields_stand_beside_the_others_and_empty_optional_ones_are_left_out():
    assert to_plain(BOXES[3]) == {
        "nest": {"why": "the fox was here", "weight": 0.25, "spots": 0, "state": "empty"},
        "size": [0.0, 0.0],
        "eggs": [],
        "by_name": {},
        "lid": None,
    }
    assert to_plain(BOXES[0])["note"] == "fragile"


def changed(**values: Any) -> dict[str, Any]:
    return {**to_plain(BOXES[0]), **values}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (changed(nest={"state": "broken", "weight": 1.0}), "Box.nest cannot be read"),
        (changed(nest={"state": "full"}), r"Full cannot be read: \['content'\]"),
        (changed(nest={"state": "full", "weight": 1.0, "colour": 1}), r"Egg cannot be read: \['colour'\]"),
        (changed(nest=None), "Box.nest cannot be read: None"),
        (changed(size=[1.0]), "Box.size cannot be read: a list of 1"),
        (changed(size=1.0), "Box.size cannot be read: float"),
        (changed(size=[1.0, "2"]), "Box.size cannot be read: '2'"),
        (changed(by_name=[1]), "Box.by_name cannot be read: list"),
        (changed(eggs=[{"spots": 1}]), r"Egg cannot be read: \['weight'\]"),
        (changed(eggs=[{"weight": 1.0, "spots": True}]), "Egg.spots cannot be read: True"),
        (changed(eggs=[3]), "Egg cannot be read: int"),
        (changed(more=1), r"Box cannot be read: \['more'\]"),
        ([1], "Box cannot be read: list"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(value, said):
    with pytest.raises(BadFile, match=said):
        from_plain(Box, value)


def test_whole_numbers_are_read_where_any_number_is_expected():
    found = from_plain(Egg, {"weight": 2})
    assert (found.weight, type(found.weight)) == (2.0, float)


def test_a_file_without_a_version_counts_as_the_one_before(tmp_path):
    def read(**more: Any) -> Egg:
        said = {"file": "egg.json", "newest": 2, "what": "an egg", "again": "lay it again", **more}
        return read_plain(Egg, tmp_path, **said)

    write_json(tmp_path / "egg.json", {"weight": 1.0})
    assert read(unnumbered=1) == Egg(1.0)
    with pytest.raises(BadFile, match="schema version None"):
        read()
    write_json(tmp_path / "egg.json", {"schema_version": 2, "weight": 1.0})
    assert read() == read(unnumbered=1) == Egg(1.0)
    write_json(tmp_path / "egg.json", {"schema_version": 3, "weight": 1.0})
    with pytest.raises(BadFile, match="follows schema version 3") as error:
        read(unnumbered=1)
    assert "lay it again" in str(error.value.mend)
