"""VerdictStore: who judged which feature how and when, kept across runs.

One SQLite file per workspace. A verdict belongs to (content hash of the dictionary, feature) and to the task that
it was judged for. Rows are only ever added: a person's newest one wins, and where the judges' last verdicts differ,
that is listed. What automatic judges said is kept beside it, but never counts as a person's verdict.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from circuitscope.errors import BadFile, BadInput
from circuitscope.results import AUTOMATIC, VERDICTS, Circuit, JudgedFeature, dictionary_of, task_of
from circuitscope.runs import explained_disk
from circuitscope.terms import NodeId, Site
from circuitscope.workspace.folder import FILE, workspace_folder

_SCHEMA = 1
_PATIENCE = 30.0
"""Seconds to wait while another program writes."""
_TABLE = """
CREATE TABLE IF NOT EXISTS verdicts (
    number INTEGER PRIMARY KEY,
    dictionary TEXT NOT NULL, task TEXT NOT NULL,
    site TEXT NOT NULL, feature INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('keep', 'remove', 'unsure')),
    note TEXT NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL,
    UNIQUE (dictionary, task, site, feature, verdict, note, who, at)
)
"""


@dataclass(frozen=True)
class Verdict:
    """What one judge said about one feature at one time."""

    site: Site
    feature: int
    verdict: str
    note: str
    who: str
    when: str
    """ISO 8601 in UTC."""

    @property
    def name(self) -> str:
        return str(NodeId(self.site, self.feature))

    @property
    def automatic(self) -> bool:
        return self.who.startswith(AUTOMATIC)


def verdict_of(item: JudgedFeature) -> Verdict:
    """What a signed row of a sheet says."""
    return Verdict(item.site, item.feature, item.verdict, item.note, item.who, item.when)


@dataclass(frozen=True)
class Conflict:
    """A feature whose judges differ."""

    site: Site
    feature: int
    last: tuple[Verdict, ...]
    """Each judge's last verdict, the newest first."""

    def __str__(self) -> str:
        said = "; ".join(f"{item.verdict} ({item.who}, {item.when[:10]})" for item in self.last)
        return f"{self.last[0].name}: {said}"


