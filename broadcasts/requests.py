"""Who is asked to approve or to review a notice, as rows: put down, and looked up for whoever may decide."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import Member
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
) -> int:
    """Put down that somebody is asked; the request's number."""
    stored = await db.execute(
        insert(broadcast_approvals).values(
            broadcast_id=broadcast_id, purpose=purpose, requested_by=member.id, requested_at=now, expires_at=until
        )
    )
    assert stored.inserted_primary_key is not None
    return int(stored.inserted_primary_key[0])


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
