"""What LINE lets a bot send in a month, and how much of it is kept for emergencies.

LINE counts a message for every person it goes to; answers by reply token are free. The count lies at LINE: other
programs send through the same account, and people who have blocked it are not counted. It is read again when it is
old, when what is wanted does not fit into it, and when LINE refuses; in between, what goes out here is added to it.

LINE's count comes a little late. So what was sent in the last minute still stands in the way of notices, which leave a
reserve; an emergency takes LINE at its word, for a call that is too large after all is refused and costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.clock import TOKYO, Clock

REFRESH = timedelta(minutes=10)
"""How long a count is believed while nothing is sent; other programs may send through the same account."""
AFTER_SENDING = timedelta(minutes=1)
"""The same once something was sent; and how long LINE takes to count it, generously."""
AFTER_TROUBLE = timedelta(minutes=1)
"""When to ask again after LINE did not tell."""
BETWEEN = timedelta(seconds=1)
"""Time between two readings for something that does not fit, unless something was sent meanwhile."""

Reading = tuple[int | None, int]
"""The limit of this month, None for no limit, and what has been sent."""


@dataclass(frozen=True, slots=True)
class Grant:
    """How many messages may go out, counted as sent from now on; `reading` is the one that this was decided by."""

    messages: int
    reading: int


class Quota:
    """`read` asks LINE, and gives None if it does not tell; `reserve` is the share kept for emergencies, in percent."""

    def __init__(self, read: Callable[[], Awaitable[Reading | None]], clock: Clock, *, reserve: int) -> None:
        self._read = read
        self._clock = clock
        self._reserve = reserve
        self._limit: int | None = None
        self._used = 0
        """What LINE has counted, and what went out since."""
        self._sent = 0
        """The same, with what LINE may not have counted yet."""
        self._month = (0, 0)
        self._number = 0
        self._read_at: datetime | None = None
        self._read_again: datetime | None = None
        self._sent_at: datetime | None = None
        self._is_stale = False  # something was sent, or refused, since LINE was asked
        self._reading = asyncio.Lock()

    async def take(self, messages: int, urgent: bool) -> Grant:
        """As many of these messages as may go out this month; all if LINE does not tell its limit."""
        async with self._reading:  # one asks, the others wait for what it hears
            await self._refresh()
            if self._left(urgent, messages) < messages and self._may_be_wrong():
                await self._ask()
        granted = self._left(urgent, messages)
        self._used += granted
        self._sent += granted
        if granted:
            now = self._clock.now()
            self._sent_at, self._is_stale = now, True
            if self._read_again is not None:
                self._read_again = min(self._read_again, now + AFTER_SENDING)
        return Grant(granted, self._number)

    def give_back(self, grant: Grant) -> None:
        """Note that so many were not sent after all."""
        self._sent = max(0, self._sent - grant.messages)
        if grant.reading == self._number:  # LINE has been asked since, and never counted them
            self._used = max(0, self._used - grant.messages)

    async def refused(self, grant: Grant) -> None:
        """LINE says that this was too much: read at once how much is left."""
        self.give_back(grant)
        async with self._reading:
            if grant.reading == self._number or not grant.messages:
                await self._ask()

    def exhausted(self) -> None:
        """Note that LINE took nothing of what it said was left."""
        if self._limit is not None:
            self._used = max(self._used, self._limit)
            self._sent = max(self._sent, self._limit)

    @property
    def figures(self) -> dict[str, object]:
        """What was used of how much, for those who have to raise the plan."""
        return {"used": self._used, "limit": "?" if self._limit is None else self._limit}

    def reason(self, urgent: bool) -> str:
        """Why no more may go out, for those who look at what was not sent."""
        used = self._used if urgent else max(self._used, self._sent)
        if urgent or not self._kept(urgent):
            return f"LINE's messages of this month are used up: {used} of {self._limit}."
        return (
            f"LINE's messages of this month are used up but for the reserve: {used} of {self._limit} are sent, "
            f"{self._kept(urgent)} are kept for emergencies (reserve_percent)."
        )

    def _kept(self, urgent: bool) -> int:
        return 0 if urgent or self._limit is None else -(-self._limit * self._reserve // 100)

    def _left(self, urgent: bool, wanted: int) -> int:
        if self._limit is None:
            return wanted
        used = self._used if urgent else max(self._used, self._sent)
        return max(0, min(wanted, self._limit - self._kept(urgent) - used))

    def _may_be_wrong(self) -> bool:
        """Whether LINE may say something else by now; after trouble it is left alone for a while."""
        if self._read_at is None:
            return False
        return self._is_stale or self._clock.now() - self._read_at >= BETWEEN

    async def _refresh(self) -> None:
        now = self._clock.now()
        if self._this_month(now) != self._month or self._read_again is None or now >= self._read_again:
            await self._ask()

    async def _ask(self) -> None:
        now, month = self._clock.now(), self._this_month(self._clock.now())
        reading = await self._read()
        if month != self._month:
            self._month, self._used, self._sent, self._sent_at = month, 0, 0, None
        self._read_again = now + (AFTER_TROUBLE if reading is None else REFRESH)
        self._is_stale = False
        if reading is None:
            self._read_at = None
            return
        self._read_at = now
        self._number += 1
        self._limit, self._used = reading
        settled = self._sent_at is None or now - self._sent_at >= AFTER_SENDING
        self._sent = self._used if settled else max(self._sent, self._used)

    @staticmethod
    def _this_month(now: datetime) -> tuple[int, int]:
        today = now.astimezone(TOKYO)
        return (today.year, today.month)
