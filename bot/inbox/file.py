"""The inbox's table in its SQLite file; plain blocking calls, for the one thread that owns it."""

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
from bot.storage import Durability

log = structlog.get_logger(__name__)

_VERSION = 1
_ROWS_PER_STATEMENT = 1_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,
    adapter TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT,                            -- the event as JSON; dropped once it is handled
    received_at INTEGER NOT NULL,            -- microseconds since 1970 UTC, as retry_at
    state TEXT NOT NULL DEFAULT 'pending',   -- pending, done (only the key is kept), failed
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER,
    error TEXT,
    UNIQUE (adapter, key)
);
CREATE INDEX IF NOT EXISTS failed_events ON events (id) WHERE state = 'failed';
"""


class NewRow(NamedTuple):
    adapter: str
    key: str
    payload: str
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
_BEGINNINGS = _COLUMNS.replace("payload", f"substr(payload, 1, {SHOWN})")


class EventFile:
    """An open file. Every method is one transaction; raises `sqlite3.Error` with nothing changed."""

    def __init__(self, path: Path, durability: Durability) -> None:
        self._path = path
        self._log_path = path.with_name(f"{path.name}-wal")
        self._synchronous = "FULL" if durability == "full" else "OFF"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._connect()
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"The inbox {path} cannot be opened: {error}. Name a file that can.") from error
        try:
            self._prepare(self._synchronous)
            found = self._connection.execute("SELECT max(id) FROM events").fetchone()[0]
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
        version = execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, _VERSION}:
            raise sqlite3.NotSupportedError(f"it has format {version}, and this program knows {_VERSION}")
        self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT")
        self._identity, self._log_identity = _identity(self._path), _identity(self._log_path)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=0, isolation_level=None, cached_statements=512)

    def _keep_in_place(self) -> None:
        """See that what is written can be found again: a file that was deleted goes on without a name, and is lost.

        Deleted, it is written anew from what is open here. Another file in its place is for people to look at: raises
        OperationalError. Costs two questions to the system.
        """
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

    def fail(self, id: int, error: str, retry_at: int | None) -> None:
        """Count a failed attempt; without `retry_at` the row is given up."""
        self._connection.execute(
            "UPDATE events SET attempts = attempts + 1, error = ?, retry_at = ?, state = ? WHERE id = ?",
            (error, retry_at, "failed" if retry_at is None else "pending", id),
        )

    def failed(self, limit: int) -> list[Row]:
        """Rows that were given up, the newest first; of a long payload the beginning, for some are megabytes."""
        return self._rows("state = 'failed' ORDER BY id DESC LIMIT ?", limit, columns=_BEGINNINGS)

    def count_failed(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM events WHERE state = 'failed'").fetchone()[0])

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
        self._connection.close()

    def _rows(self, condition: str, *values: object, columns: str = _COLUMNS) -> list[Row]:
        found = self._connection.execute(f"SELECT {columns} FROM events WHERE {condition}", values)  # noqa: S608 - our own words only
        return [Row(*row) for row in found]


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
