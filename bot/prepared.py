"""SQLite statements that are built once and used often, prepared once and carried out directly.

SQLAlchemy finds a statement's text by its shape, makes a context, a cursor and a result, and crosses into a greenlet:
some 80 microseconds for a statement that SQLite answers in four. Here a statement object that comes a second time is
compiled once, by SQLAlchemy, and kept beside the object; from then on its text and its values go straight to the
driver, and the rows come back as SQLAlchemy's own. Whatever is out of the ordinary (several sets of values, lists for
IN, streams) goes SQLAlchemy's way as before, in the same transaction. Callers notice nothing but the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Delete, Insert, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.compiler import SQLCompiler

from bot.sqlite import changed_rows

Values = tuple[Any, ...]
Convert = Callable[[Any], Any]


class Prepared:
    """One statement's text, with how to put values in and how to read rows."""

    __slots__ = ("_binds", "_metadata", "_readers", "numbers_rows", "sql")

    def __init__(
        self,
        sql: str,
        binds: Sequence[tuple[str, Any, Convert | None]],
        readers: Sequence[Convert | None] | None,
        numbers_rows: bool,
    ) -> None:
        self.sql = sql
        self._binds = binds
        self._readers = readers
        self._metadata: SimpleResultMetaData | None = None
        self.numbers_rows = numbers_rows

    def values(self, parameters: Mapping[str, Any]) -> Values:
        """The parameters in the order of the text, as the driver stores them. KeyError for one that is missing."""
        values = []
        for name, default, convert in self._binds:
            value = parameters.get(name, default)
            if value is _REQUIRED:
                raise KeyError(name)
            values.append(value if convert is None else convert(value))
        return tuple(values)

    def result(self, connection: sqlite3.Connection, cursor: sqlite3.Cursor) -> Carried:
        """What came of it, whole: nothing stays open."""
        description = cursor.description
        rows: Sequence[Values] = cursor.fetchall() if description else ()
        if description and self._metadata is None:
            self._metadata = SimpleResultMetaData([column[0] for column in description])
        if rows and self._readers is not None:
            rows = [
                tuple(value if read is None else read(value) for value, read in zip(row, self._readers, strict=True))
                for row in rows
            ]
        changed = changed_rows(connection, cursor, self.sql)
        return Carried(self._metadata or _NO_COLUMNS, rows, changed, cursor.lastrowid if self.numbers_rows else None)


class Carried(IteratorResult[Any]):
    """A result with everything in it, and what a change left behind."""

    def __init__(
        self, metadata: SimpleResultMetaData, rows: Sequence[Values], changed: int, new_id: int | None
    ) -> None:
        super().__init__(metadata, iter(rows))
        self.rowcount = changed
        self.inserted_primary_key = None if new_id is None else (new_id,)


_NO_COLUMNS = SimpleResultMetaData([])
_REQUIRED = object()
_KINDS = (Select, Insert, Update, Delete)
_SEEN_ONCE: dict[tuple[str, ...], Prepared | None] = {}


class Shelf:
    """The prepared statements of one database, beside the statement objects for as long as those live."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._kept: WeakKeyDictionary[Any, dict[tuple[str, ...], Prepared | None]] = WeakKeyDictionary()

    def find(self, statement: Any, parameters: Mapping[str, Any]) -> Prepared | None:
        """The prepared form from the second time on; None where SQLAlchemy is to do it."""
        if not isinstance(statement, _KINDS):
            return None
        forms = self._kept.get(statement)
        if forms is None:
            # Most objects are composed for one use; compiling is for those that come again.
            self._kept[statement] = _SEEN_ONCE
            return None
        if forms is _SEEN_ONCE:
            forms = self._kept[statement] = {}
        names = tuple(parameters)
        if names not in forms:
            forms[names] = prepare(statement, names, self._dialect)
        return forms[names]


def prepare(statement: Any, names: Sequence[str], dialect: Dialect) -> Prepared | None:
    """Compile a statement for parameters of these names; None if it needs more than its values put in."""
    if statement.get_execution_options():
        return None
    compiled = cast("SQLCompiler", statement.compile(dialect=dialect, column_keys=list(names)))
    bound = compiled.binds
    if any(bind.expanding or bind.literal_execute for bind in bound.values()):
        return None
    if compiled.insert_prefetch or compiled.update_prefetch or compiled.implicit_returning:
        return None
    columns = list(statement.exported_columns)
    is_insert = isinstance(statement, Insert)
    if is_insert and not columns and compiled.postfetch_lastrowid and not _numbered(statement):
        return None
    readers = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return Prepared(
        compiled.string,
        [
            (
                name,
                _REQUIRED if bound[name].required else bound[name].effective_value,
                bound[name].type.dialect_impl(dialect).bind_processor(dialect),
            )
            for name in compiled.positiontup or ()
        ],
        readers if any(readers) else None,
        is_insert and compiled.postfetch_lastrowid and not columns,
    )


def _numbered(statement: Insert) -> bool:
    """Whether SQLite's last row id is the whole key of the table."""
    return len(list(statement.table.primary_key)) == 1


