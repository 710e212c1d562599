"""Who is at work right now: how background loops wait, and how a test or a rehearsal waits until all is quiet.

A loop is busy from the instant its alarm rings until it waits again. Ringing is synchronous, so there is no moment in
which work exists and nobody counts as busy.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from bot.clock import Clock


class Activity:
    """Counts what is being worked on."""

    def __init__(self) -> None:
        self._count = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def is_idle(self) -> bool:
        return self._count == 0

    def enter(self, count: int = 1) -> None:
        """`count` more pieces of work are under way."""
        self._count += count
        if self._count:
            self._quiet.clear()

    def leave(self, count: int = 1) -> None:
        """`count` pieces of work are done with."""
        self._count -= count
        if self._count == 0:
            self._quiet.set()

    async def idle(self) -> None:
        """Return when nothing is under way."""
        while self._count:
            await self._quiet.wait()


class Alarm:
    """What one background loop waits on: a ring from anywhere or a moment on the clock, whichever comes first.

    Born rung: a loop looks once for work that an earlier process left behind before it rests for the first time.
    """

    def __init__(self, clock: Clock, activity: Activity) -> None:
        self._clock = clock
        self._activity = activity
        self._waiter: asyncio.Future[None] | None = None
        self._rung = True
        self._busy = False
        self._mark_busy()

    def ring(self) -> None:
        """Wake the loop or, if it is at work, make it look once more before it rests."""
        self._rung = True
        self._mark_busy()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, until: datetime | None = None) -> None:
        """Rest until rung or until the clock shows `until`; returns at once if rung since the last wait."""
        if not self._rung and (until is None or until > self._clock.now()):
            self._waiter = asyncio.get_running_loop().create_future()
            timer = None if until is None else self._clock.call_at(until, self.ring)
            self.rest()
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
                self._mark_busy()
        self._rung = False

    def rest(self) -> None:
        """Count as idle; a loop that ends calls this, so that nobody waits for it."""
        if self._busy:
            self._busy = False
            self._activity.leave()

    def _mark_busy(self) -> None:
        if not self._busy:
            self._busy = True
            self._activity.enter()
