"""What an evaluation of the trial asks of notices, each question one statement over all notices at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.usage import labels
from broadcasts.questions import Question, question_of
from broadcasts.tables import broadcast_answers, broadcast_recipients, broadcasts

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


@dataclass(frozen=True, slots=True)
class Replies:
    """What became of a notice's question: how many were asked, the answers that stand, and how soon the first came.

    `choices` maps paths such as `come:60` to people, `minutes` whole minutes after sending, rounded up, to people.
    """

    broadcast_id: int
    question: Question
    asked: int
    choices: dict[str, int]
    minutes: dict[int, int]


def reads() -> Select[Any]:
    """Who read a notice when, as a statement for `bot.usage.active`."""
    return select(recipient.member_id, recipient.read_at.label("at")).where(recipient.read_at.is_not(None))


def answers() -> Select[Any]:
    """Who answered a notice when, as a statement for `bot.usage.active`; the first answer and the latest."""
    answer = broadcast_answers.c
    first = select(answer.member_id, answer.first_at.label("at"))
    return select(first.union_all(select(answer.member_id, answer.latest_at)).subquery("answered"))


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
    minutes = case((recipient.read_at.is_(None), None), else_=_minutes_until(recipient.read_at))
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


async def replies(db: AsyncConnection) -> list[Replies]:
    """Every notice that asked something, in the order of sending."""
    answer = broadcast_answers.c
    asking = (broadcasts.c.asks.is_not(None), broadcasts.c.sent_at.is_not(None))
    asked = await db.execute(
        select(
            broadcasts.c.id,
            broadcasts.c.asks,
            broadcasts.c.stage,
            broadcasts.c.choices,
            func.count(recipient.member_id),
        )
        .outerjoin(broadcast_recipients, recipient.broadcast_id == broadcasts.c.id)
        .where(*asking)
        .group_by(broadcasts.c.id)
        .order_by(broadcasts.c.sent_at, broadcasts.c.id)
    )
    found = {row.id: Replies(row.id, question, row[4], {}, {}) for row in asked if (question := question_of(row))}
    of_asking = broadcasts.join(broadcast_answers, answer.broadcast_id == broadcasts.c.id)
    late = _minutes_until(answer.first_at).label("minutes")
    chosen = select(answer.broadcast_id, answer.latest_choice, func.count()).select_from(of_asking).where(*asking)
    timed = select(answer.broadcast_id, late, func.count()).select_from(of_asking).where(*asking)
    for number, choice, people in await db.execute(
        chosen.group_by(answer.broadcast_id, answer.latest_choice).order_by(answer.broadcast_id, answer.latest_choice)
    ):
        found[number].choices[choice] = people
    for number, minute, people in await db.execute(timed.group_by(answer.broadcast_id, "minutes").order_by("minutes")):
        found[number].minutes[minute] = people
    return list(found.values())


def _minutes_until(moment: ColumnElement[Any]) -> ColumnElement[int]:
    """Whole minutes from the sending to a moment, rounded up; 0 for a moment that the platform dates before it."""
    late = type_coerce(moment, BigInteger) - type_coerce(broadcasts.c.sent_at, BigInteger)
    return case((late <= 0, 0), else_=(late + MICROSECONDS - 1) // MICROSECONDS)
