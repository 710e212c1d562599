"""The inbox's table in its SQLite file; plain blocking calls, for the one thread that owns it.

Payloads and errors are sealed on their way in and unsealed on their way out (`bot.inbox.seals`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NamedTuple

import structlog

from bot.errors import ConfigurationError
from bot.folders import sync_folder
from bot.inbox.seals import Key, Seals, is_sealed
from bot.storage import Durability

log = structlog.get_logger(__name__)

_VERSION = 2
_IN_CLEAR = 1
"""The format in which payloads were not sealed."""
_ROWS_PER_STATEMENT = 1_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,
    adapter TEXT NOT NULL,
    key TEXT NOT NULL,
    payload BLOB,                            -- the event as JSON, sealed; dropped once it is handled
    received_at INTEGER NOT NULL,            -- microseconds since 1970 UTC, as retry_at
    state TEXT NOT NULL DEFAULT 'pending',   -- pending, done (only the key is kept), failed
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER,
    error TEXT,                              -- sealed like the payload, whose words it may repeat
    UNIQUE (adapter, key)
);
CREATE INDEX IF NOT EXISTS failed_events ON events (id) WHERE state = 'failed';
"""


class NewRow(NamedTuple):
    adapter: str
    key: str
    payload: bytes
    received_at: int


class Row(NamedTuple):
    id: int
    adapter: str
    key: str
    payload: str | bytes | None
    received_at: int
    attempts: int
    retry_at: int | None
    error: str | None


SHOWN = 4_000
"""Characters of a payload that a list of failed events shows."""
_COLUMNS = ", ".join(Row._fields)
_MOVED_AT_ONCE = 200
_WRITTEN_ANEW = 64 * 2**20
"""Bytes of a file that is written anew at once: about a second."""


