"""Who is asked to approve or to review a notice, as rows: put down, and looked up for whoever may decide."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Text, cast, insert, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import Member
from bot.tables import deliveries, members
from broadcasts import rights
from broadcasts.audience import AUDIENCE
from broadcasts.drafting_tables import broadcast_approvals
from broadcasts.tables import broadcasts

_approvals = broadcast_approvals.c


async def others(db: AsyncConnection, notice: Row[Any], asking: int) -> list[int]:
    """Who may approve a notice and has neither written it nor asked for it, by id."""
    able = await rights.holders(db, rights.APPROVERS, AUDIENCE.validate_json(notice.audience))
    return [member_id for member_id in able if member_id not in {asking, notice.author_id}]


async def insert_request(
    db: AsyncConnection,
    broadcast_id: int,
    purpose: Literal["approval", "review"],
    member: Member,
    now: datetime,
    until: datetime,
    again: datetime | None = None,
) -> int:
    """Put down that somebody is asked, and once more at `again`; the request's number."""
    stored = await db.execute(
        insert(broadcast_approvals).values(
            broadcast_id=broadcast_id,
            purpose=purpose,
            requested_by=member.id,
            requested_at=now,
            expires_at=until,
            ask_again_at=again,
        )
    )
    assert stored.inserted_primary_key is not None
    return int(stored.inserted_primary_key[0])


def asking_key(number: int, *, again: bool = False) -> str:
    """What the messages that ask for an approval are queued under: the first time, or the second."""
    return f"approval:{number}:again" if again else f"approval:{number}"


async def were_asked(db: AsyncConnection, number: int) -> list[int]:
    """Who was sent a request for approval, by id.

    Their deliveries say it. Who may approve by now is another question: some have come and some have gone.
    """
    keys = [literal(f"{asking_key(number, again=again)}:0:") + cast(members.c.id, Text) for again in (False, True)]
    sent = select(deliveries.c.id).where(deliveries.c.key.in_(keys)).exists()
    return list(await db.scalars(select(members.c.id).where(sent).order_by(members.c.id)))


async def find_request(db: AsyncConnection, number: int) -> Row[Any] | None:
    """A request or a review, with what must be known of its notice; None if there is none of that number."""
    query = (
        select(broadcast_approvals, broadcasts.c.author_id, broadcasts.c.audience, broadcasts.c.kind)
        .join(broadcasts, broadcasts.c.id == _approvals.broadcast_id)
        .where(_approvals.id == number)
    )
    return (await db.execute(query)).first()


async def open_to(db: AsyncConnection, member: Member, now: datetime) -> list[Row[Any]]:
    """Every request and review that waits and that this member may decide, the oldest first."""
    query = (
        select(broadcast_approvals, broadcasts.c.author_id, broadcasts.c.audience)
        .join(broadcasts, broadcasts.c.id == _approvals.broadcast_id)
        .where(
            _approvals.state == "waiting",
            or_(_approvals.purpose == "review", _approvals.expires_at > now),
            _approvals.requested_by != member.id,
            broadcasts.c.author_id != member.id,
        )
        .order_by(_approvals.id)
    )
    right = rights.reach(member, rights.APPROVERS)
    if right is None:
        return []
    rows = (await db.execute(query)).all()
    return [row for row in rows if await rights.outside(db, AUDIENCE.validate_json(row.audience), right) == 0]
