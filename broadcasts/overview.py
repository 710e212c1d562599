"""What became of notices, at a glance: sent, waiting for approval, scheduled, or still a draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, and_, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import Member
from bot.tables import members
from broadcasts import rights
from broadcasts.audience import Everyone
from broadcasts.drafting_tables import broadcast_approvals, broadcast_schedules
from broadcasts.kinds import Kind
from broadcasts.tables import broadcast_recipients, broadcasts

Standing = Literal["sent", "recalled", "draft", "waiting", "scheduled"]
PAGE = 10
"""Notices on one page."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A notice in a list; `at` is when it was sent, will be sent, must be decided, or was drafted."""

    id: int
    kind: Kind
    standing: Standing
    at: datetime
    text: str
    author: str
    read: int = 0
    recipients: int = 0


_waiting = and_(
    broadcast_approvals.c.broadcast_id == broadcasts.c.id,
    broadcast_approvals.c.purpose == "approval",
    broadcast_approvals.c.state == "waiting",
)
_planned = and_(broadcast_schedules.c.broadcast_id == broadcasts.c.id, broadcast_schedules.c.state == "active")
_standing: ColumnElement[str] = case(
    (broadcasts.c.state.in_(("sent", "recalled")), broadcasts.c.state),
    (broadcast_schedules.c.broadcast_id.is_not(None), literal("scheduled")),
    (broadcast_approvals.c.id.is_not(None), literal("waiting")),
    else_=literal("draft"),
)


async def overview(
    db: AsyncConnection, member: Member, standing: Standing | None = None, page: int = 0
) -> tuple[list[Listed], bool]:
    """The notices that a member may see, the newest first, and whether there are more behind this page.

    Everybody sees their own; whoever may send to all staff, or may look at all receipts, sees all.
    """
    query = (
        select(
            broadcasts,
            _standing.label("standing"),
            members.c.name.label("author"),
            broadcast_approvals.c.expires_at,
            broadcast_schedules.c.next_at,
        )
        .join(members, members.c.id == broadcasts.c.author_id)
        .outerjoin(broadcast_approvals, _waiting)
        .outerjoin(broadcast_schedules, _planned)
        .where(broadcasts.c.state != "cancelled")
        .order_by(broadcasts.c.id.desc())
        .offset(page * PAGE)
        .limit(PAGE + 1)
    )
    whole = (rights.reach(member, rights.SENDERS), rights.reach(member, rights.READERS))
    if not any(isinstance(each, Everyone) for each in whole):
        query = query.where(broadcasts.c.author_id == member.id)
    if standing is not None:
        query = query.where(_standing == standing)
    rows = (await db.execute(query)).all()
    counts = await _counts(db, [row.id for row in rows])
    return [_listed(row, *counts.get(row.id, (0, 0))) for row in rows[:PAGE]], len(rows) > PAGE


async def _counts(db: AsyncConnection, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
    here = broadcast_recipients.c
    query = (
        select(here.broadcast_id, func.count(here.read_at).label("read"), func.count().label("recipients"))
        .where(here.broadcast_id.in_(numbers))
        .group_by(here.broadcast_id)
    )
    return {row.broadcast_id: (row.read, row.recipients) for row in await db.execute(query)}


def _listed(row: Row[Any], read: int, recipients: int) -> Listed:
    at = {"scheduled": row.next_at, "waiting": row.expires_at, "draft": row.created_at}.get(row.standing, row.sent_at)
    return Listed(row.id, row.kind, row.standing, at or row.created_at, row.text, row.author, read, recipients)