class EventFile:
    """An open file. Every method is one transaction; raises `sqlite3.Error` with nothing changed."""

    def __init__(self, path: Path, durability: Durability) -> None:
        self._path = path
        self._log_path = path.with_name(f"{path.name}-wal")
        self._synchronous = "FULL" if durability == "full" else "OFF"
        self._seals = Seals(path, durable=durability == "full")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._connect()
            self._seals.load()
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"The inbox {path} cannot be opened: {error}. Name a file that can.") from error
        try:
            self._prepare(self._synchronous)
            found = self._connection.execute("SELECT max(id) FROM events").fetchone()[0]
            self._find_sealed()
        except sqlite3.Error as error:
            self._connection.close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                reason = "is in use by another process. Stop that one, or give this one a file of its own"
            else:
                reason = f"cannot be used: {error}. Mend it, or move it away to begin with an empty one"
            raise ConfigurationError(f"The inbox {path} {reason}.") from error
        self._next_id = (found or 0) + 1
        if durability == "full":
            sync_folder(path.parent)

    def _prepare(self, synchronous: str) -> None:
        # A damaged row must be readable enough to be shown, so bytes that are no UTF-8 do not raise.
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
        execute = self._connection.execute
        # An exclusive lock that is kept: two processes on one log would hand out the same events.
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {synchronous}")
        execute("PRAGMA cache_size = -32768")
        execute("PRAGMA wal_autocheckpoint = 4000")
        execute("PRAGMA secure_delete = ON")  # nothing is promised of it: payloads are sealed
        version = execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, _IN_CLEAR, _VERSION}:
            raise sqlite3.NotSupportedError(f"it has format {version}, and this program knows {_VERSION}")
        if version == _IN_CLEAR:
            self._seal_what_is_in_clear()
        self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT")
        self._identity, self._log_identity = _identity(self._path), _identity(self._log_path)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=0, isolation_level=None, cached_statements=512)

    # ---------------------------------------------------------------------- seals

    def _seal_what_is_in_clear(self) -> None:
        """Seal what an older version has left, then write the file anew: its log and freed pages hold more."""
        for number, payload, error in self._connection.execute("SELECT id, payload, error FROM events").fetchall():
            if payload is not None or error is not None:
                self._reseal(number, payload, error, self._seals.current("kept"))
        self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _find_sealed(self) -> None:
        for number, head in self._connection.execute(
            "SELECT id, substr(payload, 1, 10) FROM events WHERE payload IS NOT NULL"
        ):
            if isinstance(head, bytes):
                self._seals.found(number, head)
        self.tend(at_once=True)

    def _reseal(self, id: int, payload: object, error: str | bytes | None, key: Key) -> bool:
        """Write a row's words under a key; False where its payload cannot be unsealed and is left as it is."""
        opened, said = self._opened(payload), self._opened(error)
        sealed = [None if each is None else key.seal([_as_bytes(each)])[0] for each in (opened, said)]
        self._connection.execute(
            "UPDATE events SET payload = coalesce(?, payload), error = ? WHERE id = ?", (*sealed, id)
        )
        if opened is not None:
            self._seals.hold([id], key)
        return opened is not None

    def _opened(self, stored: object) -> str | bytes | None:
        """A stored value in clear; None where there is none, or none that can be read."""
        if isinstance(stored, bytes) and is_sealed(stored):
            plain = self._seals.unseal(stored)
            return None if plain is None else plain.decode("utf-8", "backslashreplace")
        return stored if isinstance(stored, str | bytes) else None

    def tend(self, *, at_once: bool = False) -> None:
        """Wipe keys that have served; what waits longer than most is sealed anew. Raises nothing."""
        self._seals.wipe()
        moving = self._seals.to_move(at_once=at_once)
        try:
            for start in range(0, len(moving), _MOVED_AT_ONCE):
                with self._connection:
                    self._connection.execute("BEGIN")
                    for number in moving[start : start + _MOVED_AT_ONCE]:
                        self._move(number)
        except (OSError, sqlite3.Error) as error:
            log.error("inbox_not_sealed_anew", error=str(error))
            self._seals.put_off()
        if moving:
            self._seals.wipe()

    def _move(self, id: int) -> None:
        row = self._connection.execute("SELECT payload, error FROM events WHERE id = ?", (id,)).fetchone()
        if row is None or not self._reseal(id, row[0], row[1], self._seals.current("kept")):
            self._seals.release([id])  # nothing that could be moved

    def renew(self) -> None:
        """Make unreadable, now, what is handled, and take even its lengths off the disk where that is quick."""
        self._seals.retire()
        self.tend(at_once=True)
        try:
            if self._path.stat().st_size <= _WRITTEN_ANEW:
                self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (OSError, sqlite3.Error) as error:  # a full disk, say: what is left there is noise all the same
            log.warning("inbox_not_written_anew", error=str(error))

    def due_in(self) -> float | None:
        """Seconds until `tend` is to be called; None if there is nothing to tend."""
        return self._seals.due_in()

    # ------------------------------------------------------------------------ rows

    def _keep_in_place(self) -> None:
        """See that what is written can be found again: a file that was deleted goes on without a name, and is lost.

        Deleted, it is written anew from what is open here. Another file in its place is for people to look at: raises
        OperationalError. Costs two questions to the system.
        """
        self._seals.keep_in_place()
        there, log_there = _identity(self._path), _identity(self._log_path)
        if there == self._identity and log_there == self._log_identity:
            return
        if there is not None and there != self._identity:
            raise sqlite3.OperationalError(
                f"another file was put in the place of {self._path}. Stop the bot, put the right one back, and start it"
            )
        if there is None:
            draft = self._path.with_name(f"{self._path.name}.anew")
            draft.unlink(missing_ok=True)
            with closing(sqlite3.connect(draft)) as copy:
                self._connection.backup(copy)
            self._connection.close()
            for left in (self._log_path, self._path.with_name(f"{self._path.name}-shm")):
                left.unlink(missing_ok=True)  # it belongs to the file that is gone
            draft.replace(self._path)
        else:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
        log.error("inbox_file_was_deleted", file=str(self._path), done="it was written anew, with everything in it")
        self._connection = self._connect()
        self._prepare(self._synchronous)
        sync_folder(self._path.parent)

    def append(self, rows: Sequence[NewRow]) -> list[int | None]:
        """Add rows; the id of each, or None where adapter and key were there before."""
        self._keep_in_place()
        key = self._seals.current()
        payloads = key.seal([row.payload for row in rows])
        ids = self._append([NewRow(row[0], row[1], sealed, row[3]) for row, sealed in zip(rows, payloads, strict=True)])
        self._seals.hold([number for number in ids if number is not None], key)
        return ids

    def _append(self, rows: Sequence[NewRow]) -> list[int | None]:
        first = self._next_id
        added = 0
        if len(rows) <= _ROWS_PER_STATEMENT:
            added = self._insert(first, rows)
        else:
            with self._connection:
                self._connection.execute("BEGIN")
                for start in range(0, len(rows), _ROWS_PER_STATEMENT):
                    added += self._insert(first + start, rows[start : start + _ROWS_PER_STATEMENT])
        self._next_id = first + len(rows)
        if added == len(rows):
            return list(range(first, self._next_id))
        there = {found for (found,) in self._connection.execute("SELECT id FROM events WHERE id >= ?", (first,))}
        return [number if number in there else None for number in range(first, self._next_id)]

    def _insert(self, first: int, rows: Sequence[NewRow]) -> int:
        values: list[object] = []
        for number, row in enumerate(rows, start=first):
            values.append(number)
            values += row
        return self._connection.execute(_insert_statement(len(rows)), values).rowcount

    def pending(self) -> list[Row]:
        """Every pending row, oldest first."""
        return self._rows("state = 'pending' ORDER BY id")

    def finish(self, ids: Sequence[int]) -> None:
        """Rows are handled: only their keys are kept."""
        self._connection.execute(
            "UPDATE events SET state = 'done', payload = NULL, error = NULL "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(ids),),
        )
        self._seals.release(ids)

    def fail(self, id: int, error: str, retry_at: int | None) -> None:
        """Count a failed attempt; without `retry_at` the row is given up."""
        key = self._seals.current("kept")
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute(
                "UPDATE events SET attempts = attempts + 1, retry_at = ?, state = ? WHERE id = ?",
                (retry_at, "failed" if retry_at is None else "pending", id),
            )
            row = self._connection.execute("SELECT payload FROM events WHERE id = ?", (id,)).fetchone()
            if row is not None:
                self._reseal(id, row[0], error, key)

    def failed(self, limit: int) -> list[Row]:
        """Rows that were given up, the newest first; of a long payload the beginning, for some are megabytes."""
        return self._rows("state = 'failed' ORDER BY id DESC LIMIT ?", limit, longest=SHOWN)

    def count_failed(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM events WHERE state = 'failed'").fetchone()[0])

    def failed_ids(self) -> list[int]:
        return [number for (number,) in self._connection.execute("SELECT id FROM events WHERE state = 'failed'")]

    def find_failed(self, id: int) -> Row | None:
        return next(iter(self._rows("state = 'failed' AND id = ?", id)), None)

    def revive(self, id: int) -> bool:
        """A given-up row is pending again, as if it had just come; False if somebody else was quicker."""
        revived = self._connection.execute(
            "UPDATE events SET state = 'pending', attempts = 0, retry_at = NULL, error = NULL "
            "WHERE id = ? AND state = 'failed'",
            (id,),
        )
        return revived.rowcount > 0

    def discard(self, id: int) -> bool:
        """A given-up row is done with: only its key is kept; False if there is none such."""
        discarded = self._connection.execute(
            "UPDATE events SET state = 'done', payload = NULL, error = NULL WHERE id = ? AND state = 'failed'", (id,)
        )
        if discarded.rowcount > 0:
            self._seals.release([id])
        return discarded.rowcount > 0

    def forget(self, before: int) -> int:
        """Delete the keys of rows handled and received before a moment; how many."""
        # Ids grow with received_at, so the scan ends where the rows to keep begin.
        return self._connection.execute(
            "DELETE FROM events WHERE state = 'done' AND id < coalesce("
            "(SELECT id FROM events WHERE received_at >= ? ORDER BY id LIMIT 1), ?)",
            (before, self._next_id),
        ).rowcount

    def beat(self) -> None:
        """Write something that changes nothing, to find out whether the file can be written."""
        self._keep_in_place()
        self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def close(self) -> None:
        self._seals.retire()
        self.tend(at_once=True)
        self._connection.close()

    def _rows(self, condition: str, *values: object, longest: int | None = None) -> list[Row]:
        found = self._connection.execute(f"SELECT {_COLUMNS} FROM events WHERE {condition}", values)  # noqa: S608 - our own words only
        return [self._in_clear(Row(*row), longest) for row in found]

    def _in_clear(self, row: Row, longest: int | None) -> Row:
        payload, error = self._opened(row.payload), self._opened(row.error)
        return row._replace(
            payload=None if payload is None else payload[:longest],
            error=error.decode("utf-8", "backslashreplace") if isinstance(error, bytes) else error,
        )


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "backslashreplace") if isinstance(value, str) else value


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells one file from another of the same name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@cache
def _insert_statement(rows: int) -> str:
    return (
        "INSERT INTO events (id, adapter, key, payload, received_at) VALUES "  # noqa: S608 - only question marks are added
        + ", ".join(["(?, ?, ?, ?, ?)"] * rows)
        + " ON CONFLICT (adapter, key) DO NOTHING"
    )
