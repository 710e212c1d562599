"""Plans a notice's rungs when it is sent, and climbs them when they are due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.activity import Activity
from bot.adapter import Adapter
from bot.clock import Clock
from bot.loop import Loop
from bot.messages import Attachment, Message, Priority
from bot.outbox import Outbox
from bot.storage import Database
from bot.texts import Texts
from broadcasts import fanout, receipts
from broadcasts.escalation import liaisons, silent, standing
from broadcasts.escalation.ladder import LEAVES_CHAT, Ladder, Rung, checked
from broadcasts.escalation.tables import broadcast_rungs
from broadcasts.escalation.wording import EscalationWording
from broadcasts.files import current
from broadcasts.kinds import Kind, may_leave_chat
from broadcasts.questions import Question, question_of
from broadcasts.signature import Signature
from broadcasts.tables import broadcasts
from broadcasts.telling import tell

log = structlog.get_logger(__name__)

AFTER_FAILURE = timedelta(minutes=1)

rung = broadcast_rungs.c


class Escalation:
    """The ladder of each kind; `adapters` are the chat platforms, `mail` the one that sends e-mail."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        activity: Activity,
        texts: Texts,
        ladders: Mapping[Kind, Ladder],
        *,
        mail: Adapter | None = None,
        signature: Signature | None = None,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._adapters = dict(adapters)
        self._clock = clock
        self._wording = EscalationWording(texts, signature)
        self._ladders = {kind: checked(kind, ladder) for kind, ladder in ladders.items()}
        self._mail = mail
        self._loop = Loop("escalation", self._climb_due, clock, activity, after_failure=AFTER_FAILURE)

    async def plan(self, db: AsyncConnection, broadcast_id: int, kind: Kind, goes_out: datetime) -> None:
        """Write down the rungs of a notice, in the transaction that sends it."""
        ladder: list[Rung] = list(self._ladders.get(kind, ()))
        if not ladder:
            return
        rows = [
            {"broadcast_id": broadcast_id, "number": number, "way": each.way, "due_at": goes_out + each.after}
            for number, each in enumerate(ladder, 1)
        ]
        await db.execute(insert(broadcast_rungs), rows)
        self._database.after_commit(db, self._loop.ring)

    async def standing(self, broadcast_id: int) -> list[standing.RungStanding]:
        """What became of each rung of a notice."""
        async with self._database.snapshot() as db:
            return await standing.rungs(db, broadcast_id)

    # ----------------------------------------------------------------- life

    async def start(self) -> None:
        """Begin to climb what is due, also what came due while nobody was there."""
        await self._loop.start()

    async def stop(self) -> None:
        """End; what is planned stays planned."""
        await self._loop.stop()

    def look_again(self) -> None:
        """Another process may have written down a rung that is due."""
        self._loop.ring()

    # ---------------------------------------------------------------- climb

    async def _climb_due(self) -> datetime | None:
        """Climb one due rung after the other, each in a transaction of its own; when the next one is due."""
        while True:
            async with self._database.snapshot() as db:
                due: datetime | None = await db.scalar(select(func.min(rung.due_at)).where(rung.climbed_at.is_(None)))
            if due is None or due > self._clock.now():
                return due
            async with self._database.transaction() as db:
                await self._climb_next(db)

    async def _climb_next(self, db: AsyncConnection) -> None:
        now = self._clock.now()
        found = (
            await db.execute(
                select(rung.number, rung.way, broadcasts)
                .join(broadcasts, broadcasts.c.id == rung.broadcast_id)
                .where(rung.climbed_at.is_(None), rung.due_at <= now)
                .order_by(rung.due_at, rung.broadcast_id, rung.number)
                .limit(1)
            )
        ).first()
        if found is None:
            return  # another process was there first
        here = (rung.broadcast_id == found.id, rung.number == found.number)
        won = await db.execute(update(broadcast_rungs).where(*here, rung.climbed_at.is_(None)).values(climbed_at=now))
        if won.rowcount == 0:
            return
        await receipts.apply(db)
        # Asked again here, whatever the settings said when the rung was planned.
        allowed = found.state == "sent" and (may_leave_chat(found.kind) or found.way not in LEAVES_CHAT)
        waiting = await silent.count(db, found.id) if allowed else 0
        reached = await self._queue(db, found, now) if waiting else 0
        await db.execute(update(broadcast_rungs).where(*here).values(silent=waiting, reached=reached))
        if waiting:
            await self._report(db, found, waiting, reached, now)

    async def _queue(self, db: AsyncConnection, found: Row[Any], now: datetime) -> int:
        match found.way:
            case "chat":
                return await self._by_chat(db, found, now)
            case "mail" if self._mail is not None:
                message = self._wording.again("mail", *_parts(found), at=found.sent_at)
                shown = self._wording.for_platform(message, found.id, self._mail)
                targets = silent.by_mail(found.id, found.token, found.number)
                return await self._insert(db, found, targets, self._mail.name, shown, now)
            case "liaison":
                return await self._by_liaison(db, found, now)
        return 0

    async def _by_chat(self, db: AsyncConnection, found: Row[Any], now: datetime) -> int:
        earlier = select(func.count()).where(
            rung.broadcast_id == found.id, rung.number <= found.number, rung.way == "chat"
        )
        ordinal = int(await db.scalar(earlier) or 0)
        message = self._wording.again("chat", *_parts(found), at=found.sent_at)
        names = sorted(self._adapters)
        reached = 0
        for name in names:
            shown = self._wording.for_platform(message, found.id, self._adapters[name])
            targets = silent.by_chat(found.id, found.token, found.number, name, names, ordinal)
            reached += await self._insert(db, found, targets, name, shown, now)
        return reached

    async def _by_liaison(self, db: AsyncConnection, found: Row[Any], now: datetime) -> int:
        lists, _ = await liaisons.call_lists(db, await silent.by_name(db, found.id))
        told: set[int] = set()
        for liaison, people in lists.items():
            message = self._wording.call_list(found.id, found.number, found.kind, _text(found), people)
            key = f"{found.token}:rung:{found.number}:liaison"
            names = sorted(self._adapters)
            if await tell(db, self._outbox, names, [liaison], [message], key=key, now=now, priority=_urgency(found)):
                told.update(person.member_id for person in people)
        return len(told)

    async def _insert(
        self,
        db: AsyncConnection,
        found: Row[Any],
        targets: silent.Targets,
        adapter: str,
        message: Message,
        now: datetime,
    ) -> int:
        if await db.scalar(select(targets.limit(1).exists())) is not True:
            return 0
        self._outbox.ring_after_commit(db)
        return await fanout.insert_deliveries(
            db,
            targets,
            # A read of it is a read of the notice, as with a reminder.
            await fanout.add_message(db, found.id, "reminder", message, now),
            adapter,
            topic=message.reference,
            priority=_urgency(found),
            now=now,
        )

    async def _report(self, db: AsyncConnection, found: Row[Any], waiting: int, reached: int, now: datetime) -> None:
        """One message for the author with the numbers, and a line in the audit."""
        message = self._wording.report(found.id, found.number, found.kind, found.way, waiting, reached)
        key = f"{found.token}:rung:{found.number}:report"
        await tell(db, self._outbox, sorted(self._adapters), [found.author_id], [message], key=key, now=now)
        await audit.append(
            db,
            self._clock,
            actor="kairanban",
            action="broadcast.escalated",
            subject=f"broadcast:{found.id}",
            details={"rung": found.number, "way": found.way, "silent": waiting, "reached": reached},
        )


def _text(found: Row[Any]) -> str:
    text: str = found.corrected_text or found.text
    return text


def _parts(found: Row[Any]) -> tuple[int, int, Kind, str, Question | None, tuple[Attachment, ...]]:
    """What a rung says: the notice as it is by now."""
    return found.id, found.number, found.kind, _text(found), question_of(found), current(found)


def _urgency(found: Row[Any]) -> Priority:
    return Priority.EMERGENCY if found.kind == "emergency" else Priority.REMINDER
