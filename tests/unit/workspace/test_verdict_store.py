"""Verdicts belong to a dictionary's content and a task; the newest of a person counts, and nothing is lost."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from judged_circuits import circuit, features

from circuitscope.errors import BadFile, BadInput
from circuitscope.results import AUTOMATIC
from circuitscope.terms import Site
from circuitscope.workspace import VerdictStore
from circuitscope.workspace.verdict_store import verdict_of

BLANK = features(circuit())
EARLY, LATE = "2024-01-01T12:00:00+00:00", "2024-01-01T13:30:00+02:00"
"""The second is half an hour before the first."""


@pytest.fixture
def store(tmp_path):
    return VerdictStore(tmp_path / "home")


def judged(verdict="remove", note="", who="", when="", rows=BLANK):
    return [replace(item, verdict=verdict, note=note, who=who, when=when) for item in rows]


def test_verdicts_are_filled_in_again(store):
    assert store.take(circuit(), judged(note="gender"), "Ada") == 3
    found = store.fill(circuit(), BLANK)
    assert {(item.verdict, item.note, item.who) for item in found} == {("remove", "gender", "Ada")}
    assert all(item.when.endswith("+00:00") for item in found)
    assert store.take(circuit(), found, "Bob") == 0  # signed already


def test_verdicts_hold_for_other_circuits_of_the_same_dictionary_only(store):
    store.take(circuit(), judged(), "Ada")
    others = circuit({"resid_0/7": 1.0, "resid_0/8": 2.0}, dictionaries_hash="f" * 64)
    assert [item.verdict for item in store.fill(others, features(others))] == ["", "remove"]
    for other in (circuit(task="another"), circuit(dictionary_hashes={"embed": "0", "resid_0": "1"})):
        assert not store.known(other)


def test_the_newest_verdict_of_a_person_counts(store):
    store.take(circuit(), judged("keep", who="Ada", when=EARLY), "x")
    store.take(circuit(), judged("remove", who="Bob", when=LATE), "x")  # older, though taken later
    store.take(circuit(), judged("unsure", who=f"{AUTOMATIC}words"), "x")
    assert {item.verdict for item in store.known(circuit()).values()} == {"keep"}
    assert len(store.history(circuit())) == 9
    conflict = store.conflicts(circuit())[0]
    assert [item.who for item in conflict.last] == [f"{AUTOMATIC}words", "Ada", "Bob"]
    assert "keep (Ada, 2024-01-01); remove (Bob, 2024-01-01)" in str(conflict)


def test_one_judge_who_changes_her_mind_is_no_conflict(store):
    store.take(circuit(), judged("keep"), "Ada")
    store.take(circuit(), judged("remove"), "Ada")
    assert not store.conflicts(circuit())
    assert {item.verdict for item in store.known(circuit()).values()} == {"remove"}


def test_a_filled_in_row_that_was_changed_is_by_who_changed_it(store):
    store.take(circuit(), judged("keep"), "Ada")
    row, *rest = store.fill(circuit(), BLANK)
    assert store.take(circuit(), [replace(row, verdict="remove"), *rest], "Bob") == 1
    assert store.known(circuit())[row.site, row.feature].who == "Bob"


def test_an_automatic_row_that_was_corrected_is_a_persons(store):
    rows = judged("keep", who=f"{AUTOMATIC}words", when=EARLY)
    store.add(circuit(), list(map(verdict_of, rows)))
    store.take(circuit(), [replace(rows[0], verdict="remove"), *rows[1:]], "Ada")
    assert [item.who for item in store.known(circuit()).values()] == ["Ada"]


def test_blank_rows_are_not_kept(store):
    assert store.take(circuit(), BLANK, "Ada") == 0


def test_all_rows_are_added_or_none(store):
    rows = judged()
    with pytest.raises(BadInput, match="'yes' by 'Ada'"):
        store.take(circuit(), [*rows[:2], replace(rows[2], verdict="yes")], "Ada")
    assert not store.history(circuit())


def test_a_circuit_that_knows_no_dictionary_is_refused(store):
    with pytest.raises(BadInput, match="does not say what is in the dictionary"):
        store.take(circuit(dictionary_hashes={}, dictionaries_hash=None), judged(), "Ada")


def test_verdicts_are_seen_by_another_store_at_once(store, tmp_path):
    for row in judged():
        store.take(circuit(), [row], "Ada")
    assert len(VerdictStore(tmp_path / "home").history(circuit())) == 3
    assert Site("resid", 0) in {item.site for item in store.history(circuit())}


def test_the_workspace_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(tmp_path / "mine"))
    assert VerdictStore().path == tmp_path / "mine" / "circuitscope.sqlite"


def test_a_damaged_or_newer_file_is_refused(store):
    store.path.parent.mkdir()
    store.path.write_bytes(b"no database, but long enough to be looked at" * 40)
    with pytest.raises(BadFile, match="cannot be used"):
        store.history(circuit())
    store.path.unlink()
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BadFile, match="schema version 99"):
        store.history(circuit())
