"""A background loop that does what is due: begun, rung, and ended in one way wherever the house has one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from bot.activity import Activity, Alarm
from bot.clock import Clock

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[datetime | None]]


class Loop:
    """Calls `work` at the start, at every ring, and at the moment that the last call returned (None: only at a ring).

    A call that raises is logged and made again `after_failure` later: what is due stands in rows and is not lost.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        clock: Clock,
        activity: Activity,
        *,
        after_failure: timedelta = timedelta(minutes=1),
    ) -> None:
        self._name = name
        self._work = work
        self._clock = clock
        self._activity = activity
        self._after_failure = after_failure
        self._alarm: Alarm | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the first call is for what fell due while nothing ran."""
        self._alarm = Alarm(self._clock, self._activity)
        self._task = asyncio.create_task(self._run(self._alarm), name=self._name)

    async def stop(self) -> None:
        """End; what is due stays in its rows. May be called without a start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            self._alarm = None  # a ring from now on must not count as work under way

    def ring(self) -> None:
        """There may be something to do; does nothing while the loop does not run."""
        if self._alarm is not None:
            self._alarm.ring()

    async def _run(self, alarm: Alarm) -> None:
        until: datetime | None = None
        try:
            while True:
                await alarm.wait(until)
                try:
                    until = await self._work()
                except Exception:
                    log.exception("loop_failed", loop=self._name)
                    until = self._clock.now() + self._after_failure
        finally:
            alarm.rest()
