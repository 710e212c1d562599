"""What became of each rung, for those who follow a notice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from broadcasts.escalation.ladder import Way
from broadcasts.escalation.tables import broadcast_rungs


@dataclass(frozen=True, slots=True)
class RungStanding:
    """One rung; `silent` and `reached` are None until it has been climbed."""

    number: int
    way: Way
    due_at: datetime
    climbed_at: datetime | None
    silent: int | None
    reached: int | None


_RUNGS = (
    select(*(broadcast_rungs.c[name] for name in RungStanding.__slots__))
    .where(broadcast_rungs.c.broadcast_id == bindparam("broadcast_id"))
    .order_by(broadcast_rungs.c.number)
)


async def rungs(db: AsyncConnection, broadcast_id: int) -> list[RungStanding]:
    """Every rung of a notice, the first one first; none where its kind has no ladder."""
    found = await db.execute(_RUNGS, {"broadcast_id": broadcast_id})
    return [RungStanding(row.number, cast(Way, row.way), *row[2:]) for row in found]
