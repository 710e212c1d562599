"""What an evaluation of the trial asks of notices, each question one statement over all notices at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Select, case, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.usage import labels
from broadcasts.tables import broadcast_recipients, broadcasts

MICROSECONDS = 60_000_000  # in a minute; moments are stored in microseconds

recipient = broadcast_recipients.c


@dataclass(frozen=True, slots=True)
class Sent:
    """A notice that went out; `reminders` are rounds to those who had not read it."""

    id: int
    kind: str
    state: str
    text: str
    sent_at: datetime
    reminders: int
    recipients: int
    read: int


@dataclass(frozen=True, slots=True)
class Wait:
    """How many recipients of a group read a notice in its minute `minutes` after sending; None: not at all."""

    broadcast_id: int
    label: str
    minutes: int | None
    people: int


def reads() -> Select[Any]:
    """Who read a notice when, as a statement for `bot.usage.active`."""
    return select(recipient.member_id, recipient.read_at.label("at")).where(recipient.read_at.is_not(None))


async def sent(db: AsyncConnection) -> list[Sent]:
    """Every notice that went out, recalled ones included, in the order of sending."""
    rows = await db.execute(
        select(
            broadcasts.c.id,
            broadcasts.c.kind,
            broadcasts.c.state,
            broadcasts.c.text,
            broadcasts.c.sent_at,
            broadcasts.c.reminders,
            func.count(recipient.member_id),
            func.count(recipient.read_at),
        )
        .outerjoin(broadcast_recipients, recipient.broadcast_id == broadcasts.c.id)
        .where(broadcasts.c.sent_at.is_not(None))
        .group_by(broadcasts.c.id)
        .order_by(broadcasts.c.sent_at, broadcasts.c.id)
    )
    return [Sent(*row) for row in rows]


async def waits(db: AsyncConnection, trait: str) -> list[Wait]:
    """How long people took to read, as a histogram by notice, group and minute.

    Minutes are whole and rounded up: somebody who read after 61 seconds did so within 2 minutes. A read that the
    platform dates before the sending counts as 0.
    """
    late = type_coerce(recipient.read_at, BigInteger) - type_coerce(broadcasts.c.sent_at, BigInteger)
    minutes = case((recipient.read_at.is_(None), None), (late <= 0, 0), else_=(late + MICROSECONDS - 1) // MICROSECONDS)
    group = labels(trait).subquery("groups")
    rows = await db.execute(
        select(recipient.broadcast_id, group.c.label, minutes.label("minutes"), func.count())
        .join(broadcasts, broadcasts.c.id == recipient.broadcast_id)
        .join(group, group.c.member_id == recipient.member_id)
        .where(broadcasts.c.sent_at.is_not(None))
        .group_by(recipient.broadcast_id, group.c.label, group.c.position, "minutes")
        .order_by(recipient.broadcast_id, group.c.position, group.c.label, "minutes")
    )
    found = [Wait(*row) for row in rows]
    # The databases do not agree on where NULL sorts.
    return sorted(found, key=lambda wait: (wait.broadcast_id, wait.minutes is None))
