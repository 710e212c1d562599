"""When a platform is down: whoever waits for something there gets it at their next address.

The outbox tells when a platform goes down, and again after every probe that failed. What was in its queue by then is
given up there and queued at the best address that each member has on a platform that works, in one transaction. Members
of a room are moved as persons; those among them who have no other address get it by pair talk once the platform is
back, so that the room's message, which is given up, comes back for nobody. Whoever has only the one address waits.

A platform may have what it never answered for. It is given up all the same, lest it arrive later and say nothing; the
copy at the other address says that it may be the second one.

Notices, their reminders and corrections are moved, and what else the house says to people by itself, such as the
invitation to a survey; not answers, which belong where somebody has spoken.

What is newer than the last failure waits for the next probe: the platform may be back. That, and rows that are taken
under a lock and given up once, make it safe that several processes do this at the same time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

import structlog
from sqlalchemy import Row, Select, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.activity import Activity
from bot.adapter import Adapter
from bot.clock import Clock
from bot.loop import Loop
from bot.messages import Message
from bot.outbox import Outbox, Standing
from bot.storage import Database
from bot.tables import messages
from broadcasts import detours
from broadcasts.fanout import add_message
from broadcasts.wording import Wording

log = structlog.get_logger(__name__)

AT_ONCE = 500
"""Deliveries that are moved in one transaction, so that nobody waits long for the database."""
AFTER_FAILURE = timedelta(seconds=5)

_Move = Callable[[AsyncConnection, Sequence[Row[Any]], str, Sequence[str], datetime], Awaitable[None]]
_NEW_MESSAGE = insert(messages)


class Rerouting:
    """A background loop that rests as long as every platform works."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        activity: Activity,
        wording: Wording,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._adapters = dict(adapters)
        self._clock = clock
        self._wording = wording
        self._loop = Loop("rerouting", self._work, clock, activity, after_failure=AFTER_FAILURE)
        if len(self._adapters) > 1:
            outbox.on_circuit(self._told)

    async def start(self) -> None:
        """Begin to listen for platforms that go down."""
        await self._loop.start()

    async def stop(self) -> None:
        """End; what waits for a platform goes on waiting."""
        await self._loop.stop()

    def _told(self, adapter: str, standing: Standing) -> None:
        # Also when one is back: those who had nowhere else to go while it was down, too, can be moved there now.
        self._loop.ring()

    async def _work(self) -> None:
        standings = {name: each for name, each in self._outbox.standings.items() if name in self._adapters}
        working = sorted(name for name, standing in standings.items() if not standing.is_down)
        for name, standing in sorted(standings.items()):
            if standing.is_down and standing.failed_at is not None and working:
                for stuck, locked, move in (
                    (detours.STUCK, detours.STUCK_LOCKED, self._move),
                    (detours.STUCK_WORDS, detours.STUCK_WORDS_LOCKED, self._move_words),
                ):
                    wanted = {"from": name, "failed_at": standing.failed_at, "targets": working, "limit": AT_ONCE}
                    while await self._move_some(stuck, locked, move, wanted):
                        pass

    async def _move_some(self, stuck: Select[Any], locked: Select[Any], move: _Move, wanted: Mapping[str, Any]) -> bool:
        """Move up to `AT_ONCE` deliveries away from a platform; whether there may be more."""
        async with self._database.snapshot() as db:
            if (await db.execute(stuck, {**wanted, "limit": 1})).first() is None:
                return False
        async with self._database.transaction() as db:
            rows = (await db.execute(locked, wanted)).all()
            if not rows:
                return False
            now = self._clock.now()
            await db.execute(detours.GIVE_UP, {"ids": [row.id for row in rows], "now": now})
            order = attrgetter("message_id", "uncertain")
            for _, group in groupby(sorted(rows, key=order), order):
                await move(db, list(group), wanted["from"], wanted["targets"], now)
            self._outbox.ring_after_commit(db)
        return len(rows) == AT_ONCE

    async def _move_words(
        self, db: AsyncConnection, alike: Sequence[Row[Any]], adapter: str, working: Sequence[str], now: datetime
    ) -> None:
        """Queue anew what is no notice; a platform shows it as it is, files by their names."""
        first = alike[0]
        message_id = first.message_id
        said = Message.model_validate_json(first.body)
        if first.uncertain or said.attachments:
            message = self._wording.in_words(said) if said.attachments else said
            if first.uncertain:
                message = message.model_copy(update={"text": self._wording.perhaps_twice(message.text)})
            stored = await db.execute(_NEW_MESSAGE, {"body": message.model_dump_json(), "created_at": now})
            assert stored.inserted_primary_key is not None
            message_id = stored.inserted_primary_key[0]
        where = {"ids": [row.id for row in alike], "targets": list(working), "message_id": message_id, "now": now}
        await db.execute(detours.SEND_WORDS_THERE[db.dialect.name], where)
        log.warning("rerouting.words_moved", adapter=adapter, messages=len(alike))

    async def _move(
        self, db: AsyncConnection, alike: Sequence[Row[Any]], adapter: str, working: Sequence[str], now: datetime
    ) -> None:
        """Queue one message of one notice anew for all whom these deliveries would have reached."""
        first = alike[0]
        where = {"ids": [row.id for row in alike], "from": adapter, "targets": list(working)}
        people: dict[str, int] = {row.adapter: row.members for row in await db.execute(detours.HOW_MANY, where)}
        original = Message.model_validate_json(first.body)
        for target in sorted(people):
            message = self._wording.elsewhere(
                original, first.broadcast_id, self._adapters[target], uncertain=first.uncertain
            )
            message_id = await add_message(db, first.broadcast_id, first.purpose, message, now, first.number)
            copy = {"to": target, "message_id": message_id, "topic": first.topic, "priority": first.priority}
            await db.execute(detours.SEND_THERE[db.dialect.name], {**where, **copy, "now": now})
        if first.purpose == "notice":
            await db.execute(detours.NOTE_ROUTES, where)
        details = {"from": adapter, "to": people, "message": first.topic, "may_have_arrived": bool(first.uncertain)}
        await audit.append(
            db,
            self._clock,
            actor="kairanban",
            action="broadcast.moved",
            subject=f"broadcast:{first.broadcast_id}",
            details=details,
        )
        log.warning("rerouting.moved", broadcast=first.broadcast_id, adapter=adapter, to=people)
