"""What LINE lets a bot send in a month, and how much of it is kept for emergencies.

LINE counts a message for every person it goes to; answers by reply token are free. The count lies at LINE and is read
again every few minutes; in between, what goes out here is added to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from bot.clock import TOKYO, Clock

REFRESH = timedelta(minutes=10)
"""How long a count is believed; other programs may send through the same account."""
AFTER_TROUBLE = timedelta(minutes=1)
"""When to ask again after LINE did not tell."""

Reading = tuple[int | None, int]
"""The limit of this month, None for no limit, and what has been sent."""


class Quota:
    """`read` asks LINE, and gives None if it does not tell; `reserve` is the share kept for emergencies, in percent."""

    def __init__(self, read: Callable[[], Awaitable[Reading | None]], clock: Clock, *, reserve: int) -> None:
        self._read = read
        self._clock = clock
        self._reserve = reserve
        self._limit: int | None = None
        self._used = 0
        self._month = (0, 0)
        self._read_again: datetime | None = None
        self._reading = asyncio.Lock()

    async def take(self, messages: int, urgent: bool) -> int:
        """How many of these messages may go out this month, counted as sent; all if LINE does not tell its limit."""
        async with self._reading:  # one asks, the others wait for what it hears
            await self._refresh()
        if self._limit is not None:
            messages = max(0, min(messages, self._limit - self._kept(urgent) - self._used))
        self._used += messages
        return messages

    def give_back(self, messages: int) -> None:
        """Note that so many were not sent after all."""
        self._used -= messages

    def exhausted(self) -> None:
        """Note that LINE says there is nothing left."""
        if self._limit is not None:
            self._used = max(self._used, self._limit)

    def reason(self, urgent: bool) -> str:
        """Why no more may go out, for those who look at what was not sent."""
        if urgent or not self._kept(urgent):
            return f"LINE's messages of this month are used up: {self._used} of {self._limit}."
        return (
            f"LINE's messages of this month are used up but for the reserve: {self._used} of {self._limit} are sent, "
            f"{self._kept(urgent)} are kept for emergencies (reserve_percent)."
        )

    def _kept(self, urgent: bool) -> int:
        return 0 if urgent or self._limit is None else -(-self._limit * self._reserve // 100)

    async def _refresh(self) -> None:
        now = self._clock.now()
        today = now.astimezone(TOKYO)
        month = (today.year, today.month)
        if month == self._month and self._read_again is not None and now < self._read_again:
            return
        reading = await self._read()
        self._read_again = now + (AFTER_TROUBLE if reading is None else REFRESH)
        if month != self._month:
            self._month, self._used = month, 0
        if reading is not None:
            self._limit, used = reading
            self._used = max(self._used, used)  # LINE counts late; what was sent here is sent
