"""Folders and files are written whole or not at all, and damage is noticed on reading."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitscope import runs
from circuitscope.errors import BadFile, BadInput, OutOfSpace

quick = settings(deadline=None, max_examples=20)


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden drafts included."""
    return sorted(path.name for path in folder.iterdir())


def finished(folder: Path, text: str = "hello", **changed: object) -> Path:
    with runs.new_folder(folder) as draft:
        (draft / "a.txt").write_text(text)
        runs.write_manifest(draft, "letters", {"size": 1})
    if changed:
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | changed))
    return folder


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with runs.new_folder(tmp_path / "deep" / "run") as draft:
        (draft / "a").write_text("1")
        assert not (tmp_path / "deep" / "run").exists()
    assert names(tmp_path / "deep") == ["run"]


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_a_folder_that_was_not_finished(tmp_path, stop):
    def give_up() -> None:
        with runs.new_folder(tmp_path / "run") as draft:
            (draft / "a").write_text("1")
            raise stop

    with pytest.raises(stop):
        give_up()
    assert names(tmp_path) == []


def test_an_existing_folder_is_refused_and_left_alone(tmp_path):
    finished(tmp_path / "run", "old")
    with pytest.raises(BadInput, match="already exists"), runs.new_folder(tmp_path / "run"):
        pass
    assert (tmp_path / "run" / "a.txt").read_text() == "old"


def test_overwriting_replaces_the_whole_folder(tmp_path):
    finished(tmp_path / "run", "old")
    with runs.new_folder(tmp_path / "run", overwrite=True) as draft:
        (draft / "b.txt").write_text("new")
    assert names(tmp_path / "run") == ["b.txt"]
    assert names(tmp_path) == ["run"]


def test_a_failed_overwrite_leaves_the_old_folder(tmp_path):
    finished(tmp_path / "run", "old")
    with pytest.raises(RuntimeError), runs.new_folder(tmp_path / "run", overwrite=True):
        raise RuntimeError
    assert (tmp_path / "run" / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["run"]


def test_a_folder_of_another_kind_is_never_replaced(tmp_path):
    finished(tmp_path / "run", "precious")
    with (
        pytest.raises(BadInput, match="is of kind 'letters', and its replacement would be of kind 'numbers'"),
        runs.new_folder(tmp_path / "run", overwrite=True) as draft,
    ):
        runs.write_manifest(draft, "numbers", {})
    assert (tmp_path / "run" / "a.txt").read_text() == "precious"
    assert names(tmp_path) == ["run"]
    with pytest.raises(BadInput, match="is of kind 'letters'"):
        runs.refuse_existing(tmp_path / "run", overwrite=True, kind="numbers")
    runs.refuse_existing(tmp_path / "run", overwrite=True, kind="letters")


def test_overwriting_a_file_by_a_folder_leaves_no_old_file_behind(tmp_path):
    (tmp_path / "run").write_text("a file")
    with runs.new_folder(tmp_path / "run", overwrite=True):
        pass
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOSPC, OutOfSpace, "the disk is full"),
        (errno.EDQUOT, OutOfSpace, "the disk is full"),
        (errno.EACCES, BadFile, "cannot be written"),
        (errno.EROFS, BadFile, "cannot be written"),
    ],
)
def test_a_disk_that_takes_nothing_is_explained(tmp_path, monkeypatch, number, kind, says):
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind, match=says), runs.new_folder(tmp_path / "run") as draft:
        runs.write_json(draft / "a.json", {})
    assert names(tmp_path) == []


@pytest.mark.parametrize("place", ["file/run", "/proc/run"])
def test_a_path_where_no_folder_can_be_is_explained(tmp_path, place):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BadFile, match="cannot be written"), runs.new_folder(tmp_path / place):
        pass


def test_a_file_is_whole_or_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    runs.write_json(path, {"old": 1})
    monkeypatch.setattr(os, "fsync", lambda descriptor: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        runs.write_json(path, {"new": 1})
    assert runs.read_json(path) == {"old": 1}
    assert names(tmp_path) == ["a.json"]


@quick
@given(st.dictionaries(st.text(min_size=1), st.lists(st.floats(allow_nan=False, allow_infinity=False))))
def test_json_reads_as_it_was_written(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("json") / "a.json"
    runs.write_json(path, value)
    assert runs.read_json(path) == value


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        runs.write_json(tmp_path / "a.json", float("nan"))
    assert names(tmp_path) == []


def test_arrays_read_as_they_were_written(tmp_path):
    wide = np.arange(12.0).reshape(3, 4)
    arrays = {"column": wide[:, 1], "turned": wide.T, "whole": np.array([1, -1]), "none": np.zeros(0)}
    runs.write_arrays(tmp_path / "a.safetensors", arrays)
    found = runs.read_arrays(tmp_path / "a.safetensors")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("content", [b"", b"\x08\x00\x00", b"\xff" * 100])
def test_a_damaged_array_file_is_named(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(BadFile, match=r"a\.safetensors"):
        runs.read_arrays(tmp_path / "a.safetensors")


def test_a_manifest_says_what_the_folder_is(tmp_path):
    manifest = runs.read_manifest(finished(tmp_path / "run"), "letters")
    assert (manifest["kind"], manifest["size"], manifest["schema_version"]) == ("letters", 1, 1)
    assert set(manifest["versions"]) >= {"python", "circuitscope", "torch"}
    assert list(manifest["files"]) == ["a.txt"]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("hellp")])
def test_a_file_that_was_changed_or_lost_is_named(tmp_path, damage):
    damage(finished(tmp_path / "run") / "a.txt")
    with pytest.raises(BadFile, match=r"a\.txt is missing or was changed"):
        runs.read_manifest(tmp_path / "run", "letters")
    assert runs.read_manifest(tmp_path / "run", "letters", check_files=False)


def test_a_newer_schema_is_refused_by_name(tmp_path):
    with pytest.raises(BadFile, match="schema version 2"):
        runs.read_manifest(finished(tmp_path / "run", schema_version=2), "letters")


def test_a_folder_of_another_kind_is_refused(tmp_path):
    with pytest.raises(BadFile, match="letters") as error:
        runs.read_manifest(finished(tmp_path / "run"), "run")
    assert "'run'" in error.value.expected


@pytest.mark.parametrize("content", ["[]", "{}", "3", "{"])
def test_a_manifest_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(BadFile):
        runs.read_manifest(tmp_path, "letters")


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"has no manifest\.json"):
        runs.read_manifest(tmp_path, "run")


def test_the_hash_of_a_value_does_not_depend_on_the_order_of_its_keys():
    assert runs.hash_json({"a": 1, "b": [2]}) == runs.hash_json({"b": [2], "a": 1})
    assert runs.hash_json({"a": 1}) != runs.hash_json({"a": 2})
