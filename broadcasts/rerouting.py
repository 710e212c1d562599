"""Whoever cannot be reached where a message was sent gets it at their next address.

There are two causes. A platform is down: the outbox tells when it goes down, and again after every probe that failed;
what was in its queue by then is moved. Or a platform works and refuses one address, or the outbox has tried it long
enough: the delivery is dead, and is moved as soon as that is on record. The rows say what is to be done, so a crash in
between loses nothing.

What is moved is given up there and queued at the best address that each member has on a platform that works and has
not refused this message, in one transaction. Members of a room are moved as persons; those among them who have no other
address get it by pair talk once the platform is back, so that the room's message, which is given up, comes back for
nobody. Whoever has only the one address waits while it is down. For whom every chat has refused a notice, it goes by
e-mail, if the house sends any; a platform that is down is waited for (who must not wait has a ladder of escalation).

A platform may have what it never answered for. It is given up all the same, lest it arrive later and say nothing; the
copy at the other address says that it may be the second one. A refusal is certain, and needs no such word.

Notices, their reminders and corrections are moved, and what else the house says to people by itself, such as the
invitation to a survey; not answers, which belong where somebody has spoken.

What is newer than the last failure waits for the next probe: the platform may be back. That, and rows that are taken
under a lock and given up once, make it safe that several processes do this at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from bot.tables import deliveries, messages
from broadcasts import detours, word_detours
from broadcasts.fanout import add_message
from broadcasts.refusals import Refusals
from broadcasts.wording import Wording

log = structlog.get_logger(__name__)

AT_ONCE = 500
"""Deliveries that are moved in one transaction, so that nobody waits long for the database."""
AFTER_FAILURE = timedelta(seconds=5)
LATELY = timedelta(days=3)
"""How long after a refusal a message is still moved: a long weekend without a process, or until an address is known."""

_NEW_MESSAGE = insert(messages)


@dataclass(frozen=True, slots=True)
class _Trip:
    """What leaves one platform: `targets` are the chats that take it, `mail` sends e-mail where there is no chat.

    Those of them that are `down` come last, after e-mail: what waits there asks whether the platform is back.
    """

    away: str
    targets: Sequence[str]
    down: Sequence[str] = ()
    mail: str = ""
    failed_at: datetime | None = None
    since: datetime | None = None

    @property
    def is_refusal(self) -> bool:
        return self.since is not None

    @property
    def wanted(self) -> Mapping[str, Any]:
        """As the parameters of the statements that find what is to be moved."""
        cause = {"since": self.since} if self.is_refusal else {"failed_at": self.failed_at}
        return {"from": self.away, "targets": list(self.targets), "mail": self.mail, **cause}

    def leaving(self, alike: Sequence[Row[Any]]) -> dict[str, Any]:
        """As the parameters of the statements that say where these deliveries go."""
        ids = [row.id for row in alike]
        return {"ids": ids, "from": self.away, "targets": list(self.targets), "down": list(self.down)}


class Rerouting:
    """A background loop that rests as long as every platform works and refuses nobody."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        activity: Activity,
        wording: Wording,
        *,
        mail: Adapter | None = None,
        on_room_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._adapters = dict(adapters)
        self._mail = mail
        self._clock = clock
        self._wording = wording
        self._refusals = Refusals(outbox, list(self._adapters), clock, wording)
        self._on_room_refused = on_room_refused
        self._loop = Loop("rerouting", self._work, clock, activity, after_failure=AFTER_FAILURE)
        outbox.on_circuit(self._told)
        outbox.on_given_up(self._told)

    async def start(self) -> None:
        """Begin to listen for platforms that go down and for refusals; first of all, see to what was refused before."""
        await self._loop.start()

    async def stop(self) -> None:
        """End; what waits for a platform goes on waiting."""
        await self._loop.stop()

    def look_again(self) -> None:
        """Somebody may have another address by now, or another process may have left a refusal behind."""
        self._loop.ring()

    def _told(self, adapter: str, standing: Standing | None = None) -> None:
        # Also when one is back: those who had nowhere else to go while it was down, too, can be moved there now.
        self._loop.ring()

    async def _work(self) -> None:
        standings = self._outbox.standings
        working = sorted(name for name in self._adapters if name not in standings or not standings[name].is_down)
        for name, standing in sorted(standings.items()):
            if name in self._adapters and standing.is_down and standing.failed_at is not None and working:
                stuck = _Trip(name, working, failed_at=standing.failed_at)
                await self._move_all(stuck, detours.STUCK_NOTICES, word_detours.STUCK_WORDS)
        mail = "" if self._mail is None or self._mail.name in self._outbox.down else self._mail.name
        since = self._clock.now() - LATELY
        for name in sorted(self._adapters):
            refused = _Trip(name, sorted(self._adapters), sorted(self._adapters.keys() - working), mail, since=since)
            await self._move_all(refused, detours.REFUSED_NOTICES, word_detours.REFUSED_WORDS)
            await self._refusals.look(self._database, name, since)

    async def _move_all(self, trip: _Trip, notices: Select[Any], words: Select[Any]) -> None:
        for found in (notices, words):
            while await self._move_some(trip, found, is_notice=found is notices):
                pass

    async def _move_some(self, trip: _Trip, found: Select[Any], *, is_notice: bool) -> bool:
        """Move up to `AT_ONCE` deliveries away from a platform; whether there may be more."""
        async with self._database.snapshot() as db:
            if (await db.execute(found, {**trip.wanted, "limit": 1})).first() is None:
                return False
        locked = found.with_for_update(of=deliveries, skip_locked=True)
        async with self._database.transaction() as db:
            rows = (await db.execute(locked, {**trip.wanted, "limit": AT_ONCE})).all()
            if not rows:
                return False
            now = self._clock.now()
            await db.execute(detours.GIVE_UP, {"ids": [row.id for row in rows], "now": now})
            order = attrgetter("message_id", "uncertain")
            for _, group in groupby(sorted(rows, key=order), order):
                await (self._move if is_notice else self._move_words)(db, list(group), trip, now)
            self._outbox.ring_after_commit(db)
        return len(rows) == AT_ONCE

    async def _move_words(self, db: AsyncConnection, alike: Sequence[Row[Any]], trip: _Trip, now: datetime) -> None:
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
        where = {**trip.leaving(alike), "message_id": message_id, "now": now}
        await db.execute(word_detours.SEND_WORDS_THERE[db.dialect.name], where)
        if trip.is_refusal:
            await self._conclude(db, alike, trip, now)
        log.warning("rerouting.words_moved", adapter=trip.away, messages=len(alike), refused=trip.is_refusal)

    async def _move(self, db: AsyncConnection, alike: Sequence[Row[Any]], trip: _Trip, now: datetime) -> None:
        """Queue one message of one notice anew for all whom these deliveries would have reached."""
        first = alike[0]
        where = {**trip.leaving(alike), "mail": trip.mail}
        people: dict[str, int] = {row.adapter: row.members for row in await db.execute(detours.HOW_MANY, where)}
        original = Message.model_validate_json(first.body)
        for target in sorted(people):
            message = self._shaped(original, first, target)
            message_id = await add_message(db, first.broadcast_id, first.purpose, message, now, first.number)
            copy = {"to": target, "message_id": message_id, "topic": first.topic, "priority": first.priority}
            await db.execute(detours.SEND_THERE[db.dialect.name], {**where, **copy, "now": now})
        if first.purpose == "notice":
            await db.execute(detours.NOTE_ROUTES, where)
        if trip.is_refusal:
            await self._conclude(db, alike, trip, now)
            await self._refusals.warn(db, first, trip.away)
        details = {
            "from": trip.away,
            "because": "refused" if trip.is_refusal else "down",
            "to": people,
            "message": first.topic,
            "may_have_arrived": bool(first.uncertain),
        }
        await audit.append(
            db,
            self._clock,
            actor="kairanban",
            action="broadcast.moved",
            subject=f"broadcast:{first.broadcast_id}",
            details=details,
        )
        log.warning(
            "rerouting.moved", broadcast=first.broadcast_id, **{k: details[k] for k in ("from", "because", "to")}
        )

    def _shaped(self, original: Message, first: Row[Any], target: str) -> Message:
        if self._mail is not None and target == self._mail.name:
            return self._wording.by_mail(original, first.broadcast_id, self._mail, uncertain=first.uncertain)
        return self._wording.elsewhere(original, first.broadcast_id, self._adapters[target], uncertain=first.uncertain)

    async def _conclude(self, db: AsyncConnection, alike: Sequence[Row[Any]], trip: _Trip, now: datetime) -> None:
        if await self._refusals.conclude(db, alike, trip.away, trip.targets, now):
            self._database.after_commit(db, self._on_room_refused)