_SAVEPOINT, _UNDO, _RELEASE = "SAVEPOINT kairanban", "ROLLBACK TO kairanban", "RELEASE kairanban"


class QuickConnection(AsyncConnection):
    """SQLAlchemy's connection, with a short way for prepared statements; `begin` opens its transactions.

    A savepoint and its release wait for the statement that comes next, and go to the database's thread together with
    it: a part of a transaction costs no visit of its own, and one in which nothing happens costs nothing at all. Only
    `stream` does not bring them along, which changes nothing.
    """

    def __init__(self, engine: AsyncEngine, shelf: Shelf, begin: str) -> None:
        super().__init__(engine)
        self._shelf = shelf
        self._begin = begin
        self._ahead: list[str] = []  # what is to be carried out before the next statement
        self._driver: Any = None

    async def execute(self, statement: Any, parameters: Any = None, **options: Any) -> Any:
        """As SQLAlchemy's `execute`."""
        if parameters is None:
            parameters = {}
        elif isinstance(parameters, list) and len(parameters) == 1:
            (parameters,) = parameters  # many of one are one
        if any(options.values()) or not isinstance(parameters, dict):
            await self._catch_up()
            return await super().execute(statement, parameters, **options)
        prepared = self._shelf.find(statement, parameters)
        if prepared is None:
            await self._catch_up()
            return await super().execute(statement, parameters)
        values = prepared.values(parameters)
        driver = await self._driver_connection()
        try:
            return await driver._execute(_carry_out, driver._conn, self._begin, self._ahead, prepared, values)
        except sqlite3.Error as error:
            raise DBAPIError.instance(
                prepared.sql, values, error, sqlite3.Error, hide_parameters=True, dialect=self.dialect
            ) from error

    @asynccontextmanager
    async def begin_nested(self) -> AsyncIterator[None]:  # type: ignore[override]  # used as a block, and only so
        """A part of the transaction that is undone by itself if it raises."""
        ahead = self._ahead
        ahead.append(_SAVEPOINT)
        try:
            yield
        except BaseException:
            if ahead[-1:] == [_SAVEPOINT]:
                ahead.pop()
            elif await self.has_begun():
                ahead += (_UNDO, _RELEASE)
                await self._catch_up()
            else:
                ahead.clear()  # the database has undone everything by itself
            raise
        if ahead[-1:] == [_SAVEPOINT]:
            ahead.pop()
        else:
            ahead.append(_RELEASE)

    async def undo(self) -> None:
        """Take back what has happened in the innermost part so far; the part goes on."""
        if self._ahead[-1:] != [_SAVEPOINT]:
            if not await self.has_begun():
                raise sqlite3.OperationalError("The database has undone the whole transaction by itself.")
            self._ahead.append(_UNDO)
            await self._catch_up()

    async def has_begun(self) -> bool:
        """Whether a transaction is open in the database; not on a connection that was closed, as by a cancellation."""
        if self.closed or self.invalidated:
            return False
        return bool((await self._driver_connection()).in_transaction)

    async def commit(self) -> None:
        """Make what has happened last, whichever way it was done."""
        self._ahead.clear()  # releases, which a commit brings with it
        if self.in_transaction():
            await super().commit()
        elif self._driver is not None and self._driver.in_transaction:
            await self._driver.commit()

    async def rollback(self) -> None:
        """Undo what has happened, whichever way it was done."""
        self._ahead.clear()
        # Not only while it is active: one whose commit failed, as on a full disk, is in the way until it is undone.
        if self.sync_connection is not None and self.sync_connection.get_transaction() is not None:
            await super().rollback()
        if self._driver is not None and self._driver.in_transaction:
            await self._driver.rollback()

    async def _catch_up(self) -> None:
        """Carry out by itself what waits for a statement: the next one goes another way."""
        if self._ahead:
            driver = await self._driver_connection()
            await driver._execute(_go_ahead, driver._conn, self._begin, self._ahead)

    async def _driver_connection(self) -> Any:
        if self._driver is None:
            self._driver = (await self.get_raw_connection()).driver_connection
        return self._driver


def _go_ahead(connection: sqlite3.Connection, begin: str, ahead: list[str]) -> None:
    if not connection.in_transaction:
        connection.execute(begin)
    while ahead:
        connection.execute(ahead[0])
        del ahead[0]


def _carry_out(
    connection: sqlite3.Connection, begin: str, ahead: list[str], prepared: Prepared, values: Values
) -> Carried:
    if ahead or not connection.in_transaction:
        _go_ahead(connection, begin, ahead)
    cursor = connection.execute(prepared.sql, values)
    try:
        return prepared.result(connection, cursor)
    finally:
        cursor.close()
