"""How fast an adapter may call its platform: even spacing, in this process alone or over all that share a database.

A burst would be within the average and still be what a platform's limiter counts against us. So a right to call is a
moment, and the next one is a distance later, also after a rest.

A platform may grant its full rate for a while only (`sustained`). Then calls go at the full rate until they are
`ALLOWANCE` ahead, and after that at two thirds of what may be sustained: no half hour has more calls than half an hour
at the sustained rate. What is urgent goes at the full rate even so.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Capabilities
from bot.clock import Clock
from bot.storage import Database
from bot.tables import paces

ALLOWANCE = timedelta(minutes=15)
"""How far calls may run ahead: half of the half hour over which a platform looks at them."""
LATE = timedelta(seconds=1)
"""How long a right out of the shared account is good for; used later, it would make a burst."""
SANE = timedelta(hours=2)
"""More than an account is ever ahead of the clock; if it is, a clock was wrong when that was written."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A platform's limits as distances between calls."""

    spacing: timedelta
    slow: timedelta = timedelta(0)
    """The distance once the allowance is used up; zero where the full rate may go on for ever."""

    @classmethod
    def of(cls, rate: float, sustained: float | None = None) -> Pace:
        """From calls a second; ValueError if that is none."""
        if rate <= 0 or (sustained is not None and sustained <= 0):
            raise ValueError("A rate is a number of calls a second above 0, or None for no limit.")
        # (half an hour + ALLOWANCE) / slow calls fit into half an hour: with this, as many as may be sustained.
        return cls(_distance(1 / rate)) if sustained is None else cls(_distance(1 / rate), _distance(1.5 / sustained))


def _distance(seconds: float) -> timedelta:
    # Rounded up: a microsecond too short, repeated, would exceed the rate.
    return timedelta(microseconds=math.ceil(seconds * 1_000_000))


@dataclass(slots=True)
class Account:
    """Where the calls stand: the next free moment, and the moment until which they have run ahead."""

    next_at: datetime
    settled_at: datetime

    def book(self, pace: Pace, now: datetime, *, urgent: bool) -> datetime:
        """The moment of one more call."""
        moment = max(now, self.next_at)
        settled = max(moment, self.settled_at)
        hurried = urgent or settled + pace.slow - moment <= ALLOWANCE
        self.next_at = moment + (pace.spacing if hurried else max(pace.spacing, pace.slow))
        self.settled_at = settled + pace.slow
        return moment


class Pacer:
    """The rights to call, for a process that has the platform to itself."""

    def __init__(self, clock: Clock, rate: float | None, sustained: float | None = None) -> None:
        self._clock = clock
        self._pace = None if rate is None else Pace.of(rate, sustained)
        now = clock.now()
        self._account = Account(now, now)

    @property
    def next_at(self) -> datetime | None:
        """The moment from which another call may go out; None for at once."""
        return self._account.next_at if self._account.next_at > self._clock.now() else None

    async def prepare(self, wanted: int, *, urgent: bool = False) -> None:
        """Get ready to give `wanted` rights: nothing to do here."""

    def take(self, *, urgent: bool = False) -> bool:
        """Take the right to make one call now, if there is one."""
        now = self._clock.now()
        if now < self._account.next_at:
            return False
        if self._pace is not None:
            self._account.book(self._pace, now, urgent=urgent)
        return True

    def pause(self, until: datetime) -> None:
        """No call before `until`: the platform asked for a rest. A shorter pause does not end a longer one."""
        self._account.next_at = max(self._account.next_at, until)

    def shift(self, by: timedelta) -> None:
        """The clock was set by `by`: what is waited for takes as long as before."""
        self._account.next_at += by
        self._account.settled_at += by


class SharedPacer:
    """The same where several processes call one platform: rights are booked in one row of their database.

    A few at a time, as many as fit into about a second, so that nobody waits long behind the others. The machines'
    clocks must agree to within a second or two.
    """

    def __init__(
        self, database: Database, name: str, clock: Clock, rate: float, sustained: float | None = None
    ) -> None:
        self._database = database
        self._name = name
        self._clock = clock
        self._pace = Pace.of(rate, sustained)
        self._handful = math.ceil(rate)
        self._rights: deque[datetime] = deque()
        self._paused_until = clock.now()

    @property
    def next_at(self) -> datetime | None:
        """The moment from which another call may go out; None for at once, or if none is booked."""
        self._drop_late()
        moment = max(self._rights[0], self._paused_until) if self._rights else self._paused_until
        return moment if moment > self._clock.now() else None

    async def prepare(self, wanted: int, *, urgent: bool = False) -> None:
        """Book rights for `wanted` calls, or for as many as fit into a second."""
        self._drop_late()
        now = self._clock.now()
        missing = min(wanted, self._handful) - len(self._rights)
        if missing <= 0 or self._paused_until > now:
            return
        async with self._database.transaction() as db:
            account = await self._locked_account(db, now)
            booked = [account.book(self._pace, now, urgent=urgent) for _ in range(missing)]
            await db.execute(
                _WRITE, {"for_name": self._name, "next_at": account.next_at, "settled_at": account.settled_at}
            )
        self._rights += booked

    async def _locked_account(self, db: AsyncConnection, now: datetime) -> Account:
        row = (await db.execute(_LOCK, {"for_name": self._name})).one_or_none()
        if row is None:
            await db.execute(_OPEN, {"name": self._name, "next_at": now, "settled_at": now})
            row = (await db.execute(_LOCK, {"for_name": self._name})).one()
        account = Account(row.next_at, row.settled_at)
        return account if max(account.next_at, account.settled_at) <= now + SANE else Account(now, now)

    def take(self, *, urgent: bool = False) -> bool:
        """Take the right to make one call now, if there is one."""
        if self.next_at is not None or not self._rights:
            return False
        self._rights.popleft()
        return True

    def pause(self, until: datetime) -> None:
        """No call of this process before `until`; the others hear it from the platform, too."""
        self._paused_until = max(self._paused_until, until)

    def shift(self, by: timedelta) -> None:
        """The clock was set by `by`: the pause takes as long as before, and rights are booked anew."""
        self._paused_until += by
        self._rights.clear()

    def _drop_late(self) -> None:
        oldest = self._clock.now() - LATE
        while self._rights and self._rights[0] < oldest:
            self._rights.popleft()


def pacer_for(database: Database, name: str, capabilities: Capabilities, clock: Clock) -> Pacer | SharedPacer:
    """The pacer of the adapter `name`; SQLite belongs to one process, and so does the platform then."""
    if database.is_sqlite or capabilities.rate is None:
        return Pacer(clock, capabilities.rate, capabilities.sustained)
    return SharedPacer(database, name, clock, capabilities.rate, capabilities.sustained)


_LOCK = select(paces.c.next_at, paces.c.settled_at).where(paces.c.name == bindparam("for_name")).with_for_update()
_OPEN = postgresql.insert(paces).on_conflict_do_nothing(index_elements=["name"])
_WRITE = (
    update(paces)
    .where(paces.c.name == bindparam("for_name"))
    .values(next_at=bindparam("next_at"), settled_at=bindparam("settled_at"))
)
