"""What is noted of an event once its handler has come to an end: done, to be tried again, or kept as failed.

A failure is the event's own only while the database answers: nothing is held against an event that could not be handled
because the database was away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog
from sqlalchemy import select

from bot.clock import Clock
from bot.errors import InboxUnavailable
from bot.inbox import Inbox, Record
from bot.metrics import Metrics
from bot.storage import Database

log = structlog.get_logger(__name__)


class Settling:
    """Tells the inbox and the counters; `retry_after` are the waits between attempts."""

    def __init__(
        self,
        inbox: Inbox,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        retry_after: Sequence[timedelta],
        database_pause: timedelta,
    ) -> None:
        self._inbox = inbox
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._retry_after = retry_after
        self._database_pause = database_pause

    async def failed(self, record: Record, error: Exception) -> Record | None:
        """Note a failure: the record to be tried again, or None if it is given up."""
        now = self._clock.now()
        if not await self.database_answers():
            log.error("database_unreachable", error=repr(error))
            return replace(record, retry_at=now + self._database_pause)
        attempts = record.attempts + 1
        waits = self._retry_after
        retry_at = now + waits[attempts - 1] if attempts <= len(waits) else None
        event = record.event
        log.error(
            "handler_failed",
            adapter=event.adapter,
            key=event.key,
            type=event.type,
            attempts=attempts,
            given_up=retry_at is None,
            exc_info=error,
        )
        try:
            await self._inbox.fail(record.id, f"{type(error).__name__}: {error}", retry_at)
        except InboxUnavailable:
            log.exception("inbox_fail_failed", key=event.key)
            retry_at = retry_at or now + self._database_pause
        self.count(record, "failed" if retry_at is None else "retried")
        return None if retry_at is None else replace(record, attempts=attempts, retry_at=retry_at)

    async def set_aside(self, record: Record, reason: str) -> None:
        """Keep what nobody can read, with its payload, where it is seen and can be replayed."""
        log.warning("event_unknown", adapter=record.event.adapter, key=record.event.key, reason=reason)
        try:
            await self._inbox.fail(record.id, reason, None)
        except InboxUnavailable:
            log.exception("inbox_fail_failed", key=record.event.key)  # the next start finds it again
        self.count(record, "failed")

    async def done(self, records: Sequence[Record]) -> None:
        """The inbox may forget what these said."""
        try:
            await self._inbox.acknowledge([record.id for record in records])
        except InboxUnavailable:
            log.exception("inbox_acknowledge_failed", events=len(records))  # their keys stop the repetition

    async def database_answers(self) -> bool:
        """Whether a failure can be the event's own: nothing is held against it while the database is away."""
        try:
            async with self._database.snapshot() as db:
                await db.execute(select(1))
        except Exception:
            return False
        return True

    def count(self, record: Record, outcome: str) -> None:
        self._metrics.events.labels(record.event.adapter, record.event.type, outcome).inc()
