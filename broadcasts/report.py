"""What became of a notice: counts and ratios first, by department with denominators; names on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, bindparam, case, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import to_tokyo
from bot.directory import Member
from bot.tables import deliveries, departments, members
from broadcasts import tree
from broadcasts.aftermath import Aftermath, aftermath
from broadcasts.audience import EVERYONE, Everyone, condition
from broadcasts.escalation.standing import rungs
from broadcasts.escalation.wording import reference
from broadcasts.fanout import notice_key
from broadcasts.rights import READERS, reach
from broadcasts.tables import broadcast_recipients, broadcasts, rooms
from broadcasts.tallies import Tally, tally
from broadcasts.tree import Branch

READ_WITHIN = {
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "60m": timedelta(minutes=60),
    "24h": timedelta(hours=24),
}

recipient = broadcast_recipients.c


@dataclass(frozen=True, slots=True)
class DepartmentCount:
    """One department's part of a notice; the department is the one people were in when it went out."""

    name: str
    recipients: int
    read: int

    @property
    def unread(self) -> int:
        return self.recipients - self.read


@dataclass(frozen=True, slots=True)
class Status:
    """Where a notice stands, `unreachable` and `waiting` (queued, not yet sent) are among the unread.

    `moved` got it, or are getting it, at another address than the first, because a platform was down or refused it.
    `undelivered`, also among the unread, did not get it: the platform refused their address, and they have no other.
    """

    id: int
    kind: str
    state: str
    text: str
    author_id: int
    sent_at: datetime
    reminders: int
    recipients: int
    read: int
    unreachable: int
    waiting: int
    departments: Sequence[Branch]  # as a tree, from the top
    moved: int = 0
    undelivered: int = 0
    tally: Tally | None = None
    """The answers, if it asks for any."""
    afterwards: Aftermath | None = None
    """Recall and corrections."""

    @property
    def unread(self) -> int:
        return self.recipients - self.read


@dataclass(frozen=True, slots=True)
class Unread:
    """Somebody who has not read.

    `reachable` is false where there was nowhere to send it, `undelivered` true where it was sent and given up.
    """

    name: str
    department: str
    reachable: bool
    undelivered: bool = False


async def latest(db: AsyncConnection, reader: Member | None = None) -> int | None:
    """The number of the notice that was sent last, or None; of those that `reader` may look at, if one is named."""
    right = EVERYONE if reader is None else reach(reader, READERS)
    query = _LATEST
    if reader is not None and not isinstance(right, Everyone):
        theirs = broadcasts.c.author_id == reader.id
        if right is not None:
            staff = select(members.c.id).where(condition(right))
            here = (recipient.broadcast_id == broadcasts.c.id, recipient.member_id.in_(staff))
            theirs = or_(theirs, select(recipient.member_id).where(*here).exists())
        query = query.where(theirs)
    found: int | None = await db.scalar(query)
    return found


async def status(db: AsyncConnection, broadcast_id: int) -> Status | None:
    """Where a notice stands, or None if there is none of that number that was ever sent."""
    notice = (await db.execute(_NOTICE, {"broadcast_id": broadcast_id})).first()
    return None if notice is None else await _status(db, notice)


async def _status(db: AsyncConnection, notice: Row[Any]) -> Status:
    counts = await tree.counts(db, notice.id)
    recipients = sum(each.recipients for each in counts.values())
    waiting, undelivered = await _not_sent(db, notice.id)
    return Status(
        id=notice.id,
        kind=notice.kind,
        state=notice.state,
        text=notice.text,
        author_id=notice.author_id,
        sent_at=notice.sent_at,
        reminders=notice.reminders,
        recipients=recipients,
        read=sum(each.read for each in counts.values()),
        unreachable=recipients - sum(each.reachable for each in counts.values()),
        waiting=waiting,
        departments=await tree.branches(db, counts),
        moved=sum(each.moved for each in counts.values()),
        undelivered=undelivered,
        tally=await tally(db, notice),
        afterwards=await aftermath(db, notice),
    )


async def by_department(db: AsyncConnection, broadcast_id: int) -> list[DepartmentCount]:
    """The departments' parts of a notice, in the order in which the city prints its departments."""
    rows = await db.execute(
        select(departments.c.name, func.count(), func.count(recipient.read_at))
        .join(departments, departments.c.id == recipient.department_id)
        .where(recipient.broadcast_id == broadcast_id)
        .group_by(departments.c.id, departments.c.name, departments.c.position)
        .order_by(departments.c.position, departments.c.id)
    )
    return [DepartmentCount(*row) for row in rows]


async def _not_sent(db: AsyncConnection, broadcast_id: int) -> tuple[int, int]:
    """How many recipients' notice is still in the outbox, and how many's was given up there."""
    here = {"broadcast_id": broadcast_id, "topic": f"broadcast:{broadcast_id}"}
    by_kind: Counter[tuple[str, bool]] = Counter()
    for row in await db.execute(_UNSENT, here):
        by_kind[row.kind, row.state == "dead"] += row.deliveries
    waiting = by_kind["person", False]
    if by_kind["room", False]:
        waiting += await db.scalar(_IN_QUEUED_ROOMS, here) or 0
    given_up = by_kind["person", True] or by_kind["room", True]
    return waiting, (await db.scalar(_HOW_MANY_UNDELIVERED, here) or 0) if given_up else 0


