"""Which errors are the database's and not the event's: one list for both databases, in one place.

Full, read-only, damaged, unreadable, locked, away, out of connections, failing over, undone for the sake of others: to
whoever wanted to write they are one case. It waits, and nothing is held against it.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

_SQLITE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
"""Primary result codes, https://sqlite.org/rescode.html; an extended one has its primary in the lowest byte."""

_POSTGRESQL = ("08", "25006", "28", "3D", "40", "53", "55006", "55P03", "57", "58", "F0", "XX")
"""SQLSTATEs or their classes, PostgreSQL's appendix A: connection, read-only transaction, sign-in, no such database,
rolled back for others (serialization, deadlock), out of resources, locks, an operator's intervention, the system."""

_SYSTEM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.EFBIG}


def fault_in(error: BaseException) -> str | None:
    """In a few words what is wrong with the database or its disk; None where the error says nothing of that."""
    for each in _chain(error):
        if (reason := _fault(each)) is not None:
            return reason
    return None


def _fault(error: BaseException) -> str | None:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return str(error) if code is not None and code & 0xFF in _SQLITE else None
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and state.startswith(_POSTGRESQL):
        return f"{_words(error)} ({state})"
    if isinstance(error, NoConnectionFree):
        return "no connection to the database is free"
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return "the connection to the database broke"
    if type(error).__module__.startswith("asyncpg") and "InterfaceError" in type(error).__name__:
        return None if isinstance(error, ValueError) else "the connection to the database is closed"
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        return error.strerror or type(error).__name__
    return None


def _words(error: BaseException) -> str:
    """The first line; what a driver adds may repeat values."""
    first = str(error).partition("\n")[0].strip()
    return first.rpartition(">: ")[2][:200] or type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it came from, each once."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, DBAPIError) and isinstance(each.orig, BaseException):
            waiting.append(each.orig)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        waiting += [found for found in (each.__cause__, each.__context__) if found is not None]
