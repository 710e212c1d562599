"""What bots are told: every event is on disk until the bot has answered 2xx.

Each bot has one queue and one request at a time, so it hears everything in the order in which it happened. A request
takes up to 100 events. Anything but 2xx, and no answer within 10 s, is tried again after 1, 2, 4 … and then every
300 s; what nobody has taken for 24 hours is given up and stays in the table.

Backoff follows the service's clock. The time limit of a request follows the machine's: a network keeps no other.
"""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog

from bot.activity import Activity, Alarm
from bot.adapters.logochat_wire import EVENTS_PER_CALLBACK, SIGNATURE_HEADER, signature
from bot.clock import Clock
from trial.service.ids import micros
from trial.service.store import transaction

TIME_LIMIT = 10.0
LONGEST_WAIT = timedelta(minutes=5)
KEPT = timedelta(hours=24)

log = structlog.get_logger(__name__)


def wait_after(failures: int) -> timedelta:
    """How long to wait after this many failures in a row: doubling from 1 s to 5 minutes."""
    return min(LONGEST_WAIT, timedelta(seconds=2 ** min(failures - 1, 20)))


class Courier:
    """Carries the queued events to all bots, from `start` to `stop`."""

    def __init__(
        self, db: sqlite3.Connection, clock: Clock, activity: Activity, *, time_limit: float = TIME_LIMIT
    ) -> None:
        self._db = db
        self._clock = clock
        self._activity = activity
        self._time_limit = time_limit
        self._lines: dict[int, _Line] = {}
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin with what an earlier process left behind."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._time_limit), cookie_jar=aiohttp.DummyCookieJar()
        )
        for (bot,) in self._db.execute("SELECT id FROM bots").fetchall():
            self.ring(bot)

    async def stop(self) -> None:
        """End every request; what was not answered is sent again by the next process."""
        lines = list(self._lines.values())
        self._lines.clear()
        for line in lines:
            line.task.cancel()
        await asyncio.gather(*(line.task for line in lines), return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def ring(self, bot: int, *, at_once: bool = False) -> None:
        """There is something for this bot; `at_once` forgets the backoff (its address has changed)."""
        if self._session is None:
            return
        line = self._lines.get(bot)
        if line is None:
            self._lines[bot] = _Line(self._db, self._clock, self._activity, self._session, bot)
            return
        if at_once:
            line.retry_at = None
        line.alarm.ring()


_NO_ID = b'{"event_id":"-"'


def _with_id(row: int, event: bytes) -> bytes:
    """An event as it was stored, before it had a number, under the number of its row."""
    assert event.startswith(_NO_ID)
    return b'{"event_id":"e%d"%s' % (row, event[len(_NO_ID) :])


class _Line:
    """The queue of one bot."""

    def __init__(
        self, db: sqlite3.Connection, clock: Clock, activity: Activity, session: aiohttp.ClientSession, bot: int
    ) -> None:
        self._db = db
        self._clock = clock
        self._session = session
        self._bot = bot
        self.alarm = Alarm(clock, activity)
        self.retry_at: datetime | None = None
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        failures = 0
        try:
            while True:
                await self.alarm.wait(self.retry_at)
                # New events ring too: they wait behind those that are being tried again.
                while self.retry_at is None or self.retry_at <= self._clock.now():
                    try:
                        batch = self._next()
                        taken = bool(batch) and await self._post([_with_id(*row) for row in batch])
                        if taken:
                            self._done(batch)
                        elif batch:
                            self._give_up()
                    except sqlite3.Error as error:  # a full disk, for one: nothing is lost, it is tried again
                        log.error("callbacks_not_recorded", bot=f"b{self._bot}", error=str(error))
                        batch, taken = [()], False
                    if batch and not taken:
                        failures += 1
                        self.retry_at = self._clock.now() + wait_after(failures)
                    else:
                        self.retry_at, failures = None, 0
                    if not batch:
                        break
        finally:
            self.alarm.rest()

    def _next(self) -> list[Any]:
        return self._db.execute(
            "SELECT id, event FROM callbacks WHERE bot = ? AND given_up_at IS NULL ORDER BY id LIMIT ?",
            (self._bot, EVENTS_PER_CALLBACK),
        ).fetchall()

    async def _post(self, events: list[bytes]) -> bool:
        url, secret = self._db.execute("SELECT callback_url, secret FROM bots WHERE id = ?", (self._bot,)).fetchone()
        body = b'{"bot_id":"b%d","events":[%s]}' % (self._bot, b",".join(events))
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signature(secret, body)}
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                taken = 200 <= response.status < 300
                reason = f"it answered {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            taken, reason = False, type(error).__name__
        if not taken:
            log.info("callback_refused", bot=f"b{self._bot}", events=len(events), reason=reason)
        return taken

    def _done(self, batch: list[Any]) -> None:
        with transaction(self._db):
            self._db.execute(
                "DELETE FROM callbacks WHERE bot = ? AND id BETWEEN ? AND ? AND given_up_at IS NULL",
                (self._bot, batch[0][0], batch[-1][0]),
            )

    def _give_up(self) -> None:
        now = self._clock.now()
        with transaction(self._db):
            given_up = self._db.execute(
                "UPDATE callbacks SET given_up_at = ? WHERE bot = ? AND given_up_at IS NULL AND queued_at <= ?",
                (micros(now), self._bot, micros(now - KEPT)),
            ).rowcount
        if given_up:
            log.warning("callbacks_given_up", bot=f"b{self._bot}", events=given_up)
