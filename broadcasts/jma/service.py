"""Telegrams in, drafts out: stores every telegram with its decision, holds drafts, shows the ready ones to an officer.

Nothing is sent from here. When a hold is over, `on_ready(draft)` is called, again after every amendment, and once more
with the state `withdrawn` if the draft has been taken back since; an officer takes a ready draft with `release` and
makes a broadcast of it. Only when that has gone out have people been told, and until then the agency's own 取消 and
訂正 stop it.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.activity import Activity
from bot.clock import Clock
from bot.loop import Loop
from bot.storage import Database
from bot.texts import Texts
from broadcasts.jma import drafts
from broadcasts.jma.decide import Decision, decide
from broadcasts.jma.drafts import OPEN, Draft, State
from broadcasts.jma.memory import Memory
from broadcasts.jma.reading import read
from broadcasts.jma.settings import JmaSettings
from broadcasts.jma.tables import telegrams
from broadcasts.jma.telegram import Reason, Status, Telegram
from broadcasts.jma.tree import SIZE_LIMIT
from broadcasts.jma.wording import CATALOGUE, describe

log = structlog.get_logger(__name__)

RETRY = timedelta(minutes=1)
"""How long to wait after a failure to show a draft before it is shown again."""

OnReady = Callable[[Draft], Awaitable[None]]
OnStopped = Callable[[AsyncConnection, int], Awaitable[object]]
"""Called with the number of an unsent notice that is out of date, in the transaction that makes it so."""


class Jma:
    """The weather agency's desk."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        activity: Activity,
        settings: JmaSettings,
        *,
        on_ready: OnReady,
        on_stopped: OnStopped | None = None,
        texts: Texts | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._on_ready = on_ready
        self._on_stopped = on_stopped
        self._texts = texts or Texts(CATALOGUE)
        self._loop = Loop("jma-holds", self.ripen, clock, activity, after_failure=RETRY)

    async def receive(self, data: bytes, source: str = "") -> Decision:
        """Decide on a telegram, store it with the decision, and change drafts accordingly, all in one transaction.

        `source` says where it came from, such as the file's name. Whatever the bytes are, they are kept; none raises.
        """
        # A telegram at the size limit takes a second to parse, in which nobody's reply should wait.
        telegram = await asyncio.to_thread(read, data)
        # What is no event (tests, what cannot be read) leaves its record and nothing else.
        key = drafts.key_of(telegram) if isinstance(telegram, Telegram) and telegram.status is not Status.TEST else None
        now = self._clock.now()
        async with self._database.transaction() as db:
            seen = Memory() if key is None else await drafts.settle(db, key, await drafts.remembered(db, key, now), now)
            decision = decide(telegram, self._settings, seen)
            record = {
                "digest": telegram.digest,
                "raw": zlib.compress(data) if len(data) <= SIZE_LIMIT else None,
                # A file's name may hold bytes that are no text; both databases refuse those.
                "source": source.encode(errors="replace").decode(),
                "received_at": now,
                "event": key,
                "kind": telegram.kind,
                "action": decision.action,
                "decision": json.dumps(self.describe(decision), ensure_ascii=False),
            }
            if not await drafts.insert_new(db, telegrams, record):
                return decision if key is None else Decision("ignore", telegram, Reason("repeated"), seen)
            if key is not None and decision.memory != seen:
                await drafts.remember(db, key, decision.memory, now)
            await self._stop_notices(db, await drafts.apply(db, decision, self._texts, now, self._settings.hold))
            self._database.after_commit(db, self._loop.ring)
        said = {"source": record["source"], "action": decision.action, "reason": decision.reason.key}
        if decision.action == "unreadable":
            log.warning("jma.unreadable", digest=telegram.digest, **said)
        else:
            log.info("jma.received", digest=telegram.digest, **said)
        return decision

    def describe(self, decision: Decision) -> dict[str, Any]:
        """The decision as `kairanban jma draft --json` prints it."""
        return describe(decision, self._texts)

    async def drafts(self, states: Collection[State] = OPEN) -> Sequence[Draft]:
        """Drafts in these states, newest first."""
        async with self._database.snapshot() as db:
            return await drafts.listed(db, states)

    async def unreadable(self, limit: int = 100) -> list[dict[str, Any]]:
        """What could not be read, newest first: id, source, received_at, and why."""
        columns = (telegrams.c.id, telegrams.c.source, telegrams.c.received_at, telegrams.c.decision)
        query = select(*columns).where(telegrams.c.action == "unreadable").order_by(telegrams.c.id.desc()).limit(limit)
        async with self._database.snapshot() as db:
            return [
                {
                    "id": row.id,
                    "source": row.source,
                    "received_at": row.received_at,
                    "reason": json.loads(row.decision)["reason"],
                }
                for row in await db.execute(query)
            ]

    async def release(self, db: AsyncConnection, draft_id: int) -> Draft:
        """Take a ready draft, once, in the transaction that makes a broadcast draft of it.

        Raises Refused with the key `refused.held`, `refused.withdrawn`, `refused.released` or `refused.missing`.
        """
        return await drafts.release(db, draft_id, self._clock.now())

    async def notice_of(self, db: AsyncConnection, draft_id: int) -> int | None:
        """The number of the notice that was made of a draft."""
        return await drafts.notice_of(db, draft_id)

    async def made(self, db: AsyncConnection, draft: Draft, broadcast_id: int) -> None:
        """Note which notice was made of a draft, in the transaction that released it."""
        await self._stop_notices(db, await drafts.made(db, draft, broadcast_id, self._clock.now()))

    async def _stop_notices(self, db: AsyncConnection, numbers: Collection[int]) -> None:
        if self._on_stopped is not None:
            for number in numbers:
                await self._on_stopped(db, number)

    async def check(self, db: AsyncConnection, broadcast_id: int) -> None:
        """Before a notice is sent: raises Refused if the agency has taken back or corrected what it was made of."""
        await drafts.check(db, broadcast_id, self._clock.now())

    async def sent(self, db: AsyncConnection, broadcast_id: int, *_: object) -> None:
        """When a notice is sent: only now have people been told of the event."""
        await drafts.sent(db, broadcast_id, self._clock.now())

    async def dismiss(self, db: AsyncConnection, draft_id: int) -> Draft:
        """Put a ready draft aside, once; the event goes on, and what comes next may make another. Raises Refused."""
        return await drafts.dismiss(db, draft_id, self._clock.now())

    async def ripen(self) -> datetime | None:
        """Make ready what has been held long enough and show it; returns when there is something to do again.

        A draft is shown at least once: if the process dies in `on_ready`, the next one shows it again.
        """
        now = self._clock.now()
        async with self._database.transaction() as db:
            await drafts.ripen(db, now)
        async with self._database.snapshot() as db:
            unannounced = await drafts.unannounced(db)
            due = await drafts.next_due(db)
        for draft in unannounced:
            try:
                await self._on_ready(draft)
            except Exception:
                log.exception("jma.on_ready_failed", draft=draft.id)
                due = min(due or now + RETRY, now + RETRY)
                continue
            async with self._database.transaction() as db:
                await drafts.announced(db, draft)
        return due

    async def start(self) -> None:
        """Watch over the holds until `stop`."""
        await self._loop.start()

    async def stop(self) -> None:
        """End the watch; what is held stays held and is looked at again at the next start."""
        await self._loop.stop()
