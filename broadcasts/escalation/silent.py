"""Who is still silent, and where else they may be found; each query is the target of one set-based insert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.tables import addresses, departments, members
from broadcasts.fanout import person_key
from broadcasts.tables import broadcast_answers, broadcast_recipients

PHONE = "phone"
"""What the roster calls the column of telephone numbers: 連絡先:phone."""

Targets: TypeAlias = Select[Any]
"""Rows of (key, kind, address), as `fanout.insert_deliveries` takes them."""

recipient = broadcast_recipients.c


@dataclass(frozen=True, slots=True)
class Silent:
    """Somebody to be telephoned; `phone` is None where the directory has no number."""

    member_id: int
    code: str
    name: str
    post: str
    department_id: int
    department: str
    phone: str | None


def _is_silent(broadcast_id: int) -> ColumnElement[bool]:
    answered = (
        select(broadcast_answers.c.member_id)
        .where(
            broadcast_answers.c.broadcast_id == recipient.broadcast_id,
            broadcast_answers.c.member_id == recipient.member_id,
        )
        .exists()
    )
    return and_(recipient.broadcast_id == broadcast_id, recipient.read_at.is_(None), ~answered)


_HERE = and_(members.c.id == recipient.member_id, members.c.active)


async def count(db: AsyncConnection, broadcast_id: int) -> int:
    """How many neither read nor answered."""
    found = select(func.count()).select_from(broadcast_recipients).join(members, _HERE)
    return int(await db.scalar(found.where(_is_silent(broadcast_id))) or 0)


def by_chat(broadcast_id: int, token: str, number: int, adapter: str, adapters: Sequence[str], ordinal: int) -> Targets:
    """(key, kind, address) of those whose `ordinal`th other chat platform (from 1), by preference, is `adapter`."""
    better = addresses.alias("better")
    before = (
        select(func.count())
        .where(
            better.c.member_id == addresses.c.member_id,
            better.c.reachable,
            better.c.adapter.in_(adapters),
            better.c.adapter.is_distinct_from(recipient.adapter),
            tuple_(better.c.preference, better.c.adapter) < tuple_(addresses.c.preference, addresses.c.adapter),
        )
        .correlate(addresses, broadcast_recipients)
        .scalar_subquery()
    )
    return (
        select(_key(token, number), literal("person").label("kind"), addresses.c.address)
        .select_from(broadcast_recipients)
        .join(members, _HERE)
        .join(addresses, addresses.c.member_id == recipient.member_id)
        .where(
            _is_silent(broadcast_id),
            addresses.c.adapter == adapter,
            addresses.c.reachable,
            addresses.c.adapter.is_distinct_from(recipient.adapter),
            before == ordinal - 1,
        )
        .order_by(recipient.member_id)
    )


def by_mail(broadcast_id: int, token: str, number: int) -> Targets:
    """(key, kind, address) of those whose e-mail address is known."""
    return (
        select(_key(token, number), literal("person").label("kind"), members.c.email.label("address"))
        .select_from(broadcast_recipients)
        .join(members, _HERE)
        .where(_is_silent(broadcast_id), members.c.email.is_not(None), members.c.email != "")
        .order_by(recipient.member_id)
    )


async def by_name(db: AsyncConnection, broadcast_id: int) -> list[Silent]:
    """Everybody to be telephoned, in the order in which a call list names them: the highest post first."""
    query = (
        select(
            members.c.id,
            members.c.code,
            members.c.name,
            members.c.post,
            members.c.department_id,
            departments.c.name.label("department"),
            addresses.c.address.label("phone"),
        )
        .select_from(broadcast_recipients)
        .join(members, _HERE)
        .join(departments, departments.c.id == members.c.department_id)
        .outerjoin(addresses, and_(addresses.c.member_id == members.c.id, addresses.c.adapter == PHONE))
        .where(_is_silent(broadcast_id))
        .order_by(departments.c.position, departments.c.id, members.c.rank.desc(), members.c.kana, members.c.id)
    )
    return [Silent(*row) for row in await db.execute(query)]


def _key(token: str, number: int) -> ColumnElement[str]:
    return person_key(token, recipient.member_id, f"rung:{number}").label("key")
