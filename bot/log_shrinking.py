"""The write-ahead log of an SQLite database, cut short again once it has grown.

While somebody reads for a long time, the log cannot be taken up into the database, and grows. SQLite would use its
length again for ever and give nothing back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from bot.activity import Activity
from bot.clock import Clock
from bot.loop import Loop
from bot.storage import LOG_LIMIT

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=5)
_PATIENCE = 0.5
"""Seconds that writers are kept waiting at most, while somebody still reads."""


def shrink(database: Path, limit: int = LOG_LIMIT) -> bool:
    """Take the log up into the database and cut it short, if it is longer than `limit`; whether that could be done.

    On a connection of its own, and soon given up: a reader that goes on must not hold up the writers.
    """
    grown = database.with_name(f"{database.name}-wal")
    if not grown.exists() or grown.stat().st_size <= limit:
        return True
    with closing(sqlite3.connect(database, timeout=_PATIENCE, isolation_level=None)) as connection:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


class LogShrinking:
    """A background loop over the log of one database."""

    def __init__(self, database: Path, clock: Clock, activity: Activity, limit: int = LOG_LIMIT) -> None:
        self._database = database
        self._limit = limit
        self._clock = clock
        self._loop = Loop("log shrinking", self._shrink, clock, activity, after_failure=EVERY)

    async def start(self) -> None:
        """Begin; the first look comes at once."""
        await self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop()

    async def _shrink(self) -> datetime:
        if not await asyncio.to_thread(shrink, self._database, self._limit):
            log.info("log_not_shrunk", reason="somebody is still reading")
        return self._clock.now() + EVERY
