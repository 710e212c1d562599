"""What became of a notice after it went out: when it was recalled or corrected, and who had read it by then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import to_tokyo
from bot.storage import UtcDateTime
from bot.tables import departments, members
from broadcasts.tables import broadcast_corrections, broadcast_recipients, correction_reads

recipient = broadcast_recipients.c
correction = broadcast_corrections.c


@dataclass(frozen=True, slots=True)
class SentCorrection:
    """One correction: `read` have read it, `read_before` had read the original when it was sent."""

    number: int
    text: str
    sent_at: datetime
    read: int
    read_before: int


@dataclass(frozen=True, slots=True)
class Aftermath:
    """`recalled_at` is None for a notice that stands; `read_before_recall` had read it by then."""

    recalled_at: datetime | None
    read_before_recall: int
    corrections: Sequence[SentCorrection]

    def plain(self) -> dict[str, Any]:
        """As data for a report; moments in Japanese time."""
        return {
            "recalled_at": None if self.recalled_at is None else to_tokyo(self.recalled_at).isoformat(),
            "read_before_recall": self.read_before_recall,
            "corrections": [
                {
                    "number": each.number,
                    "text": each.text,
                    "sent_at": to_tokyo(each.sent_at).isoformat(),
                    "read": each.read,
                    "read_before": each.read_before,
                }
                for each in self.corrections
            ],
        }


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who had read a notice when it was recalled."""

    name: str
    department: str
    read_at: datetime


async def aftermath(db: AsyncConnection, notice: Row[Any]) -> Aftermath:
    """What became of a notice (a row of `broadcasts`)."""
    recalled_at = notice.closed_at if notice.state == "recalled" else None
    read_before = 0
    if recalled_at is not None:
        read_before = await db.scalar(_READ_BEFORE, {"broadcast_id": notice.id, "moment": recalled_at}) or 0
    corrections: list[SentCorrection] = []
    if notice.corrections:
        rows = await db.execute(_CORRECTIONS, {"broadcast_id": notice.id})
        corrections = [SentCorrection(*row) for row in rows]
    return Aftermath(recalled_at, read_before, corrections)


async def readers_before(db: AsyncConnection, broadcast_id: int, moment: datetime) -> list[Reader]:
    """Everybody who had read a notice by a moment, department by department."""
    return [Reader(*row) for row in await db.execute(_READERS, {"broadcast_id": broadcast_id, "moment": moment})]


_MOMENT = bindparam("moment", type_=UtcDateTime)
_READ_BEFORE = select(func.count()).where(
    recipient.broadcast_id == bindparam("broadcast_id"), recipient.read_at <= _MOMENT
)
_READERS = (
    select(members.c.name, departments.c.name.label("department"), recipient.read_at)
    .join(members, members.c.id == recipient.member_id)
    .join(departments, departments.c.id == recipient.department_id)
    .where(recipient.broadcast_id == bindparam("broadcast_id"), recipient.read_at <= _MOMENT)
    .order_by(departments.c.position, departments.c.id, members.c.rank.desc(), members.c.kana, members.c.id)
)
_CORRECTIONS = (
    select(
        correction.number,
        correction.text,
        correction.sent_at,
        select(func.count())
        .where(
            correction_reads.c.broadcast_id == correction.broadcast_id, correction_reads.c.number == correction.number
        )
        .correlate(broadcast_corrections)
        .scalar_subquery(),
        select(func.count())
        .where(and_(recipient.broadcast_id == correction.broadcast_id, recipient.read_at <= correction.sent_at))
        .correlate(broadcast_corrections)
        .scalar_subquery(),
    )
    .where(correction.broadcast_id == bindparam("broadcast_id"), correction.number.is_not(None))
    .order_by(correction.number)
)
