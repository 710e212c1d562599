"""Once a day, the shelf loses what no notice has any more: files of drafts that were thrown away, files never used.

Whatever a notice may still send stays, however long ago it was given: that of a schedule for next year, of every
occurrence of a recurring one, of what was sent and may go out again as a reminder, by mail or from the dead letters.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import bindparam, delete, or_, select

from bot.activity import Activity
from bot.attachments import Shelf
from bot.clock import Clock
from bot.loop import Loop
from bot.storage import Database, UtcDateTime
from broadcasts import files
from broadcasts.drafting_tables import waiting_files
from broadcasts.tables import broadcast_corrections, broadcasts

log = structlog.get_logger(__name__)

EVERY = timedelta(days=1)
GRACE = timedelta(days=1)
"""How long a file lies at least, and stays after its draft was thrown away.

It is on the shelf before the notice that it is for is in the database; and a draft can be had back for a while.
"""
AFTER_FAILURE = timedelta(hours=1)

_WANTED = (
    select(broadcasts.c.attachments).where(
        or_(broadcasts.c.state != "cancelled", broadcasts.c.closed_at >= bindparam("before", type_=UtcDateTime))
    ),
    select(broadcasts.c.corrected_attachments),
    select(broadcast_corrections.c.attachments),
    select(waiting_files.c.attachments),
)


class Sweeping:
    """A background loop over the shelf of this machine."""

    def __init__(self, database: Database, shelf: Shelf, clock: Clock, activity: Activity) -> None:
        self._database = database
        self._shelf = shelf
        self._clock = clock
        self._loop = Loop("sweeping", self._sweep, clock, activity, after_failure=AFTER_FAILURE)

    async def start(self) -> None:
        """Begin; the first look comes at once."""
        await self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop()

    async def _sweep(self) -> datetime:
        before = self._clock.now() - GRACE
        async with self._database.transaction() as db:
            await db.execute(delete(waiting_files).where(waiting_files.c.given_at < before))
        async with self._database.snapshot() as db:
            columns = [value for query in _WANTED for value in await db.scalars(query, {"before": before})]
        wanted = {each.sha256 for value in columns for each in files.read(value)}
        if gone := await self._shelf.sweep(wanted, before):
            log.info("files.swept", files=gone)
        return self._clock.now() + EVERY
