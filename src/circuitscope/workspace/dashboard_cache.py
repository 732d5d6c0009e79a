"""DashboardCache: what features were found to mean, kept so that it is computed once.

One SQLite file per workspace, beside the verdicts but separate, since it may be deleted at any time: everything
in it can be computed again. A row belongs to (content hash of a site's dictionary, feature, hash of what was read)
and is compressed JSON. The rows that have not been asked for the longest make room for new ones.

No failure of the cache makes the program fail: a damaged or newer file is made again, and where there can be no file
at all, nothing is found and nothing is kept. A warning says so.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from circuitscope.errors import BadFile
from circuitscope.results import FeatureContexts, FeatureTokens, from_plain
from circuitscope.workspace.folder import DASHBOARDS, workspace_folder

_log = logging.getLogger("circuitscope")

MOST_BYTES = 200 * 2**20
"""How many bytes the rows may take together: some 100,000 features with their contexts."""
_SCHEMA = 1
_PATIENCE = 10.0
"""Seconds to wait while another program writes."""
_TABLES = (
    "CREATE TABLE dashboards (dictionary TEXT NOT NULL, feature INTEGER NOT NULL, read TEXT NOT NULL, "
    "used INTEGER NOT NULL, size INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (dictionary, feature, read))",
    "CREATE INDEX by_use ON dashboards (used, size)",
)
_MINE = "dictionary = ? AND feature = ? AND read = ?"
_RUINED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
"""What SQLite says of a file that is damaged, or that has other tables than this program makes."""

_Kind = TypeVar("_Kind", FeatureContexts, FeatureTokens)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class DashboardKey:
    """What a row belongs to."""

    dictionary: str
    """Content hash of the site's own dictionary."""
    feature: int
    read: str
    """Hash of what else the answer depends on: the model, the text and how it was read, or how many tokens."""

    @property
    def row(self) -> tuple[str, int, str]:
        return (self.dictionary, self.feature, self.read)


class DashboardCache:
    """Contexts and promoted tokens of features, found by what they were computed from."""

    def __init__(self, folder: str | Path | None = None, *, most_bytes: int = MOST_BYTES) -> None:
        """
        Args:
            folder: the workspace; None for the user's own (``CIRCUITSCOPE_HOME``).
            most_bytes: how many bytes the rows may take together.
        """
        self.path = (workspace_folder() if folder is None else Path(folder)) / DASHBOARDS
        self._most_bytes = most_bytes
        self._usable = True

    def get(self, kind: type[_Kind], keys: Iterable[DashboardKey]) -> dict[DashboardKey, _Kind]:
        """What is known about these keys; a row that cannot be read counts as none."""

        def look_up(connection: sqlite3.Connection) -> dict[DashboardKey, _Kind]:
            found = {}
            for key in keys:
                row = connection.execute(f"SELECT value FROM dashboards WHERE {_MINE}", key.row).fetchone()
                value = None if row is None else _unpacked(kind, row[0])
                if value is not None:
                    found[key] = value
            return found

        keys = list(dict.fromkeys(keys))
        found = (self._trying(look_up) or {}) if os.path.exists(self.path) else {}
        if found:
            self._mark_used(list(found))
        return found

    def put(self, found: Mapping[DashboardKey, FeatureContexts | FeatureTokens]) -> None:
        """Keep what was computed; if room is short, what has not been asked for the longest is dropped."""
        rows = [(key, _packed(value)) for key, value in found.items()]

        def insert(connection: sqlite3.Connection) -> None:
            first = _next_use(connection)
            connection.executemany(
                "INSERT OR REPLACE INTO dashboards VALUES (?, ?, ?, ?, ?, ?)",
                [(*key.row, first + number, len(value), value) for number, (key, value) in enumerate(rows)],
            )
            connection.execute(
                "DELETE FROM dashboards WHERE used <= (SELECT max(used) FROM (SELECT used, "
                "sum(size) OVER (ORDER BY used DESC) AS room FROM dashboards) WHERE room > ?)",
                (self._most_bytes,),
            )

        if rows:
            self._trying(insert, writes=True)

    def _mark_used(self, keys: list[DashboardKey]) -> None:
        """Note that these rows were asked for; this is skipped for a read-only file."""

        def mark(connection: sqlite3.Connection) -> None:
            first = _next_use(connection)
            connection.executemany(
                f"UPDATE dashboards SET used = ? WHERE {_MINE}",
                [(first + number, *key.row) for number, key in enumerate(keys)],
            )

        try:
            with self._open(writes=True) as connection:
                mark(connection)
        except (sqlite3.Error, OSError) as error:
            _log.debug("the use of %s is not noted: %s", self.path, error)

    def _trying(
        self, work: Callable[[sqlite3.Connection], _Answer], *, writes: bool = False
    ) -> _Answer | None:
        """Do something with the file, made again if it is damaged; None where that is impossible."""
        if not self._usable:
            return None
        try:
            try:
                with self._open(writes) as connection:
                    return work(connection)
            except sqlite3.Error as error:
                if not _is_ruined(error):
                    raise
                _log.warning("the cache of dashboards %s is damaged (%s) and is made again", self.path, error)
                self._remove()
                with self._open(writes=True) as connection:
                    return work(connection)
        except (sqlite3.Error, OSError) as error:
            self._usable = False
            _log.warning("no dashboards are cached: %s: %s", self.path, error)
            return None

    @contextmanager
    def _open(self, writes: bool) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is done or nothing."""
        if writes:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)) as connection:
            if _version(connection) != _SCHEMA:
                self._make_tables(connection)
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        """Make fresh tables in place of whatever there is, unless another process has just made them."""
        connection.execute("BEGIN IMMEDIATE")
        found = _version(connection)
        if found != _SCHEMA:
            if found:
                _log.warning(
                    "the cache of dashboards %s follows schema %d and is made again", self.path, found
                )
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in tables:
                connection.execute('DROP TABLE "{}"'.format(name.replace('"', '""')))
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_SCHEMA}")
        connection.execute("COMMIT")

    def _remove(self) -> None:
        for ending in ("", "-journal", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _next_use(connection: sqlite3.Connection) -> int:
    """A number above every row's: rows are used in the order of these, whatever the clock says."""
    return int(connection.execute("SELECT coalesce(max(used), 0) + 1 FROM dashboards").fetchone()[0])


def _is_ruined(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _RUINED


def _packed(value: FeatureContexts | FeatureTokens) -> bytes:
    return zlib.compress(json.dumps(asdict(value), separators=(",", ":")).encode())


def _unpacked(kind: type[_Kind], row: bytes) -> _Kind | None:
    try:
        return from_plain(kind, json.loads(zlib.decompress(row)))
    except (zlib.error, ValueError, TypeError, BadFile):
        return None
