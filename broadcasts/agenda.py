"""What comes due by itself before a notice goes out: requests that are made again or expire, and schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.activity import Activity
from bot.clock import Clock
from bot.loop import Loop
from bot.storage import Database

log = structlog.get_logger(__name__)

AFTER_FAILURE = timedelta(minutes=1)


class Dated(Protocol):
    """Something with moments in rows."""

    async def next_due(self, db: AsyncConnection) -> datetime | None:
        """The earliest moment at which there is something to do."""

    async def do_due(self, db: AsyncConnection) -> None:
        """Do all that is due; who else does it at the same time finds it done."""


class Agenda:
    """Waits for the earliest of several, does it, and waits again."""

    def __init__(self, database: Database, clock: Clock, activity: Activity, entries: Sequence[Dated]) -> None:
        self._database = database
        self._clock = clock
        self._entries = tuple(entries)
        self._loop = Loop("agenda", self._work, clock, activity)

    async def start(self) -> None:
        """Begin with what fell due while nothing ran."""
        await self._loop.start()

    async def stop(self) -> None:
        """End; what is due stays in its rows."""
        await self._loop.stop()

    def ring(self) -> None:
        """Call when a new moment has been committed."""
        self._loop.ring()

    async def _work(self) -> datetime | None:
        due = await self._next_due()
        if due is None or due > self._clock.now():
            return due
        for entry in self._entries:
            async with self._database.transaction() as db:
                await entry.do_due(db)
        return await self._next_due()

    async def _next_due(self) -> datetime | None:
        async with self._database.snapshot() as db:
            moments = [await entry.next_due(db) for entry in self._entries]
        return min((moment for moment in moments if moment is not None), default=None)
