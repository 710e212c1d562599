"""Exactly who would get something, by name: where each is reached, who is not, and what each platform shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Adapter
from bot.messages import Message
from bot.tables import departments, groups, members
from broadcasts.audience import AUDIENCE, Audience, Groups
from broadcasts.fanout import routes

CITY_ORDER = (
    departments.c.position,
    departments.c.id,
    members.c.rank.desc(),
    members.c.kana,
    members.c.code,
)
"""Departments as the city prints them, and within each the highest first."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person of an audience; `adapter` is None where they cannot be reached."""

    department: str
    name: str
    adapter: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """What one platform would show; `without_files` where it cannot carry those that go along."""

    message: Message
    buttons: bool
    without_files: bool

    @classmethod
    def on(cls, adapter: Adapter, whole: Message, shaped: Message) -> Shape:
        """`whole` as it was written, `shaped` as it goes to this platform."""
        here = adapter.capabilities
        return cls(shaped, here.buttons > 0, not here.carries(whole.attachments))


@dataclass(frozen=True, slots=True)
class Addressees:
    """Who would get something that belongs to the notice `number`, and what each platform would show of it.

    `besides` are in its rooms and see it there, though it is not for them.
    """

    number: int
    people: Sequence[Recipient]
    shapes: Mapping[str, Shape]
    besides: Sequence[Recipient] = ()


async def recipients(db: AsyncConnection, draft: Row[Any], adapters: Sequence[str]) -> list[Recipient]:
    """Everybody, through the very statement that would send it, in the city's order."""
    return await _reached(db, AUDIENCE.validate_json(draft.audience), draft.audience_key, adapters)


async def in_group(db: AsyncConnection, name: str, adapters: Sequence[str]) -> list[Recipient]:
    """Everybody in the group of this name, in the city's order; nobody if there is none."""
    ids = tuple(await db.scalars(select(groups.c.id).where(groups.c.name == name)))
    return await _reached(db, Groups(ids=ids), None, adapters)


async def _reached(
    db: AsyncConnection, audience: Audience, audience_key: str | None, adapters: Sequence[str]
) -> list[Recipient]:
    route = routes(audience, audience_key, adapters).subquery("route")
    rows = await db.execute(
        select(departments.c.name.label("department"), members.c.name, route.c.adapter)
        .select_from(route)
        .join(members, members.c.id == route.c.member_id)
        .join(departments, departments.c.id == route.c.department_id)
        .order_by(*CITY_ORDER)
    )
    return [Recipient(*row) for row in rows]
