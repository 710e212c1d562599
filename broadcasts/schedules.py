"""Notices that go out by themselves: a schedule points at a draft and is confirmed like one.

Preview, rights and approval are those of the draft; what follows from them is that the schedule becomes active. A
notice that is due once is the draft itself; every occurrence of a recurring one is a copy of the draft's row, with a
number of its own. Rows say what is due, and whoever moves `next_at` on has won the occurrence.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.adapter import Adapter
from bot.clock import Clock
from bot.directory import HEADQUARTERS, Member
from bot.errors import Refused
from bot.messages import Message
from bot.outbox import Outbox
from bot.recurrence import Rule, shown
from bot.tables import members
from bot.texts import Texts
from broadcasts import fanout, files, rights
from broadcasts.audience import AUDIENCE, EVERYONE
from broadcasts.drafting_tables import broadcast_schedules
from broadcasts.tables import broadcasts
from broadcasts.telling import tell

log = structlog.get_logger(__name__)

SHOWN_MOMENTS = 3
"""Moments that a preview shows, so that a slip in the rule is seen."""
TOO_LATE = timedelta(hours=6)
"""After a standstill longer than this, what was due is not sent any more: 「本日9時」 would be wrong by then."""

_COPIED = ("kind", "text", "audience", "audience_key", "author_id", "asks", "stage", "choices", "attachments")

_schedules = broadcast_schedules.c


@dataclass(frozen=True, slots=True)
class Planned:
    """When a draft is to go out; `moments` are the next ones, none if all have passed."""

    rule: Rule
    active: bool
    moments: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class Listed:
    """A schedule as a list shows it."""

    id: int
    rule: Rule
    next_at: datetime
    text: str
    author: str
    files: int


Send = Callable[[AsyncConnection, Row[Any], Member], Awaitable[int]]
"""Sends the notice of a row now; how many people it goes to."""


class Schedules:
    """Plans, lists and carries out."""

    def __init__(self, outbox: Outbox, adapters: Mapping[str, Adapter], clock: Clock, texts: Texts, send: Send) -> None:
        self._outbox = outbox
        self._adapters = tuple(adapters)
        self._clock = clock
        self._texts = texts
        self._send = send

    # ----------------------------------------------------------------- plan

    async def plan(self, db: AsyncConnection, broadcast_id: int, rule: Rule) -> None:
        """Say when a draft that was just made goes out. Raises `Refused` if that moment has passed."""
        if rule.next_after(self._clock.now()) is None:
            raise Refused("schedule.past")
        await db.execute(insert(broadcast_schedules).values(broadcast_id=broadcast_id, rule=rule.model_dump_json()))

    async def find(self, db: AsyncConnection, broadcast_id: int) -> Planned | None:
        """The schedule of a notice that has not gone out; None if it goes out as soon as it is confirmed."""
        row = (
            await db.execute(
                select(broadcast_schedules).where(
                    _schedules.broadcast_id == broadcast_id, _schedules.state.in_(("draft", "active"))
                )
            )
        ).first()
        if row is None:
            return None
        rule = Rule.model_validate_json(row.rule)
        moments = tuple(islice(rule.moments(self._clock.now()), SHOWN_MOMENTS))
        return Planned(rule, row.state == "active", moments)

    async def activate(self, db: AsyncConnection, notice: Row[Any], member: Member, planned: Planned) -> int:
        """From now on it goes out when it is due; how many would get it now. Raises `Refused` if it is too late."""
        if not planned.moments:
            raise Refused("schedule.past")
        seen, recipients = await self._people(db, notice)
        won = await db.execute(
            update(broadcast_schedules)
            .where(_schedules.broadcast_id == notice.id, _schedules.state == "draft")
            .values(state="active", next_at=planned.moments[0], fingerprint=seen, recipients=recipients)
        )
        if won.rowcount:
            details = {"rule": planned.rule.model_dump(mode="json", exclude_none=True), "recipients": recipients}
            await self._note(db, member.code, "scheduled", notice.id, details)
        return recipients

    async def drop(self, db: AsyncConnection, broadcast_id: int) -> None:
        """The draft is gone: nothing of it goes out any more."""
        await db.execute(
            update(broadcast_schedules)
            .where(_schedules.broadcast_id == broadcast_id, _schedules.state.in_(("draft", "active")))
            .values(state="cancelled", next_at=None)
        )

    async def revive(self, db: AsyncConnection, broadcast_id: int) -> None:
        """The draft is there again: its rule, too, and to be confirmed anew."""
        await db.execute(
            update(broadcast_schedules)
            .where(_schedules.broadcast_id == broadcast_id, _schedules.state == "cancelled")
            .values(state="draft", next_at=None)
        )

    async def listing(self, db: AsyncConnection, member: Member) -> list[Listed]:
        """What is going to go out, the earliest first: everything for the headquarters, their own for others."""
        query = (
            select(
                _schedules.broadcast_id,
                _schedules.rule,
                _schedules.next_at,
                broadcasts.c.text,
                broadcasts.c.attachments,
                members.c.name,
            )
            .join(broadcasts, broadcasts.c.id == _schedules.broadcast_id)
            .join(members, members.c.id == broadcasts.c.author_id)
            .where(_schedules.state == "active")
            .order_by(_schedules.next_at, _schedules.broadcast_id)
        )
        if HEADQUARTERS not in member.roles:
            query = query.where(broadcasts.c.author_id == member.id)
        return [
            Listed(
                row.broadcast_id,
                Rule.model_validate_json(row.rule),
                row.next_at,
                row.text,
                row.name,
                len(files.read(row.attachments)),
            )
            for row in await db.execute(query)
        ]

    # ------------------------------------------------------------ carry out

    async def next_due(self, db: AsyncConnection) -> datetime | None:
        """When the next notice is due; None if none is scheduled."""
        found: datetime | None = await db.scalar(
            select(func.min(_schedules.next_at)).where(_schedules.state == "active")
        )
        return found

    async def do_due(self, db: AsyncConnection) -> None:
        """Send all that is due, each once, however many look at the same time; one that was missed often, once."""
        now = self._clock.now()
        due = await db.execute(
            select(broadcast_schedules)
            .where(_schedules.state == "active", _schedules.next_at <= now)
            .order_by(_schedules.next_at, _schedules.broadcast_id)
        )
        for row in due.all():
            rule = Rule.model_validate_json(row.rule)
            following = rule.next_after(now)
            won = await db.execute(
                update(broadcast_schedules)
                .where(
                    _schedules.broadcast_id == row.broadcast_id,
                    _schedules.state == "active",
                    _schedules.next_at == row.next_at,
                )
                .values(state="active" if following else "done", next_at=following)
            )
            if won.rowcount:
                await self._carry_out(db, row, rule, now)

    async def _carry_out(self, db: AsyncConnection, schedule: Row[Any], rule: Rule, now: datetime) -> None:
        notice = await self._row(db, schedule.broadcast_id)
        author = await rights.author(db, notice.author_id)
        try:
            if author is None:  # they have left the city hall
                raise Refused("schedule.no_author")
            audience = AUDIENCE.validate_json(notice.audience)
            await rights.require(db, author, rights.SENDERS, audience, action="scheduled", broadcast_id=notice.id)
            seen, recipients = await self._people(db, notice)
            if recipients == 0:
                raise Refused("refused.nobody")
        except Refused as refusal:
            await self._end(db, notice, refusal)
            return
        occurrence = f"schedule:{notice.token}:{schedule.next_at.timestamp():.0f}"
        if now - schedule.next_at > TOO_LATE:
            await self._note(db, "kairanban", "schedule_missed", notice.id, {"due": schedule.next_at.isoformat()})
            said = self._texts("schedule.told_missed", id=notice.id, time=shown(schedule.next_at, self._texts.language))
            await self._tell(db, [notice.author_id], said, occurrence)
            if not rule.recurs:
                await self._close(db, notice.id)
            return
        if rule.recurs:
            notice = await self._copy(db, notice, now)
        recipients = await self._send(db, notice, author)
        said = self._texts("schedule.told_sent", id=schedule.broadcast_id, number=notice.id, recipients=recipients)
        if seen != schedule.fingerprint:
            said += "\n" + self._texts(
                "schedule.told_changed", number=notice.id, before=schedule.recipients, now=recipients
            )
            await db.execute(
                update(broadcast_schedules)
                .where(_schedules.broadcast_id == schedule.broadcast_id)
                .values(fingerprint=seen, recipients=recipients)
            )
        await self._tell(db, [author.id], said, occurrence)

    async def _end(self, db: AsyncConnection, notice: Row[Any], refusal: Refused) -> None:
        """It may not go out any more: stop it, write it down, and tell its author and the headquarters."""
        await self.drop(db, notice.id)
        await self._close(db, notice.id)
        await self._note(db, "kairanban", "schedule_stopped", notice.id, {"reason": refusal.key})
        reason = self._texts(refusal.key, **refusal.values)
        people = {notice.author_id, *await rights.holders(db, frozenset({HEADQUARTERS}), EVERYONE)}
        said = self._texts("schedule.told_stopped", id=notice.id, reason=reason)
        await self._tell(db, sorted(people), said, f"schedule:{notice.token}:stopped")
        log.warning("schedule.stopped", broadcast=notice.id, reason=refusal.key)

    # -------------------------------------------------------------- helpers

    async def _copy(self, db: AsyncConnection, notice: Row[Any], now: datetime) -> Row[Any]:
        values = {name: getattr(notice, name) for name in _COPIED}
        stored = await db.execute(insert(broadcasts).values(token=secrets.token_hex(12), created_at=now, **values))
        assert stored.inserted_primary_key is not None
        return await self._row(db, stored.inserted_primary_key[0])

    async def _close(self, db: AsyncConnection, broadcast_id: int) -> None:
        await db.execute(
            update(broadcasts)
            .where(broadcasts.c.id == broadcast_id, broadcasts.c.state == "draft")
            .values(state="cancelled", closed_at=self._clock.now())
        )

    async def _row(self, db: AsyncConnection, broadcast_id: int) -> Row[Any]:
        return (await db.execute(select(broadcasts).where(broadcasts.c.id == broadcast_id))).one()

    async def _people(self, db: AsyncConnection, notice: Row[Any]) -> tuple[str, int]:
        audience = AUDIENCE.validate_json(notice.audience)
        route = fanout.routes(audience, notice.audience_key, self._adapters).subquery("route")
        recipients = await db.scalar(select(func.count()).select_from(route)) or 0
        return await fanout.fingerprint(db, audience, notice.audience_key, self._adapters), recipients

    async def _tell(self, db: AsyncConnection, people: Sequence[int], said: str, key: str) -> None:
        await tell(db, self._outbox, self._adapters, people, [Message(text=said)], key=key, now=self._clock.now())

    async def _note(
        self, db: AsyncConnection, actor: str, action: str, broadcast_id: int, details: Mapping[str, Any]
    ) -> None:
        subject = f"broadcast:{broadcast_id}"
        await audit.append(db, self._clock, actor=actor, action=f"broadcast.{action}", subject=subject, details=details)