def now() -> str:
    """This moment, as the store writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class VerdictStore:
    """The verdicts of a workspace."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """
        Args:
            folder: the workspace; None for the user's own (``CIRCUITSCOPE_HOME``).
        """
        self.path = (workspace_folder() if folder is None else Path(folder)) / FILE

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with explained_disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = sqlite3.connect(self.path, timeout=_PATIENCE)
            try:
                self._check_schema(connection)
                with connection:  # a transaction: all rows or none
                    connection.execute(_TABLE)
                    connection.execute(f"PRAGMA user_version = {_SCHEMA}")
                    yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise BadFile(
                f"the verdicts in {self.path} cannot be used: {error}",
                expected="the SQLite file of a workspace that you may write to",
                mend="move it away if it is damaged (sheets that were applied can be applied again), or set "
                "CIRCUITSCOPE_HOME to another folder",
            ) from error

    def _check_schema(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > _SCHEMA:
            raise BadFile(
                f"{self.path} follows schema version {found}",
                expected=f"at most {_SCHEMA}, which this program knows",
                mend="install a newer circuitscope",
            )

    def add(self, circuit: Circuit, verdicts: Sequence[Verdict]) -> int:
        """Keep verdicts on a circuit's features; those that already exist are not added twice.

        Returns:
            How many are new.
        """
        rows = [_row(circuit, item) for item in verdicts]
        with self._open() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO verdicts (dictionary, task, site, feature, verdict, note, who, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            return connection.total_changes - before

    def history(self, circuit: Circuit) -> list[Verdict]:
        """Every verdict about a circuit's dictionaries and task, by feature, each feature's newest first."""
        found: list[Verdict] = []
        with self._open() as connection:
            for site in circuit.sites:
                rows = connection.execute(
                    "SELECT feature, verdict, note, who, at FROM verdicts "
                    "WHERE dictionary = ? AND task = ? AND site = ? ORDER BY feature, at DESC, number DESC",
                    (dictionary_of(circuit, site), task_of(circuit), site.name),
                )
                found += [Verdict(site, *row) for row in rows]
        return found

    def known(self, circuit: Circuit) -> dict[tuple[Site, int], Verdict]:
        """The newest verdict of a person on each feature that a person has judged."""
        people = [item for item in self.history(circuit) if not item.automatic]
        return {(item.site, item.feature): item for item in reversed(people)}

    def conflicts(self, circuit: Circuit) -> list[Conflict]:
        """Features on which the judges' last verdicts differ, automatic ones included."""
        found = []
        for (site, feature), group in groupby(self.history(circuit), lambda item: (item.site, item.feature)):
            last: dict[str, Verdict] = {}
            for item in group:
                last.setdefault(item.who, item)
            if len({item.verdict for item in last.values()}) > 1:
                found.append(Conflict(site, feature, tuple(last.values())))
        return found

    # -- sheets ------------------------------------------------------------------------------------------

    def fill(self, circuit: Circuit, features: Sequence[JudgedFeature]) -> list[JudgedFeature]:
        """The features with the verdicts that people have given earlier, where they have none yet."""
        known = self.known(circuit)
        return [
            item if item.verdict else _filled(item, known.get((item.site, item.feature))) for item in features
        ]

    def take(self, circuit: Circuit, features: Sequence[JudgedFeature], who: str) -> int:
        """Keep the verdicts of a sheet; returns how many are new.

        Rows without a name are by ``who``, now; so are rows that were filled in for the sheet and then changed.
        A row that repeats what the same judge said last is not kept again.
        """
        history = self.history(circuit)
        signed = {(item.site, item.feature, item.who, item.when): item for item in history}
        last: dict[tuple[Site, int, str], Verdict] = {}
        for item in history:
            last.setdefault((item.site, item.feature, item.who), item)
        moment, new = now(), []
        for row in features:
            if not row.verdict:
                continue
            item = _signed(row, signed, who, moment)
            earlier = last.get((item.site, item.feature, item.who))
            if earlier is None or (earlier.verdict, earlier.note) != (item.verdict, item.note):
                new.append(item)
        return self.add(circuit, new)


def _signed(
    row: JudgedFeature, known: dict[tuple[Site, int, str, str], Verdict], who: str, moment: str
) -> Verdict:
    """A sheet's row as a verdict of whoever gave it."""
    when = _utc(row.when) if row.when else moment
    item = Verdict(row.site, row.feature, row.verdict, row.note, row.who or who, when)
    filled_in = known.get((item.site, item.feature, item.who, item.when))
    changed = filled_in is not None and (filled_in.verdict, filled_in.note) != (item.verdict, item.note)
    return replace(item, who=who, when=moment) if changed else item


def _filled(item: JudgedFeature, verdict: Verdict | None) -> JudgedFeature:
    if verdict is None:
        return item
    return replace(item, verdict=verdict.verdict, note=verdict.note, who=verdict.who, when=verdict.when)


def _row(circuit: Circuit, item: Verdict) -> tuple[str | int, ...]:
    dictionary = dictionary_of(circuit, item.site)
    if not dictionary:
        raise BadInput(
            f"the circuit does not say what is in the dictionary at {item.site}",
            expected="a circuit that discovery made, with the content hash of its dictionaries",
        )
    if item.verdict not in VERDICTS or not item.who:
        raise BadInput(
            f"{item.verdict!r} by {item.who!r} on {item.name}",
            expected=f"{', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}, and a name",
        )
    at = _utc(item.when)
    said = (item.verdict, item.note, item.who, at)
    return (dictionary, task_of(circuit), item.site.name, item.feature, *said)


def _utc(when: str) -> str:
    """A time in the one form that sorts as text."""
    return datetime.fromisoformat(when).astimezone(UTC).isoformat(timespec="microseconds")
