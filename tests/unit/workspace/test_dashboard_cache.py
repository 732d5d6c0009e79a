"""The cache of dashboards gives back what it was given, stays small, and never stops the program."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys

import pytest

from circuitscope.results import FeatureContexts, FeatureTokens, TokenContext, TokenWeight
from circuitscope.workspace import DashboardCache, DashboardKey


def key(feature=0, dictionary="d" * 64, read="r" * 64):
    return DashboardKey(dictionary, feature, read)


def contexts(feature=0):
    shown = TokenContext((" he", "⏎", " \ud83d"), (1 / 3, 0.0, 2.5), 2, "")
    return FeatureContexts("resid_0", feature, (shown,), 0.1, 2.5, 30)


def tokens(feature=0):
    return FeatureTokens("attn_1", feature, (TokenWeight(" she", 0.1),), (), False)


@pytest.fixture
def cache(tmp_path):
    return DashboardCache(tmp_path / "home")


@pytest.fixture(autouse=True)
def heard(caplog):
    """What is said, whatever level a test of the program has left behind."""
    caplog.set_level(logging.WARNING, "circuitscope")
    return caplog


def test_what_was_kept_is_found_by_another_cache_of_the_folder(cache, tmp_path, heard):
    assert cache.get(FeatureContexts, [key()]) == {}
    assert not cache.path.exists()  # looking leaves nothing behind
    cache.put({key(0): contexts(0), key(1): contexts(1)})
    cache.put({key(0, read="tokens"): tokens()})
    other = DashboardCache(tmp_path / "home")
    assert other.get(FeatureContexts, [key(1), key(2), key(0), key(1)]) == {
        key(0): contexts(0),
        key(1): contexts(1),
    }
    assert other.get(FeatureTokens, [key(0, read="tokens")]) == {key(0, read="tokens"): tokens()}
    assert not heard.records


def test_every_part_of_the_key_counts(cache):
    cache.put({key(): contexts()})
    others = [key(1), key(dictionary="e" * 64), key(read="s" * 64)]
    assert cache.get(FeatureContexts, others) == {}
    cache.put({key(): contexts(7)})  # the newer one of the same key counts
    assert cache.get(FeatureContexts, [key()]) == {key(): contexts(7)}


def test_what_was_not_asked_for_longest_makes_room(tmp_path):
    DashboardCache(tmp_path).put({key(): contexts()})
    size = rows(tmp_path)[0][1]
    cache = DashboardCache(tmp_path, most_bytes=4 * size)
    for feature in range(4):
        cache.put({key(feature): contexts(0)})
    assert [feature for feature, _ in rows(tmp_path)] == [0, 1, 2, 3]
    cache.get(FeatureContexts, [key(0), key(2)])
    cache.put({key(4): contexts(0), key(5): contexts(0)})
    assert [feature for feature, _ in rows(tmp_path)] == [0, 2, 4, 5]
    DashboardCache(tmp_path, most_bytes=size - 1).put({key(6): contexts(0)})
    assert rows(tmp_path) == []


def rows(folder):
    """(feature, size) of every row."""
    connection = sqlite3.connect(folder / "dashboards.sqlite")
    found = connection.execute("SELECT feature, length(value) FROM dashboards ORDER BY feature").fetchall()
    connection.close()
    return found


def spoil(path, statement):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_row_that_cannot_be_read_is_none(cache, heard):
    cache.put({key(0): contexts(0), key(1): contexts(1), key(2): contexts(2)})
    spoil(cache.path, "UPDATE dashboards SET value = x'00' WHERE feature = 0")
    spoil(cache.path, "UPDATE dashboards SET value = substr(value, 1, 20) WHERE feature = 1")
    assert cache.get(FeatureContexts, [key(0), key(1), key(2)]) == {key(2): contexts(2)}
    assert cache.get(FeatureTokens, [key(2)]) == {}  # a row of another kind
    cache.put({key(0): contexts(0)})
    assert set(cache.get(FeatureContexts, [key(0)])) == {key(0)}
    assert not heard.records


def test_a_damaged_file_is_made_anew_with_a_warning(cache, heard):
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"no database, but long enough to be looked at" * 40)
    assert cache.get(FeatureContexts, [key()]) == {}
    assert [item.levelname for item in heard.records] == ["WARNING"]
    assert "damaged" in heard.text
    cache.put({key(): contexts()})
    assert cache.get(FeatureContexts, [key()]) == {key(): contexts()}

    size = cache.path.stat().st_size
    with cache.path.open("r+b") as file:  # the first page stays, so that it opens
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    fresh = DashboardCache(cache.path.parent)
    assert fresh.get(FeatureContexts, [key()]) == {}
    fresh.put({key(): contexts(3)})
    assert fresh.get(FeatureContexts, [key()]) == {key(): contexts(3)}
    assert len(heard.records) == 2


@pytest.mark.parametrize("version", [99, 1])
def test_a_file_of_another_schema_is_made_anew_with_a_warning(cache, heard, version):
    """One of a newer program, and one that only says it is of this one."""
    cache.path.parent.mkdir()
    spoil(cache.path, "CREATE TABLE dashboards (answer TEXT)")
    spoil(cache.path, f"PRAGMA user_version = {version}")
    cache.put({key(): contexts()})
    assert cache.get(FeatureContexts, [key()]) == {key(): contexts()}
    assert len(heard.records) == 1
    assert "made again" in heard.text


@pytest.mark.parametrize("obstacle", ["file for a home", "folder for a file"])
def test_without_a_place_nothing_is_cached(tmp_path, heard, obstacle):
    home = tmp_path / "home"
    if obstacle == "file for a home":
        home.write_text("a file")
    else:
        (home / "dashboards.sqlite").mkdir(parents=True)
    cache = DashboardCache(home)
    for feature in range(2):
        assert cache.get(FeatureContexts, [key(feature)]) == {}
        cache.put({key(feature): contexts(feature)})
    assert len(heard.records) == 1  # it is not said again and again
    assert "no dashboards are cached" in heard.text


def test_a_file_that_can_only_be_read_is_read(cache, heard, monkeypatch):
    cache.put({key(): contexts()})
    connect = sqlite3.connect

    def reading(path, **options):
        return connect(f"file:{path}?mode=ro", uri=True, **options)

    monkeypatch.setattr(sqlite3, "connect", reading)
    assert cache.get(FeatureContexts, [key()]) == {key(): contexts()}
    assert not heard.records
    cache.put({key(1): contexts(1)})
    assert len(heard.records) == 1


PUT = """
import sys
from circuitscope.results import FeatureTokens
from circuitscope.workspace import DashboardCache, DashboardKey
cache, first = DashboardCache(sys.argv[1]), int(sys.argv[2])
for feature in range(first, first + 40):
    cache.put({DashboardKey("d", feature, "r"): FeatureTokens("embed", feature, (), (), True)})
    cache.get(FeatureTokens, [DashboardKey("d", feature, "r")])
"""


def test_two_processes_keep_their_rows(cache):
    """From a folder that is not there yet, so that both make it."""
    both = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PUT, str(cache.path.parent), str(first)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in (0, 1000)
    ]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said == ["", ""]
    features = [*range(40), *range(1000, 1040)]
    keys = [DashboardKey("d", feature, "r") for feature in features]
    assert [item.feature for item in cache.get(FeatureTokens, keys).values()] == features


def test_the_workspace_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(tmp_path / "mine"))
    assert DashboardCache().path == tmp_path / "mine" / "dashboards.sqlite"
