"""The main database: SQLite inside the process, or PostgreSQL for many processes; the same code on both.

What was measured for this project and is respected here: on SQLite a transaction that may write begins with
`BEGIN IMMEDIATE` (the driver's default lost 359 of 400 concurrent read-then-write updates), writers of one process
queue on a lock instead of polling the file's, and reads go on beside them (WAL). Never await a network inside
`transaction()`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import BigInteger, MetaData, event
from sqlalchemy.engine import URL, Connection, Dialect, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from bot.lines import WRITES, Lines
from bot.sqlite import DRIVER
from bot.turns import Turns

BUSY_TIMEOUT = timedelta(seconds=30)
"""How long a write waits for another process's write. A handler's time limit must stay below it."""

LOG_LIMIT = 64 * 2**20
"""Bytes that SQLite's write-ahead log keeps once it has been taken up into the database."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every room's tables stand on this one; the migrations are in `config/migrations/`."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, stored as whole microseconds since 1970 UTC, so that both databases compare and subtract alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A datetime without a time zone cannot be stored; take it from the clock.")
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


Durability = Literal["full", "process"]
"""What a commit survives: `full` a power cut, `process` only the end of the process (rehearsals and tests)."""


class Database:
    """An open database; `transaction()` to change it, `snapshot()` to look."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._callbacks: dict[AsyncConnection, list[Callable[[], None]]] = {}
        self._lines = Lines(engine) if self.is_sqlite else None
        self._turns = None if self._lines is None else Turns(self._lines)

    @classmethod
    def open(
        cls, url: str, *, durability: Durability = "full", on_loop: bool = False, read_only: bool = False
    ) -> Database:
        """The database at an SQLAlchemy URL: `sqlite+aiosqlite:///path` or `postgresql+asyncpg://…`.

        Its errors do not repeat values: they go into logs and lists, and may be people's words.

        `on_loop` runs SQLite without a thread, which is several times faster and holds up everything else meanwhile:
        for rehearsals in virtual time. `read_only` looks at an SQLite file that may not be written.
        """
        if url.startswith("sqlite"):
            # The driver would begin transactions by itself, and deferred ones; without an isolation level it leaves
            # that to us.
            engine = create_async_engine(
                _looked_at(make_url(url)) if read_only else make_url(url).set(drivername=DRIVER),
                pool_size=32,
                max_overflow=0,
                connect_args={"isolation_level": None, "on_loop": on_loop},
                hide_parameters=True,
            )
            _speak_sqlite(engine, "FULL" if durability == "full" else "OFF", read_only=read_only)
        else:
            engine = create_async_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True, hide_parameters=True)
        return cls(engine)

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def transaction(self, *, shared: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection whose changes are committed together at the end, or not at all if the block raises.

        `shared`, where commits are dear (SQLite), lets others who share come in before the commit that this block
        waits for: many brief ones side by side then cost little more than one. Each is undone by itself.
        """
        async with self._writing(shared) as connection:
            callbacks = self._callbacks[connection] = []
            try:
                yield connection
            finally:
                del self._callbacks[connection]
        for callback in callbacks:
            callback()

    def _writing(self, shared: bool) -> AbstractAsyncContextManager[AsyncConnection]:
        if self._turns is None:
            return self._connected()
        return self._turns.shared() if shared else self._turns.alone()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            yield connection
            await connection.commit()

    def after_commit(self, connection: AsyncConnection, callback: Callable[[], None]) -> None:
        """Call `callback` once the transaction of `connection` has been committed; never if it is rolled back."""
        self._callbacks[connection].append(callback)

    async def roll_back(self, connection: AsyncConnection) -> None:
        """Take back what a transaction has changed so far; it goes on, empty, and still alone on SQLite."""
        if self._turns is None:
            await connection.rollback()
        else:
            await self._turns.undo(connection)
        self._callbacks[connection].clear()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with; what others write meanwhile does not show."""
        if self._lines is not None:
            async with self._lines.line(writes=False) as connection:
                yield connection
            return
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    async def create_tables(self) -> None:
        """Make every table that is missing. For tests and first steps; an installation runs the migrations."""
        async with self.transaction() as connection:
            await connection.run_sync(metadata.create_all)

    async def close(self) -> None:
        if self._turns is not None:
            await self._turns.close()
        if self._lines is not None:
            await self._lines.close()
        await self._engine.dispose()


def _looked_at(url: URL) -> URL:
    """The same file, never to be written; without a log beside it, SQLite must not ask for a lock either."""
    file = Path(url.database or "").absolute()
    log_beside = file.with_name(f"{file.name}-wal").exists()
    query = {"mode": "ro", "uri": "true"} | ({} if log_beside else {"immutable": "1"})
    return url.set(drivername=DRIVER, database=f"file:{quote(str(file))}", query=query)


def _speak_sqlite(engine: AsyncEngine, synchronous: Literal["FULL", "OFF"], *, read_only: bool) -> None:
    kept = () if read_only else ("journal_mode=WAL", f"synchronous={synchronous}")

    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in (
            *kept,
            f"busy_timeout={int(BUSY_TIMEOUT.total_seconds() * 1000)}",
            "foreign_keys=ON",
            "cache_size=-65536",
            "temp_store=MEMORY",
            f"journal_size_limit={LOG_LIMIT}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:  # a prepared statement may have begun it
            writes = connection.get_execution_options().get(WRITES, False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
