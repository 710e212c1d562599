"""Empty databases for tests that must hold on both: a temporary SQLite file and a PostgreSQL of this process's own."""

from __future__ import annotations

import atexit
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from bot.storage import Database
from tests.postgres import Postgres, running

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")


@asynccontextmanager
async def empty_database(kind: Kind, folder: Path) -> AsyncIterator[Database]:
    """A database with every table that the imported rooms define and no row; `folder` is where SQLite's file goes."""
    url = f"sqlite+aiosqlite:///{folder}/test.db" if kind == "sqlite" else await server().new_database()
    database = Database.open(url, durability="process")
    try:
        await database.create_tables()
        yield database
    finally:
        await database.close()


@cache
def server() -> Postgres:
    """The one PostgreSQL of this process: started by the first test that wants it, stopped with the process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running())
