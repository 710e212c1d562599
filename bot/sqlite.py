"""SQLAlchemy's dialect for aiosqlite with one visit to the connection's thread a statement instead of four.

aiosqlite hands every step to a thread: make a cursor, execute, fetch, close. Each visit costs about as much as a
small statement itself, and a handler makes a dozen statements. Here a statement and its rows are one visit, and a
rollback of nothing is none. Only cursors that are asked to stream work as before.

`on_loop` goes further and runs SQLite on the event loop itself, without a thread. A long statement then holds up
everything else, so this is for rehearsals and tests, where nothing else is waiting and time is virtual.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

import aiosqlite
from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_cursor
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_dbapi,
    SQLiteDialect_aiosqlite,
)
from sqlalchemy.util.concurrency import await_

P = ParamSpec("P")
T = TypeVar("T")

DRIVER = "sqlite+kairanban"
"""What stands before :// in the URL of a database that is spoken to in this way."""

registry.register("sqlite.kairanban", __name__, "Dialect")


class Result:
    """What a statement leaves behind once it has been carried out whole."""

    __slots__ = ("description", "lastrowid", "rowcount", "rows")

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self.rows: Sequence[Any] = cursor.fetchall() if cursor.description else ()
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid
        cursor.close()


def _carry_out(connection: sqlite3.Connection, statement: str, values: Any) -> Result:
    cursor = connection.execute(statement, values or ())
    changed = changed_rows(connection, cursor, statement)
    result = Result(cursor)
    result.rowcount = changed
    return result


def changed_rows(connection: sqlite3.Connection, cursor: sqlite3.Cursor, statement: str) -> int:
    """How many rows a statement has changed, -1 where that makes no sense.

    The driver counts only for statements whose first word is INSERT, UPDATE, DELETE or REPLACE. A change that begins
    with WITH (an audience of departments does) is counted by the database.
    """
    if cursor.rowcount < 0 and cursor.description is None and statement[:4].upper() == "WITH":
        return int(connection.execute("SELECT changes()").fetchone()[0])
    return cursor.rowcount


def _carry_out_many(connection: sqlite3.Connection, statement: str, values: Any) -> Result:
    return Result(connection.executemany(statement, values))


class Cursor(AsyncAdapt_dbapi_cursor):
    """A cursor that exists only as the result of its last statement."""

    __slots__ = ("_result",)

    def __init__(self, adapt_connection: AsyncAdapt_aiosqlite_connection) -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._result: Result | None = None
        self._rows = deque()

    def execute(self, operation: Any, parameters: Any = None) -> Any:
        return self._visit(_carry_out, operation, parameters)

    def executemany(self, operation: Any, seq_of_parameters: Any) -> Any:
        return self._visit(_carry_out_many, operation, seq_of_parameters)

    def _visit(self, function: Callable[..., Result], statement: str, values: Any) -> None:
        connection: Any = self._connection
        try:
            self._result = await_(connection._execute(function, connection._conn, statement, values))
        except Exception as error:
            self._adapt_connection._handle_exception(error)
        self._rows = deque(self._result.rows)

    @property
    def description(self) -> Any:
        return None if self._result is None else self._result.description

    @property
    def rowcount(self) -> int:
        return -1 if self._result is None else self._result.rowcount

    @property
    def lastrowid(self) -> int:
        return 0 if self._result is None else cast("int", self._result.lastrowid)

    async def _async_soft_close(self) -> None:
        """Nothing is open."""

    def close(self) -> None:
        self._rows.clear()


class Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()

    _cursor_cls = Cursor  # type: ignore[assignment]  # the base names aiosqlite's own class; the protocol is the same

    def rollback(self) -> None:
        connection = cast("aiosqlite.Connection", self._connection)
        if connection._connection is not None and connection.in_transaction:
            super().rollback()


class Dbapi(AsyncAdapt_aiosqlite_dbapi):
    def connect(self, *arguments: Any, on_loop: bool = False, **options: Any) -> Connection:
        opened: Any
        if on_loop:
            opened = LoopConnection(partial(sqlite3.connect, *arguments, **options), iter_chunk_size=64)
        else:
            opened = aiosqlite.connect(*arguments, **options)
            opened._thread.daemon = True
        return Connection(self, await_(opened))


class Dialect(SQLiteDialect_aiosqlite):
    driver = "kairanban"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> AsyncAdapt_aiosqlite_dbapi:
        return Dbapi(aiosqlite, sqlite3)


class LoopConnection(aiosqlite.Connection):
    """aiosqlite's connection without its thread."""

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        return self._open().__await__()

    async def _open(self) -> aiosqlite.Connection:
        self._connection = self._connector()
        return self

    async def _execute(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return fn(*args, **kwargs)

    async def close(self) -> None:
        self.stop()

    def stop(self) -> None:
        self._running = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
