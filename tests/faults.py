"""Faults of a disk or a database for tests: each holds while a block runs, and is real to the code that meets it.

None needs a right to mount. A database that is full, or read-only, still reads: `SELECT 1` answers throughout.
"""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from bot.storage import Database


@asynccontextmanager
async def full(database: Database) -> AsyncIterator[None]:
    """SQLite gets no page more: SQLITE_FULL for what needs one, as an insert of a few kilobytes does."""
    file = database.engine.url.database
    assert file is not None
    with closing(sqlite3.connect(file)) as other:
        pages = other.execute("PRAGMA page_count").fetchone()[0]
    async with _fault(database, f"max_page_count = {pages}", "max_page_count = 1073741823"):
        yield


@contextmanager
def full_at_the_commit(database: Database) -> Iterator[None]:
    """No file of this process may grow: the statements work, and SQLite's log cannot take them up."""
    file = database.engine.url.database
    assert file is not None
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{file}-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@asynccontextmanager
async def read_only(database: Database) -> AsyncIterator[None]:
    """SQLite refuses every write of ours: SQLITE_READONLY, as on a file system that was remounted read-only."""
    async with _fault(database, "query_only = ON", "query_only = OFF"):
        yield


@asynccontextmanager
async def _fault(database: Database, begin: str, end: str) -> AsyncIterator[None]:
    """A pragma on every connection that writes; on SQLite there is one."""
    async with database.transaction() as db:
        await db.exec_driver_sql(f"PRAGMA {begin}")
        driver = (await db.get_raw_connection()).driver_connection
    assert driver is not None
    try:
        yield
    finally:
        await driver.execute(f"PRAGMA {end}")


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another program holds SQLite's write lock: SQLITE_BUSY once the patience is over."""
    assert database.engine.url.database is not None
    with closing(sqlite3.connect(database.engine.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@asynccontextmanager
async def read_only_postgresql(database: Database) -> AsyncIterator[None]:
    """Every transaction that begins is read-only, as on a server that another one has taken over from."""

    async def make(value: str) -> None:
        async with database.engine.connect() as connection:
            session = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await session.exec_driver_sql("SET default_transaction_read_only = off")
            name = database.engine.url.database
            await session.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}')
        await database.engine.dispose()  # a setting of a database holds for new connections

    await make("on")
    try:
        yield
    finally:
        await make("off")
