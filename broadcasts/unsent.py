"""Why notices have not gone out: what people ask for by a number that they were given has an answer, sent or not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from sqlalchemy import and_, case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import Refused
from broadcasts.drafting_tables import broadcast_approvals, broadcast_schedules
from broadcasts.tables import broadcasts

Unsent = Literal["cancelled", "scheduled", "awaiting", "draft"]


async def why_unsent(db: AsyncConnection, numbers: Collection[int]) -> dict[int, Unsent]:
    """How each of these notices stands that has not been sent; the others are left out."""
    planned = and_(broadcast_schedules.c.broadcast_id == broadcasts.c.id, broadcast_schedules.c.state == "active")
    asked = and_(
        broadcast_approvals.c.broadcast_id == broadcasts.c.id,
        broadcast_approvals.c.purpose == "approval",
        broadcast_approvals.c.state == "waiting",
    )
    stands = case(
        (broadcasts.c.state == "cancelled", "cancelled"),
        (broadcast_schedules.c.broadcast_id.is_not(None), "scheduled"),
        (broadcast_approvals.c.id.is_not(None), "awaiting"),
        else_="draft",
    ).label("stands")
    query = (
        select(broadcasts.c.id, stands)
        .outerjoin(broadcast_schedules, planned)
        .outerjoin(broadcast_approvals, asked)
        .where(broadcasts.c.id.in_(numbers), broadcasts.c.state.in_(("draft", "cancelled")))
    )
    return {row.id: row.stands for row in await db.execute(query)}


async def refusal(db: AsyncConnection, number: int) -> Refused:
    """What to say to somebody who asks how a notice is read that nobody has."""
    standing = (await why_unsent(db, [number])).get(number)
    return Refused("refused.no_such" if standing is None else f"read.{standing}", id=number)
