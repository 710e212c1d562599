"""What is noted of an event once its handler has come to an end: done, to be tried again, or kept as failed.

A failure is the event's own only while the database can be written: nothing is held against an event that could not be
handled because the disk was full, the database read-only, locked or away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from bot.clock import Clock
from bot.database_faults import fault_in
from bot.database_health import DatabaseHealth
from bot.errors import InboxUnavailable
from bot.inbox import Inbox, Record
from bot.metrics import Metrics

log = structlog.get_logger(__name__)

LONGEST_PAUSE = timedelta(minutes=5)
"""Between two tries of an event that meets the database's errors while others are written."""


class Settling:
    """Tells the inbox and the counters; `retry_after` are the waits between attempts."""

    def __init__(
        self,
        inbox: Inbox,
        health: DatabaseHealth,
        clock: Clock,
        metrics: Metrics,
        *,
        retry_after: Sequence[timedelta],
        database_pause: timedelta,
        given_up: Callable[[Record], None],
    ) -> None:
        self._inbox = inbox
        self._health = health
        self._clock = clock
        self._metrics = metrics
        self._retry_after = retry_after
        self._database_pause = database_pause
        self._given_up = given_up
        self._hindered: dict[int, int] = {}  # events: how often the database was to blame

    async def failed(self, record: Record, error: Exception) -> Record | None:
        """Note a failure: the record to be tried again, or None if it is given up."""
        if await self._health.is_to_blame(error):
            return self._hold(record, error)
        self._hindered.pop(record.id, None)
        now = self._clock.now()
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
        if retry_at is None:
            self._given_up(record)
        return None if retry_at is None else replace(record, attempts=attempts, retry_at=retry_at)

    async def set_aside(self, record: Record, reason: str) -> None:
        """Keep what nobody can read, with its payload, where it is seen and can be replayed."""
        log.warning("event_unknown", adapter=record.event.adapter, key=record.event.key, reason=reason)
        try:
            await self._inbox.fail(record.id, reason, None)
        except InboxUnavailable:
            log.exception("inbox_fail_failed", key=record.event.key)  # the next start finds it again
        self.count(record, "failed")
        self._given_up(record)

    async def hold(self, record: Record) -> Record | None:
        """The record, to come again later, while the database cannot be written; None where it can be handled now."""
        wait = await self._health.waits()
        return None if wait is None else replace(record, retry_at=self._clock.now() + wait)

    def _hold(self, record: Record, error: Exception) -> Record:
        """It comes again, as if it had not been tried: soon, and less often where the database works for others."""
        times = self._hindered[record.id] = self._hindered.get(record.id, 0) + 1
        pause = min(self._database_pause * 2 ** min(times - 1, 10), LONGEST_PAUSE)
        if self._health.reason is not None and times > 1:
            pause = self._database_pause  # nobody can write: whether one can is asked for all of them at once
        event = record.event
        log.warning("event_waits_for_database", key=event.key, times=times, reason=fault_in(error) or repr(error)[:200])
        return replace(record, retry_at=self._clock.now() + pause)

    async def done(self, records: Sequence[Record]) -> None:
        """The inbox may forget what these said."""
        for record in records if self._hindered else ():
            self._hindered.pop(record.id, None)
        try:
            await self._inbox.acknowledge([record.id for record in records])
        except InboxUnavailable:
            log.exception("inbox_acknowledge_failed", events=len(records))  # their keys stop the repetition

    def count(self, record: Record, outcome: str) -> None:
        self._metrics.events.labels(record.event.adapter, record.event.type, outcome).inc()
