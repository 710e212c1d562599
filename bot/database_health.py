"""Whether the main database can be written, as far as this process knows: what it tried last, and when to try again.

A database that reads may still be full, read-only or locked. So the question is asked by writing one small row, and
only when there is reason to ask: after an error, for `/readyz`, and every few seconds while it is known to be ill. As
long as it is, nobody begins what could not be written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import bindparam, insert, update

from bot.clock import Clock
from bot.database_faults import fault_in
from bot.storage import Database
from bot.tables import heartbeats

log = structlog.get_logger(__name__)

PAUSE = timedelta(seconds=5)
"""Between two tries to write, by the clock."""
PATIENCE = 8.0
"""Seconds of the machine after which a write counts as hindered; longer than most transactions of others last."""
FRESH = timedelta(seconds=2)
"""How long a good answer is good enough for whoever asks again."""

Hook = Callable[[str | None], None]
"""Called with the reason when the database turns out to be ill, and with None once it can be written again.

It must return at once.
"""

_BEAT = update(heartbeats).where(heartbeats.c.name == "write").values(at=bindparam("now"))
_FIRST_BEAT = insert(heartbeats).values(name="write", at=bindparam("now"))


class DatabaseHealth:
    """Asks by writing; those who ask at the same time share an answer."""

    def __init__(self, database: Database, clock: Clock, pause: timedelta = PAUSE, patience: float = PATIENCE) -> None:
        self._database = database
        self._clock = clock
        self._pause = pause
        self._patience = patience
        self._hooks: list[Hook] = []
        self._probe_at: datetime | None = None
        self._good_at: datetime | None = None
        self._probe: asyncio.Task[str | None] | None = None
        self.reason: str | None = None
        """Why it cannot be written; None while it can."""
        self.since: datetime | None = None

    def on_change(self, hook: Hook) -> None:
        """Call `hook` whenever it becomes ill or well."""
        self._hooks.append(hook)

    def note(self, error: BaseException) -> bool:
        """Learn from an error that a write met; whether it was the database's."""
        reason = fault_in(error)
        if reason is not None:
            self._ill(reason)
        return reason is not None

    async def is_to_blame(self, error: BaseException) -> bool:
        """Whether an error is the database's and not the work's: it says so, or nothing can be written now."""
        return self.note(error) or await self.look() is not None

    async def waits(self) -> timedelta | None:
        """How long to leave the database alone before a next try; None to go on. Tries a write when that is due."""
        if self.reason is None:
            return None
        now = self._clock.now()
        if self._probe_at is not None and now < self._probe_at <= now + self._pause:
            return self._probe_at - now
        return None if await self.look() is None else self._pause

    async def look(self) -> str | None:
        """Try to write: why it cannot be done, or None."""
        if self._probe is None:
            self._probe = asyncio.create_task(self._write(), name="database probe")
            self._probe.add_done_callback(self._forget)
        return await asyncio.shield(self._probe)

    async def readiness(self) -> str | None:
        """As `look`, content with an answer that is a moment old."""
        now = self._clock.now()
        if self._good_at is not None and self._good_at <= now < self._good_at + FRESH:
            return None
        return await self.look()

    def _forget(self, _: asyncio.Task[str | None]) -> None:
        self._probe = None

    async def _write(self) -> str | None:
        now = self._clock.now()
        try:
            async with asyncio.timeout(self._patience), self._database.transaction() as db:
                if not (await db.execute(_BEAT, {"now": now})).rowcount:
                    await db.execute(_FIRST_BEAT, {"now": now})
        except TimeoutError:
            reason = f"a write has to wait for more than {self._patience:.0f} seconds"
        except Exception as error:
            reason = fault_in(error) or f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
        else:
            self._good_at = self._clock.now()
            self._well()
            return None
        self._ill(reason)
        return reason

    def _ill(self, reason: str) -> None:
        now = self._clock.now()
        self._probe_at = now + self._pause
        self._good_at = None
        before, self.reason = self.reason, reason
        if before is None:
            self.since = now
            log.error("database_cannot_be_written", reason=reason)
            for hook in self._hooks:
                hook(reason)

    def _well(self) -> None:
        if self.reason is None:
            return
        log.warning("database_can_be_written", was=self.reason, since=str(self.since))
        self.reason = self.since = self._probe_at = None
        for hook in self._hooks:
            hook(None)
