"""A background loop that does what is due: begun, rung, and ended in one way wherever the house has one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from bot.activity import Activity, Alarm
from bot.clock import Clock
from bot.database_faults import fault_in
from bot.saying_once import Failures

SOON = timedelta(seconds=10)
"""After a database's fault, which is nobody's own: what is due goes on as soon as it can be written down."""

Work = Callable[[], Awaitable[datetime | None]]


class Loop:
    """Calls `work` at the start, at every ring, and at the moment that the last call returned (None: only at a ring).

    A call that raises is made again `after_failure` later, or after `database_pause` where the database was to blame:
    what is due stands in rows and is not lost. It is logged when that begins and when it is over.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        clock: Clock,
        activity: Activity,
        *,
        after_failure: timedelta = timedelta(minutes=1),
        database_pause: timedelta = SOON,
    ) -> None:
        self._name = name
        self._work = work
        self._clock = clock
        self._activity = activity
        self._after_failure = after_failure
        self._database_pause = min(database_pause, after_failure)
        self._failures = Failures("loop_failed", loop=name)
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
                except Exception as error:
                    self._failures.failed(error)
                    pause = self._after_failure if fault_in(error) is None else self._database_pause
                    until = self._clock.now() + pause
                else:
                    self._failures.worked()
        finally:
            alarm.rest()
