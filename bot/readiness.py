"""Whether the bot can do its work, part by part, with the reason why not: for `/readyz` and for the administrators.

A platform that is down is no reason to be not ready: it must not take the others' webhooks with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select

from bot.activity import Activity
from bot.alarms import Alarms
from bot.clock import Clock, JumpWatch, to_tokyo
from bot.loop import Loop
from bot.outbox import Outbox
from bot.storage import Database
from bot.tables import deliveries

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""Why a part is not ready; None while it is."""

PATIENCE = 10.0
"""Seconds of the machine for one check."""
LOOK_EVERY = timedelta(seconds=30)
MUTE = timedelta(minutes=5)
"""How long something may be due on a platform that works before its sender counts as mute."""
SETTLED = timedelta(minutes=10)
"""How long ago a delivery was given up when it counts as such: until then it may be sent elsewhere."""


async def found(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """Every check's answer, by its name."""
    return dict(zip(checks, await asyncio.gather(*(_answer(check) for check in checks.values())), strict=True))


async def _answer(check: Check) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check()
    except TimeoutError:
        return f"no answer within {PATIENCE:.0f} seconds"
    except Exception as error:
        log.warning("readiness_check_failed", error=repr(error)[:300])
        return type(error).__name__


async def mute_sender(database: Database, outbox: Outbox, clock: Clock) -> str | None:
    """Which platform that works is sent nothing although something is due; reads one row of an index a platform."""
    now = clock.now()
    for name, standing in outbox.standings.items():
        last = outbox.called_at(name)
        if standing.since is not None or (last is not None and now - MUTE < last <= now):
            continue
        async with database.snapshot() as db:
            due = await db.scalar(
                select(func.min(deliveries.c.due_at)).where(
                    deliveries.c.adapter == name, deliveries.c.state == "queued", deliveries.c.due_at < now - MUTE
                )
            )
        if due is not None:
            return f"{name}: nothing goes out although something is due since {to_tokyo(due):%Y-%m-%d %H:%M}"
    return None


class Watch:
    """Looks every half minute and raises an alarm for each part that is not ready; for a house on the real clock."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        alarms: Alarms,
        database: Database,
        clock: Clock,
        activity: Activity,
        every: timedelta = LOOK_EVERY,
    ) -> None:
        self._checks = checks
        self._alarms = alarms
        self._database = database
        self._clock = clock
        self._every = every
        self._seen_dead = clock.now()
        self._jumps = JumpWatch(clock)
        self._loop = Loop("watch", self._look, clock, activity, after_failure=every)

    async def start(self) -> None:
        """Begin."""
        await self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop()

    def ring(self) -> None:
        """Look now."""
        self._loop.ring()

    async def _look(self) -> datetime:
        if (by := self._jumps.look()) is not None:
            self._seen_dead += by
            self._tell_jump(by)
        answers = await found(self._checks)
        for name, reason in answers.items():
            if reason is None:
                self._alarms.note_end(f"{name}_not_ready")
            else:
                self._alarms.note(f"{name}_not_ready", reason=reason)
        if answers.get("database") is None:
            await self._look_for_dead()
        return self._clock.now() + self._every

    def _tell_jump(self, by: timedelta) -> None:
        now = self._clock.now()
        self._alarms.note(
            "clock_was_set",
            subject=f"{to_tokyo(now):%Y-%m-%d %H:%M:%S}",
            before=f"{to_tokyo(now - by):%Y-%m-%d %H:%M}",
            after=f"{to_tokyo(now):%Y-%m-%d %H:%M}",
        )

    async def _look_for_dead(self) -> None:
        """Tell, once a day and platform, that deliveries were given up which nobody has sent elsewhere."""
        now = self._clock.now()
        until = now - SETTLED
        async with self._database.snapshot() as db:
            rows = await db.execute(
                select(deliveries.c.adapter, func.count())
                .where(
                    deliveries.c.state == "dead",
                    deliveries.c.finished_at > self._seen_dead - SETTLED,
                    deliveries.c.finished_at <= until,
                )
                .group_by(deliveries.c.adapter)
            )
            counts = rows.all()
        self._seen_dead = now
        for adapter, count in counts:
            day = f"{to_tokyo(now):%Y-%m-%d}"
            self._alarms.note("deliveries_given_up", subject=f"{adapter} {day}", platform=adapter, count=count)
