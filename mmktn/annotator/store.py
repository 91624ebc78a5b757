"""Everything that annotators do is saved at once in one SQLite file: who, when, how long.

An *entry* is a value under (person, layer, kind, key): the box, the map of parts, a click, a
keypoint. Each change is one transaction that also writes a line of the journal with the value
before and after, so that nothing is lost when the server is killed, and everything can be undone.

A *layer* is one annotator's say on one person: "main" for the first one, "second" for a second
opinion, "final" for what adjudication decided, and for hidden pictures one layer per annotator. Who
works on a layer of a person has leased it; others are refused until the lease ends. A photo has
entries and leases of its own ("its boxes are drawn"), under its number with a minus sign.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmktn.utils.user_error import UserError

FORMAT_VERSION = 1
LEASE_SECONDS = 600.0
MAX_SECONDS = 600.0
"""Longest time that one action counts for: whoever takes longer was away."""
MAIN, SECOND, FINAL = "main", "second", "final"
Change = tuple[str, str, Any]
"""Kind, key and new value of an entry; None takes it away."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS photo (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, hidden INTEGER NOT NULL DEFAULT 0,
    width INTEGER, height INTEGER);
CREATE TABLE IF NOT EXISTS person (
    id INTEGER PRIMARY KEY, photo INTEGER NOT NULL REFERENCES photo(id),
    truth TEXT, ticket TEXT UNIQUE, removed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS person_photo ON person(photo);
CREATE TABLE IF NOT EXISTS entry (
    person INTEGER NOT NULL, layer TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
    value TEXT NOT NULL, annotator TEXT NOT NULL, at REAL NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (person, layer, kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, annotator TEXT NOT NULL, person INTEGER NOT NULL,
    layer TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, before TEXT, after TEXT,
    seconds REAL NOT NULL, action INTEGER NOT NULL, undo INTEGER NOT NULL DEFAULT 0,
    undone INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS journal_person ON journal(person, layer);
CREATE TABLE IF NOT EXISTS lease (
    person INTEGER NOT NULL, layer TEXT NOT NULL, annotator TEXT NOT NULL, tab TEXT NOT NULL,
    expires REAL NOT NULL, PRIMARY KEY (person, layer)) WITHOUT ROWID;
"""


def hidden_layer(annotator: str) -> str:
    """Name of an annotator's layer of hidden pictures."""
    return f"by {annotator}"


class LeaseError(UserError):
    """Somebody else works on this person, or the page was opened anew elsewhere."""


class NothingToUndoError(UserError):
    """This annotator has changed nothing here that is not undone."""


@dataclass(frozen=True)
class Worker:
    """An annotator at work in one tab of a browser."""

    annotator: str
    tab: str


@dataclass(frozen=True)
class Entry:
    """A value, who set it and when.

    Attributes:
        person: Id of the person.
        layer: Layer that it belongs to.
        kind: "box", "parts", "points", "click", "keypoint" or "stage".
        key: Number of the point, name of the keypoint; else "".
        value: JSON value.
        annotator: Who set it.
        at: When, seconds since 1970.
        seconds: How long it took.
    """

    person: int
    layer: str
    kind: str
    key: str
    value: Any
    annotator: str
    at: float
    seconds: float


class Store:
    """The SQLite file of a project.

    Args:
        path: SQLite file; made if missing.
        durable: Wait at each change until the disk has it, so that it survives a power cut, not
            only the end of the process.
        clock: Seconds since 1970, for tests.

    Raises:
        UserError: The file is no such project, of another version, or cannot be opened.
    """

    def __init__(self, path: str | Path, *, durable: bool = True, clock: Any = time.time) -> None:
        self.path = Path(path)
        self._clock = clock
        self._lock = threading.RLock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._base = sqlite3.connect(
                self.path, timeout=30, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise UserError(f"{path}: cannot be opened ({error})") from error
        try:
            self._base.row_factory = sqlite3.Row
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
            self._base.executescript(_TABLES)
            version = self.meta("version")
        except sqlite3.Error as error:
            self.close()
            raise UserError(f"{path}: not a project of this tool ({error})") from error
        if version is None:
            self.set_meta("version", FORMAT_VERSION)
        elif version != FORMAT_VERSION:
            self.close()
            raise UserError(f"{path}: version {version}, this mmktn reads {FORMAT_VERSION}")

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in."""
        with self._lock:
            self._base.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside are saved together or not at all; other threads and processes wait.

        Raises:
            UserError: They cannot be saved, because the disk is full for example.
        """
        with self._lock:
            if self._base.in_transaction:  # inside another one of this thread
                yield
                return
            try:
                self._base.execute("BEGIN IMMEDIATE")
                yield
                self._base.execute("COMMIT")
            except BaseException as error:
                if self._base.in_transaction:  # SQLite ends it by itself where the disk is full
                    self._base.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise UserError(f"{self.path}: the change was not saved ({error})") from error
                raise

    # -- what the project is

    def meta(self, key: str) -> Any:
        """Return a setting of the project, None if it was never set."""
        row = self._one("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else json.loads(row["value"])

    def set_meta(self, key: str, value: Any) -> None:
        """Keep a setting of the project."""
        with self.transaction():
            self._base.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value))
            )

    def add_photos(self, names: Iterable[str], *, hidden: bool = False) -> None:
        """Add photos that are not known yet."""
        with self.transaction():
            self._base.executemany(
                "INSERT OR IGNORE INTO photo (name, hidden) VALUES (?, ?)",
                ((name, int(hidden)) for name in names),
            )

    def set_size(self, photo: int, width: int, height: int) -> None:
        """Keep the size of a photo, upright."""
        with self.transaction():
            self._base.execute(
                "UPDATE photo SET width = ?, height = ? WHERE id = ?", (width, height, photo)
            )

    def photos(self) -> list[dict[str, Any]]:
        """Return all photos: id, name, hidden, width, height (None until it was opened)."""
        return [dict(row) for row in self._all("SELECT * FROM photo ORDER BY id")]

    def photo(self, photo: int) -> dict[str, Any]:
        """Return one photo.

        Raises:
            KeyError: There is none of this id.
        """
        row = self._one("SELECT * FROM photo WHERE id = ?", (photo,))
        if row is None:
            raise KeyError(f"photo {photo}")
        return dict(row)

    def add_person(self, photo: int, *, truth: Any = None, ticket: str | None = None) -> int:
        """Add a person to a photo.

        Args:
            photo: Id of the photo.
            truth: What is known of a hidden picture's person.
            ticket: Word of the request; the person that was made for it before is not made again.

        Returns:
            Its id.
        """
        text = None if truth is None else json.dumps(truth)
        with self.transaction():
            if ticket is not None:
                row = self._one("SELECT id FROM person WHERE ticket = ?", (ticket,))
                if row is not None:
                    return int(row["id"])
            cursor = self._base.execute(
                "INSERT INTO person (photo, truth, ticket) VALUES (?, ?, ?)", (photo, text, ticket)
            )
        return int(cursor.lastrowid or 0)

    def people(self, photo: int | None = None) -> list[dict[str, Any]]:
        """Return the people who are not removed: id, photo, truth."""
        where, values = ("", ()) if photo is None else ("AND photo = ?", (photo,))
        query = f"SELECT id, photo, truth FROM person WHERE removed = 0 {where} ORDER BY id"
        return [
            {**row, "truth": None if row["truth"] is None else json.loads(row["truth"])}
            for row in map(dict, self._all(query, values))
        ]

    def person(self, person: int) -> dict[str, Any]:
        """Return one person: id, photo, truth.

        Raises:
            KeyError: There is none of this id, or it was removed.
        """
        query = "SELECT id, photo, truth FROM person WHERE id = ? AND removed = 0"
        row = self._one(query, (person,))
        if row is None:
            raise KeyError(f"person {person}")
        truth = None if row["truth"] is None else json.loads(row["truth"])
        return {**dict(row), "truth": truth}

    # -- entries

    def entries(
        self, person: int | None = None, layer: str | None = None, kind: str | None = None
    ) -> list[Entry]:
        """Return the entries that match what is given."""
        parts, values = [], []
        for column, wanted in (("person", person), ("layer", layer), ("kind", kind)):
            if wanted is not None:
                parts.append(f"{column} = ?")
                values.append(wanted)
        where = f" WHERE {' AND '.join(parts)}" if parts else ""
        rows = self._all(f"SELECT * FROM entry{where} ORDER BY person, layer, kind, key", values)
        return [Entry(**{**dict(row), "value": json.loads(row["value"])}) for row in rows]

    def value(self, person: int, layer: str, kind: str, key: str = "") -> Any:
        """Return one value, None if there is none."""
        row = self._one(
            "SELECT value FROM entry WHERE person = ? AND layer = ? AND kind = ? AND key = ?",
            (person, layer, kind, key),
        )
        return None if row is None else json.loads(row["value"])

    def write(
        self,
        who: Worker | str,
        person: int,
        layer: str,
        changes: Iterable[Change],
        *,
        seconds: float = 0.0,
    ) -> None:
        """Change entries of a person in one transaction.

        Args:
            who: The worker, whose lease is checked and renewed; or a name that needs none (the
                model, an import).
            person: Id of the person, or minus that of a photo.
            layer: Layer that it belongs to.
            changes: Kind, key and new value each; None takes the entry away.
            seconds: How long it took; cut at `MAX_SECONDS`.

        Raises:
            LeaseError: The worker does not hold the lease.
            KeyError: No such person.
        """
        taken = min(max(float(seconds), 0.0), MAX_SECONDS)
        with self.transaction():
            self._check_subject(person)
            name = who if isinstance(who, str) else who.annotator
            if isinstance(who, Worker):
                self._check_lease(who, person, layer)
            action = self._next_action()
            for kind, key, value in changes:
                self._change(name, person, layer, kind, key, value, taken, action=action)
                taken = 0.0

    def undo(self, who: Worker, person: int, layer: str) -> list[Change]:
        """Take back the worker's last action on a person.

        Returns:
            Kind, key and present value of what changed.

        Raises:
            NothingToUndoError: There is no such action, or somebody has changed the same since.
            LeaseError: The worker does not hold the lease.
        """
        with self.transaction():
            self._check_lease(who, person, layer)
            rows = self._all(
                "SELECT * FROM journal WHERE action = (SELECT MAX(action) FROM journal WHERE "
                "person = ? AND layer = ? AND annotator = ? AND undone = 0 AND undo = 0) "
                "ORDER BY id DESC",
                (person, layer, who.annotator),
            )
            if not rows:
                raise NothingToUndoError("there is nothing of yours to undo here")
            action = self._next_action()
            taken_back = []
            for row in rows:
                kind, key = row["kind"], row["key"]
                after = None if row["after"] is None else json.loads(row["after"])
                if self.value(person, layer, kind, key) != after:
                    raise NothingToUndoError("somebody else has changed this since")
                before = None if row["before"] is None else json.loads(row["before"])
                self._base.execute("UPDATE journal SET undone = 1 WHERE id = ?", (row["id"],))
                self._change(
                    *(who.annotator, person, layer, kind, key, before, 0.0),
                    action=action,
                    is_undo=True,
                )
                taken_back.append((kind, key, before))
        return taken_back

    def remove_person(self, who: Worker, person: int) -> None:
        """Take a person out; entries and journal stay in the file."""
        with self.transaction():
            self._check_lease(who, person, MAIN)
            action = self._next_action()
            # Undo brings a person's labels back, not a person: this change is no action of undo.
            self._change(
                *(who.annotator, person, MAIN, "removed", "", True, 0.0),
                action=action,
                is_undo=True,
            )
            self._base.execute("UPDATE person SET removed = 1 WHERE id = ?", (person,))

    def journal(self, person: int | None = None) -> list[dict[str, Any]]:
        """List all changes in order: id, at, annotator, person, layer, kind, key, before, after."""
        where, values = ("", ()) if person is None else ("WHERE person = ?", (person,))
        return [dict(r) for r in self._all(f"SELECT * FROM journal {where} ORDER BY id", values)]

    def time_spent(self) -> list[dict[str, Any]]:
        """Return the changes and seconds of each annotator, by kind of entry."""
        return [
            dict(row)
            for row in self._all(
                "SELECT annotator, kind, COUNT(*) AS changes, SUM(seconds) AS seconds "
                "FROM journal WHERE undo = 0 GROUP BY annotator, kind ORDER BY annotator, kind"
            )
        ]

    def seconds_of(self, person: int, layer: str) -> dict[str, float]:
        """Sum the seconds of each annotator on a layer of a person, undone changes included."""
        query = (
            "SELECT annotator, SUM(seconds) AS seconds FROM journal "
            "WHERE person = ? AND layer = ? GROUP BY annotator"
        )
        return {row["annotator"]: row["seconds"] for row in self._all(query, (person, layer))}

    # -- leases

    def lease(self, who: Worker, person: int, layer: str) -> float:
        """Take or renew a lease; a second tab of one annotator takes it from the first.

        Returns:
            When it ends, seconds since 1970.

        Raises:
            LeaseError: Another annotator holds it.
            KeyError: No such person.
        """
        with self.transaction():
            self._check_subject(person)
            held = self._lease_of(person, layer)
            if held is not None and held["annotator"] != who.annotator:
                raise LeaseError(f"{held['annotator']} is at work on this person")
            expires = self._clock() + LEASE_SECONDS
            self._base.execute(
                "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?)",
                (person, layer, who.annotator, who.tab, expires),
            )
        return expires

    def renew(self, who: Worker, person: int, layer: str) -> None:
        """Keep a lease for another `LEASE_SECONDS`; what another tab has taken stays there.

        Raises:
            LeaseError: The worker does not hold it any more.
        """
        with self.transaction():
            self._check_lease(who, person, layer)

    def release(self, who: Worker, person: int, layer: str) -> None:
        """Give a lease back, if the worker holds it."""
        with self.transaction():
            self._base.execute(
                "DELETE FROM lease WHERE person = ? AND layer = ? AND annotator = ? AND tab = ?",
                (person, layer, who.annotator, who.tab),
            )

    def leases(self) -> dict[tuple[int, str], str]:
        """(person, layer) -> annotator, of all leases that have not ended."""
        rows = self._all("SELECT * FROM lease WHERE expires > ?", (self._clock(),))
        return {(row["person"], row["layer"]): row["annotator"] for row in rows}

    # -- inside

    def _check_subject(self, subject: int) -> None:
        """Raise KeyError for what is neither a person nor, with a minus sign, a photo."""
        if subject < 0:
            self.photo(-subject)
        else:
            self.person(subject)

    def _next_action(self) -> int:
        row = self._one("SELECT COALESCE(MAX(action), 0) + 1 AS action FROM journal")
        return 0 if row is None else int(row["action"])

    def _lease_of(self, person: int, layer: str) -> sqlite3.Row | None:
        query = "SELECT * FROM lease WHERE person = ? AND layer = ? AND expires > ?"
        return self._one(query, (person, layer, self._clock()))

    def _check_lease(self, who: Worker, person: int, layer: str) -> None:
        """Refuse writers without the lease; renew it for the one who holds it."""
        held = self._lease_of(person, layer)
        if held is None:
            raise LeaseError("your hold of this person has ended: open it again")
        if held["annotator"] != who.annotator:
            raise LeaseError(f"{held['annotator']} is at work on this person")
        if held["tab"] != who.tab:
            raise LeaseError("you opened this person in another tab: go on there, or open it again")
        self._base.execute(
            "UPDATE lease SET expires = ? WHERE person = ? AND layer = ?",
            (self._clock() + LEASE_SECONDS, person, layer),
        )

    def _change(
        self,
        annotator: str,
        person: int,
        layer: str,
        kind: str,
        key: str,
        value: Any,
        seconds: float,
        *,
        action: int,
        is_undo: bool = False,
    ) -> None:
        where = (person, layer, kind, key)
        row = self._one(
            "SELECT value FROM entry WHERE person = ? AND layer = ? AND kind = ? AND key = ?", where
        )
        before = None if row is None else row["value"]
        after = None if value is None else json.dumps(value, allow_nan=False)
        at = self._clock()
        if after is None:
            self._base.execute(
                "DELETE FROM entry WHERE person = ? AND layer = ? AND kind = ? AND key = ?", where
            )
        else:
            self._base.execute(
                "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*where, after, annotator, at, seconds),
            )
        self._base.execute(
            "INSERT INTO journal (at, annotator, person, layer, kind, key, before, after, seconds, "
            "action, undo) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (at, annotator, *where, before, after, seconds, action, int(is_undo)),
        )

    def _one(self, query: str, values: Iterable[Any] = ()) -> sqlite3.Row | None:
        with self._lock:
            row: sqlite3.Row | None = self._base.execute(query, tuple(values)).fetchone()
        return row

    def _all(self, query: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._base.execute(query, tuple(values)).fetchall()
