"""Whose turn it is to write to an SQLite file, and who shares a commit.

SQLite has one writer, and a commit that survives a power cut costs more than what most handlers write. So those who
say that they can share do: each has a part of one transaction, which is undone by itself if its block raises; one
commit ends it for all whose turn came before it, and nobody's block counts as done until then. Turns are taken in the
order of asking. Who wants to be alone neither waits for a group to grow nor leaves one open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.lines import Lines
from bot.prepared import QuickConnection


@dataclass(slots=True, eq=False)
class _Group:
    """A transaction that several share; `line` gives its connection back, `committed` tells those who wait."""

    connection: QuickConnection
    line: AsyncExitStack
    committed: asyncio.Future[None]
    members: int = 0


class Turns:
    """The writers of one SQLite database."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._lock = asyncio.Lock()
        self._group: _Group | None = None
        self._committing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[AsyncConnection]:
        """A transaction with a commit of its own."""
        async with self._lock:
            if self._group is not None:
                await asyncio.shield(self._in_background(self._end(self._group)))
            async with self._lines.line(writes=True) as connection:
                yield connection
                await connection.commit()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[AsyncConnection]:
        """A part of a transaction; leaving the block waits for the commit, and raises if that fails.

        Others' parts run between the end of the block and the commit, so the block is for what is brief.
        """
        async with self._lock:
            group = self._group or await self._begin()
            try:
                async with group.connection.begin_nested():
                    yield group.connection
            except BaseException as error:
                if group.members and not await group.connection.has_begun():
                    # Everybody's part is undone: by the database, as when the disk is full, or because the driver has
                    # closed the connection under one who was cancelled.
                    self._group = None
                    _fail(group, error)
                    with suppress(Exception):
                        await group.line.aclose()
                raise
            group.members += 1
        await asyncio.shield(group.committed)

    async def undo(self, connection: AsyncConnection) -> None:
        """Take back what the block that has this connection has done so far; it goes on, empty."""
        if self._group is not None and self._group.connection is connection:
            await self._group.connection.undo()
        else:
            await connection.rollback()

    async def close(self) -> None:
        """Finish what is under way."""
        while self._committing:
            await asyncio.wait(self._committing)

    async def _begin(self) -> _Group:
        line = AsyncExitStack()
        connection = await line.enter_async_context(self._lines.line(writes=True))
        self._group = _Group(connection, line, asyncio.get_running_loop().create_future())
        self._in_background(self._end_in_turn(self._group))
        return self._group

    async def _end_in_turn(self, group: _Group) -> None:
        """Commit behind those who were waiting when the group began; they belong to it."""
        async with self._lock:
            await self._end(group)

    async def _end(self, group: _Group) -> None:
        if self._group is not group:
            return  # somebody who wanted to be alone was here before, or it came to nothing
        self._group = None
        try:
            async with group.line:
                if group.members:
                    await group.connection.commit()
        except Exception as error:
            _fail(group, error)
        else:
            group.committed.set_result(None)

    def _in_background(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._committing.add(task)
        task.add_done_callback(self._committing.discard)
        return task


def _fail(group: _Group, error: BaseException) -> None:
    """Tell all who have been in the group that it came to nothing."""
    failure = error if isinstance(error, Exception) else RuntimeError("The transaction was undone.")
    group.committed.set_exception(failure)
    group.committed.exception()  # looked at once here: perhaps nobody waits for it any more
