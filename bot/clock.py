"""Time comes from here and from nowhere else.

`SystemClock` follows the machine; `ManualClock` stands still until it is told to move, which is how a trial of six
months runs in seconds and how tests wait without sleeping. Every datetime is timezone-aware and in UTC; people are
shown Asia/Tokyo (`to_tokyo`).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

TOKYO = ZoneInfo("Asia/Tokyo")


JUMP = timedelta(seconds=5)
"""A difference between the wall's time and the time that passed which is no drift: somebody set the clock."""


class JumpWatch:
    """Notices that somebody set the clock, by the time that passed meanwhile."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = clock.now(), clock.monotonic()

    def look(self) -> timedelta | None:
        """By how much the clock was set since the last look, negative if back; None if it was not."""
        now, ticks = self._clock.now(), self._clock.monotonic()
        by = now - self._seen[0] - timedelta(seconds=ticks - self._seen[1])
        self._seen = now, ticks
        return by if abs(by) >= JUMP else None


def to_tokyo(moment: datetime) -> datetime:
    """`moment` as people in Japan read it off the wall."""
    return moment.astimezone(TOKYO)


class Timer(Protocol):
    """A call that is due later and can be called off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """What the house asks of time."""

    def now(self) -> datetime:
        """The present, timezone-aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some moment; goes on evenly, also when somebody sets the machine's clock."""

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Call `callback` once the time from now until `when` has passed (soon, if it has already)."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        delay = (when - self.now()).total_seconds()
        return asyncio.get_running_loop().call_later(max(0.0, delay), callback)


class ManualClock:
    """A clock that moves only when told to; what is due is called in the order of its moments."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("A clock needs a timezone-aware start, such as datetime(2023, 7, 1, tzinfo=TOKYO).")
        self._now = self._origin = start.astimezone(UTC)
        self._timers: list[tuple[datetime, int, _ManualTimer]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._origin).total_seconds()

    def jump(self, by: timedelta) -> None:
        """Set the clock forward or, with a negative `by`, back, as NTP does: no time passes, and waits stay as long."""
        self._now += by
        self._origin += by
        self._timers = [(due + by, order, timer) for due, order, timer in self._timers]

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (max(when.astimezone(UTC), self._now), next(self._order), timer))
        return timer

    def next_due(self) -> datetime | None:
        """The earliest moment that somebody waits for, or None."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def advance_to(self, when: datetime) -> None:
        """Move to `when` and make every call that is due by then, each at its own moment; never moves backwards."""
        target = max(self._now, when.astimezone(UTC))
        while self._timers and self._timers[0][0] <= target:
            due, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            if timer.callback is not None:
                timer.callback()
        self._now = target

    def advance(self, duration: timedelta) -> None:
        """Move forward by `duration`."""
        self.advance_to(self._now + duration)


class _ManualTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None
