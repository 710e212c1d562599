"""The service's own SQLite file: its schema and its one transaction.

The standard `sqlite3` module is called straight from the event loop. A request runs a handful of statements of 20 to
50 µs each and never awaits between them, so its transaction is atomic without any lock, nothing else can see it half
done, and handing it to a thread would cost more than the statements do.

`synchronous=OFF` gives up durability against a power cut, not against `kill -9`: what was committed is with the
operating system. Moments are whole microseconds since 1970 (`trial.service.ids.micros`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS people (
    id INTEGER PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    department TEXT NOT NULL,
    password TEXT NOT NULL,
    can_broadcast INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (
    token BLOB PRIMARY KEY,
    person INTEGER NOT NULL REFERENCES people,
    opened_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_person ON sessions (person);
CREATE TABLE IF NOT EXISTS bots (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    callback_url TEXT NOT NULL,
    token BLOB NOT NULL UNIQUE,
    secret TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS rooms (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('group', 'pair', 'announcements')),
    title TEXT NOT NULL,
    history TEXT NOT NULL CHECK (history IN ('shown', 'hidden')),
    creator TEXT NOT NULL,
    pair TEXT UNIQUE,          -- 'b1 u12': both ids, sorted; NULL but in pair talk
    last_message INTEGER NOT NULL DEFAULT 0
);
-- `since`: messages up to this one are hidden from the member; `read_upto`: the last one they have read;
-- `counts`: whether the room counts towards the rooms that a person may be in.
CREATE TABLE IF NOT EXISTS members (
    room INTEGER NOT NULL REFERENCES rooms,
    member TEXT NOT NULL,
    since INTEGER NOT NULL,
    read_upto INTEGER NOT NULL,
    counts INTEGER NOT NULL,
    PRIMARY KEY (room, member)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_by_member ON members (member, room, counts);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    room INTEGER NOT NULL REFERENCES rooms,
    sender TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    text TEXT,
    stamp TEXT,
    location TEXT,             -- JSON, as are buttons, mentions and files; NULL for none
    buttons TEXT,
    mentions TEXT,
    files TEXT,
    quote INTEGER,
    reference TEXT,
    deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS messages_by_room ON messages (room, id, sender);
CREATE INDEX IF NOT EXISTS messages_by_reference ON messages (reference) WHERE reference IS NOT NULL;
-- Append-only: at `at` the member had newly read what lies in (after, upto]. The spans of one member never overlap,
-- so a message lies in one span at most, and that span's moment is when it was read.
CREATE TABLE IF NOT EXISTS read_marks (
    room INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    member TEXT NOT NULL,
    after INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (room, upto, member)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS read_marks_by_member ON read_marks (room, member, upto);
CREATE TABLE IF NOT EXISTS presses (
    id INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    member TEXT NOT NULL,
    data TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS bookmarks (
    member TEXT NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (member, message)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS message_files (
    file INTEGER NOT NULL REFERENCES files,
    message INTEGER NOT NULL REFERENCES messages,
    PRIMARY KEY (file, message)
) WITHOUT ROWID;
-- What bots have put there to send; the row goes with the file.
CREATE TABLE IF NOT EXISTS bot_files (
    bot TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    file INTEGER NOT NULL UNIQUE REFERENCES files,
    PRIMARY KEY (bot, sha256, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    room INTEGER NOT NULL REFERENCES rooms,
    author TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_by_room ON notes (room, id);
-- What a bot is still to be told; `event` is its JSON. `given_up_at` is set when nobody took it in time.
CREATE TABLE IF NOT EXISTS callbacks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bot INTEGER NOT NULL REFERENCES bots,
    queued_at INTEGER NOT NULL,
    event BLOB NOT NULL,
    given_up_at INTEGER
);
CREATE INDEX IF NOT EXISTS callbacks_waiting ON callbacks (bot, id) WHERE given_up_at IS NULL;
CREATE TABLE IF NOT EXISTS answers (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (at);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, and make it and its folder when they are not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.executescript(SCHEMA)
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is written inside, or none of it; nothing may be awaited inside."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
