"""The loop that sends reminders when they are due, from rows and so across restarts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot.activity import Activity
from bot.adapter import Adapter
from bot.clock import Clock
from bot.loop import Loop
from bot.outbox import Outbox
from bot.storage import Database
from broadcasts import receipts, reminders
from broadcasts.settings import BroadcastSettings
from broadcasts.wording import Wording

log = structlog.get_logger(__name__)

FORGOTTEN_AFTER = timedelta(days=1)
"""How long a read of an unknown message is kept, should the message become known."""
AFTER_FAILURE = timedelta(minutes=1)


class Reminding:
    """Begun with `start`, rung when a notice has gone out."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        activity: Activity,
        wording: Wording,
        settings: BroadcastSettings,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._adapters = adapters
        self._clock = clock
        self._wording = wording
        self._settings = settings
        self._loop = Loop("reminders", self._remind, clock, activity, after_failure=AFTER_FAILURE)

    async def start(self) -> None:
        """Begin, with what fell due while nothing ran."""
        await self._loop.start()

    async def stop(self) -> None:
        """End; what is due stays in its rows."""
        await self._loop.stop()

    def ring(self) -> None:
        """A new round has been committed."""
        self._loop.ring()

    async def _remind(self) -> datetime | None:
        """Send the rounds that are due; when the next one is."""
        async with self._database.snapshot() as db:
            due = await reminders.next_due(db)
        now = self._clock.now()
        if due is None or due > now:
            return due
        async with self._database.transaction() as db:
            await receipts.forget(db, now - FORGOTTEN_AFTER)
            queued = await reminders.queue_due(
                db,
                self._adapters,
                self._settings.reminders_of,
                self._wording,
                now,
                quiet=self._settings.quiet,
                down=self._outbox.down,
            )
            if queued:
                self._outbox.ring_after_commit(db)
            due = await reminders.next_due(db)
        if queued:
            log.info("reminders.queued", messages=queued)
        return due
