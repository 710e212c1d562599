"""The same words to the same people within ten minutes, by whomever: two officers, or a doubt whether it went.

A notice that was recalled does not count, nor does another kind: who sends an emergency after an ordinary notice means
it. Neither do the occurrences of one schedule, which never ask anybody.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.folding import fold
from bot.recurrence import Rule
from bot.tables import members
from broadcasts.audience import AUDIENCE, condition, select_members
from broadcasts.drafting_tables import broadcast_approvals, broadcast_schedules
from broadcasts.quiet import QuietHours, goes_out_at
from broadcasts.tables import broadcast_recipients, broadcasts

LATELY = timedelta(minutes=10)
"""Between two that are asked about, by the moments at which they reach people."""

_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Repetition:
    """An earlier notice with these words: `members` of those who would get it have it, or will have it then."""

    id: int
    state: Literal["sent", "scheduled", "waiting"]
    at: datetime
    author: str
    members: int


async def find(
    db: AsyncConnection, notice: Row[Any], at: datetime, now: datetime, quiet: QuietHours | None, *, waiting: bool
) -> Repetition | None:
    """The latest notice that a draft, which goes out `at`, would repeat for at least half of its people.

    With `waiting`, also one that somebody was asked to approve within the last ten minutes.
    """
    words, audience = _key(notice.text), AUDIENCE.validate_json(notice.audience)
    found: list[Repetition] = []
    async for row, state, moment in _candidates(db, notice, at, now, quiet, waiting=waiting):
        if words not in {_key(row.text), _key(row.corrected_text or row.text)}:
            continue
        theirs = AUDIENCE.validate_json(row.audience)
        if state == "sent":
            both = select(func.count()).where(
                broadcast_recipients.c.broadcast_id == row.id,
                broadcast_recipients.c.member_id.in_(select_members(audience)),
            )
        else:
            both = select(func.count()).where(members.c.active, condition(audience), condition(theirs))
        shared = await db.scalar(both) or 0
        everybody = select(func.count()).where(members.c.active, condition(audience))
        if shared and shared * 2 >= (await db.scalar(everybody) or 0):
            found.append(Repetition(row.id, state, moment, row.name, shared))
    return max(found, key=lambda each: each.id, default=None)


async def _candidates(
    db: AsyncConnection, notice: Row[Any], at: datetime, now: datetime, quiet: QuietHours | None, *, waiting: bool
) -> AsyncIterator[tuple[Row[Any], Literal["sent", "scheduled", "waiting"], datetime]]:
    """Other notices of this kind that reach people within ten minutes of this one, and when."""
    approvals, schedules = broadcast_approvals.c, broadcast_schedules.c
    others = (
        select(broadcasts, members.c.name, schedules.rule, schedules.next_at, schedules.state.label("schedule"))
        .join(members, members.c.id == broadcasts.c.author_id)
        .outerjoin(broadcast_schedules, schedules.broadcast_id == broadcasts.c.id)
        .where(broadcasts.c.kind == notice.kind, broadcasts.c.id != notice.id)
    )
    sent = others.where(broadcasts.c.state == "sent", broadcasts.c.sent_at.between(at - LATELY, at + LATELY))
    for row in (await db.execute(sent)).all():
        yield row, "sent", row.sent_at
    asked = select(approvals.broadcast_id).where(
        approvals.purpose == "approval", approvals.state == "waiting", approvals.requested_at >= now - LATELY
    )
    # What quiet hours hold until the morning was due up to a day before.
    due = and_(schedules.state == "active", schedules.next_at.between(at - timedelta(days=1), at + LATELY))
    wanted = or_(due, broadcasts.c.id.in_(asked)) if waiting else due
    for row in (await db.execute(others.where(broadcasts.c.state == "draft", wanted))).all():
        active = row.schedule == "active"
        ready = (
            row.next_at if active else now if row.rule is None else Rule.model_validate_json(row.rule).next_after(now)
        )
        if ready is not None and abs(goes_out_at(quiet, notice.kind, ready) - at) <= LATELY:
            yield row, "scheduled" if active else "waiting", goes_out_at(quiet, notice.kind, ready)


def _key(text: str) -> str:
    """A text as it is compared: blanks, widths, marks and punctuation make no other text."""
    folded = fold(text)
    return _SIGNS.sub("", folded) or folded
