"""What other processes have put into the same database: commands, or other bots. Looked for every few seconds.

A process rings its own loops the moment it commits something; of what others commit it hears nothing. So a notice that
a command queued goes out within seconds, and the reminders of a process that died are taken over by those that live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.activity import Activity
from bot.clock import Clock
from bot.loop import Loop

LOOK_EVERY = timedelta(seconds=5)


class Neighbours:
    """Rings what may have something to do; for a house on the real clock, where nobody waits for it to be quiet."""

    def __init__(
        self, rings: Sequence[Callable[[], None]], clock: Clock, activity: Activity, every: timedelta = LOOK_EVERY
    ) -> None:
        self._rings = tuple(rings)
        self._clock = clock
        self._every = every
        self._loop = Loop("neighbours", self._look, clock, activity)

    async def start(self) -> None:
        """Begin."""
        await self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop()

    async def _look(self) -> datetime:
        for ring in self._rings:
            ring()
        return self._clock.now() + self._every