async def unread(db: AsyncConnection, broadcast_id: int, within: Collection[int] | None = None) -> list[Unread]:
    """Everybody who has not read, department by department; `within` names the departments (ids) that are meant."""
    here = true() if within is None else recipient.department_id.in_(within)
    rows = await db.execute(
        select(members.c.name, departments.c.name, recipient.adapter.is_not(None), _undelivered)
        .join(broadcasts, broadcasts.c.id == recipient.broadcast_id)
        .join(members, members.c.id == recipient.member_id)
        .join(departments, departments.c.id == recipient.department_id)
        .where(recipient.broadcast_id == broadcast_id, recipient.read_at.is_(None), here)
        .order_by(departments.c.position, departments.c.id, members.c.rank.desc(), members.c.kana, members.c.id)
    )
    return [Unread(*row) for row in rows]


async def receipts(db: AsyncConnection, broadcast_id: int) -> list[tuple[str, datetime | None]]:
    """Every recipient's department at the time of sending, and when they first read it, in the order of members."""
    rows = await db.execute(
        select(departments.c.name, recipient.read_at)
        .join(departments, departments.c.id == recipient.department_id)
        .where(recipient.broadcast_id == broadcast_id)
        .order_by(recipient.member_id)
    )
    return [(row.name, row.read_at) for row in rows]


async def summaries(db: AsyncConnection) -> list[dict[str, Any]]:
    """Every notice that was sent, in the order of sending, as plain data for a report.

    `topics` are the references that its messages carry on the platform: what the platform says it delivered and what
    the bot says it sent are compared by them.
    """
    notices = await db.execute(
        select(broadcasts).where(broadcasts.c.sent_at.is_not(None)).order_by(broadcasts.c.sent_at, broadcasts.c.id)
    )
    return [await _summary(db, notice) for notice in notices.all()]


async def _summary(db: AsyncConnection, notice: Row[Any]) -> dict[str, Any]:
    counts = await by_department(db, notice.id)
    recipients, read = sum(each.recipients for each in counts), sum(each.read for each in counts)
    within = (
        await db.execute(
            select(
                *(
                    func.count(case((recipient.read_at <= notice.sent_at + span, 1))).label(name)
                    for name, span in READ_WITHIN.items()
                )
            ).where(recipient.broadcast_id == notice.id)
        )
    ).one()
    answers = await tally(db, notice)
    return {
        "id": notice.id,
        "kind": notice.kind,
        "text": notice.text,
        "sent_at": to_tokyo(notice.sent_at).isoformat(),
        "recipients": recipients,
        "read": read,
        "unread": recipients - read,
        "read_within": dict(within._mapping),
        "reminders": notice.reminders,
        "by_department": [
            {"department": each.name, "recipients": each.recipients, "read": each.read} for each in counts
        ],
        "responses": None if answers is None else answers.plain(),
        **(await aftermath(db, notice)).plain(),
        "topics": [
            f"broadcast:{notice.id}",
            *(f"reminder:{notice.id}:{number}" for number in range(1, notice.reminders + 1)),
            *(f"correction:{notice.id}:{number}" for number in range(1, notice.corrections + 1)),
            *(reference(notice.id, rung.number) for rung in await rungs(db, notice.id) if rung.silent),
        ],
    }


# Built once: `/既読` is asked again and again while ten thousand receipts arrive.
_LATEST = (
    select(broadcasts.c.id)
    .where(broadcasts.c.sent_at.is_not(None))
    .order_by(broadcasts.c.sent_at.desc(), broadcasts.c.id.desc())
    .limit(1)
)
_NOTICE = select(broadcasts).where(broadcasts.c.id == bindparam("broadcast_id"), broadcasts.c.sent_at.is_not(None))
_queued = and_(
    deliveries.c.topic == bindparam("topic"),
    deliveries.c.state.in_(("queued", "sending")),
    deliveries.c.action == "send",
)
_UNSENT = (
    select(deliveries.c.kind, deliveries.c.state, func.count().label("deliveries"))
    .where(
        deliveries.c.topic == bindparam("topic"),
        deliveries.c.state.in_(("queued", "sending", "dead")),
        deliveries.c.action == "send",
    )
    .group_by(deliveries.c.kind, deliveries.c.state)
)
_undelivered = (
    select(deliveries.c.id)
    .where(deliveries.c.key == notice_key(broadcasts.c.token), deliveries.c.state == "dead")
    .correlate(broadcasts, broadcast_recipients)
    .exists()
)
_HOW_MANY_UNDELIVERED = (
    select(func.count())
    .select_from(broadcast_recipients)
    .join(broadcasts, broadcasts.c.id == recipient.broadcast_id)
    .where(recipient.broadcast_id == bindparam("broadcast_id"), recipient.read_at.is_(None), _undelivered)
)
_IN_QUEUED_ROOMS = select(func.count()).where(
    recipient.broadcast_id == bindparam("broadcast_id"),
    recipient.room_id.in_(
        select(rooms.c.id)
        .join(deliveries, and_(deliveries.c.adapter == rooms.c.adapter, deliveries.c.address == rooms.c.platform_id))
        .where(_queued, deliveries.c.kind == "room")
    ),
)
