"""Empty databases for tests that must hold on both: a temporary SQLite file and a PostgreSQL of this process's own."""

from __future__ import annotations

import atexit
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from bot.storage import Database, metadata
from bot.testing.blank import blank_database
from tests.postgres import Postgres, running

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")


@asynccontextmanager
async def empty_database(kind: Kind, folder: Path) -> AsyncIterator[Database]:
    """A database with every table that the imported rooms define and no row; `folder` is where SQLite's file goes."""
    async with AsyncExitStack() as parts:
        if kind == "sqlite":
            database = await blank_database(folder / "test.db")
        else:
            lent = server().lend(frozenset(metadata.tables), _make_tables)
            database = _opened(await parts.enter_async_context(lent))
        parts.push_async_callback(database.close)
        yield database


@cache
def _opened(url: str) -> Database:
    """Closed after each test, it connects anew in the next one's event loop, and still knows how statements read."""
    return Database.open(url)


async def _make_tables(url: str) -> None:
    database = Database.open(url)
    try:
        await database.create_tables()
    finally:
        await database.close()


@cache
def server() -> Postgres:
    """The one PostgreSQL of this process: started by the first test that wants it, stopped with the process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running())
