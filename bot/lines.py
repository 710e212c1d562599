"""The open connections to an SQLite file: one that writes, and as many readers as look at once.

Opening a connection for each glance, or asking a pool for one, costs more than the glance. So they stay open, and are
cleaned by a rollback, which is nothing where nothing was left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from bot.prepared import QuickConnection, Shelf

WRITES = "kairanban_writes"
"""The execution option by which a connection is known as one that writes."""


class Lines:
    """The connections of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._shelf = Shelf(engine.sync_engine.dialect)
        self._idle: dict[bool, list[QuickConnection]] = {True: [], False: []}

    @asynccontextmanager
    async def line(self, *, writes: bool) -> AsyncIterator[QuickConnection]:
        """A connection for one transaction; what has not been committed at the end is undone."""
        idle = self._idle[writes]
        connection = idle.pop() if idle else await self._open(writes)
        try:
            yield connection
        except BaseException:
            # Whoever is cancelled in the middle of a statement finds the connection closed by the driver. That must not
            # take the place of the cancellation, or a loop that was told to end would go on.
            with suppress(Exception):
                await self._undo(connection)
                idle.append(connection)
            raise
        await self._undo(connection)
        idle.append(connection)

    async def _undo(self, connection: QuickConnection) -> None:
        """Make the connection clean for the next; one that cannot be is given up, and the error comes through."""
        try:
            await connection.rollback()
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise

    async def close(self) -> None:
        """Close what is idle; a connection in use is closed by the engine."""
        for idle in self._idle.values():
            while idle:
                await idle.pop().close()

    async def _open(self, writes: bool) -> QuickConnection:
        connection = QuickConnection(self._engine, self._shelf, "BEGIN IMMEDIATE" if writes else "BEGIN")
        await connection.start()
        if writes:
            await connection.execution_options(**{WRITES: True})
        return connection
