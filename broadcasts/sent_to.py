"""Whom a notice has gone to, and how what follows it reaches each: through its room, by pair talk, by e-mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.tables import addresses, departments, members
from broadcasts import fanout
from broadcasts.people import CITY_ORDER, Recipient
from broadcasts.tables import broadcast_recipients, room_places, rooms

recipient = broadcast_recipients.c

_in_room = (
    select(room_places.c.member_id)
    .where(
        room_places.c.member_id == recipient.member_id,
        room_places.c.room_id == recipient.room_id,
        room_places.c.state.in_(("present", "leaving")),
    )
    .exists()
)
_at_their_address = and_(addresses.c.member_id == recipient.member_id, addresses.c.adapter == recipient.adapter)


def _to_each(broadcast_id: int, keys: str, address: ColumnElement[Any]) -> Select[tuple[str, str, str]]:
    """(key, kind, address) of every recipient; whoever calls joins what `address` is a column of."""
    key = fanout.person_key(keys, recipient.member_id).label("key")
    chosen = select(key, literal("person").label("kind"), address.label("address")).select_from(broadcast_recipients)
    return chosen.where(recipient.broadcast_id == broadcast_id).order_by(recipient.member_id)


def outside_rooms(broadcast_id: int, keys: str, adapter: str) -> Select[tuple[str, str, str]]:
    """(key, kind, address) of the recipients whom no room of the notice reaches now."""
    people = _to_each(broadcast_id, keys, addresses.c.address).join(addresses, _at_their_address)
    return people.where(recipient.adapter == adapter, ~_in_room)


def at_home(
    broadcast_id: int, keys: str, gone: Sequence[str], adapter: str, adapters: Sequence[str]
) -> Select[tuple[str, str, str]]:
    """(key, kind, address) of those who got it on a platform that is plugged in no more, and are best reached here."""
    home = fanout.first_addresses(adapters)
    people = _to_each(broadcast_id, keys, home.c.address).join(home, home.c.member_id == recipient.member_id)
    return people.where(recipient.adapter.in_(gone), home.c.adapter == adapter)


def by_mail(broadcast_id: int, keys: str, adapter: str) -> Select[tuple[str, str, str]]:
    """(key, kind, address) of the recipients who got the notice by e-mail, because no chat took it for them."""
    people = _to_each(broadcast_id, keys, members.c.email).join(members, members.c.id == recipient.member_id)
    return people.where(recipient.adapter == adapter, members.c.email != "")


async def recipients(
    db: AsyncConnection, broadcast_id: int, adapters: Sequence[str], mail: str | None
) -> list[Recipient]:
    """Everybody who got it, in the city's order, with the platform by which they would get what follows now.

    `adapters` are plugged in, `mail` is the one that sends e-mail, if any.
    """
    home = fanout.first_addresses(adapters)
    here = case(
        (recipient.adapter == mail, case((members.c.email != "", recipient.adapter))),
        (recipient.adapter.not_in(adapters), home.c.adapter),
        (or_(_in_room, addresses.c.address.is_not(None)), recipient.adapter),
    )
    rows = await db.execute(
        select(departments.c.name.label("department"), members.c.name, here.label("adapter"))
        .select_from(broadcast_recipients)
        .join(members, members.c.id == recipient.member_id)
        .join(departments, departments.c.id == members.c.department_id)
        .outerjoin(addresses, _at_their_address)
        .outerjoin(home, home.c.member_id == recipient.member_id)
        .where(recipient.broadcast_id == broadcast_id)
        .order_by(*CITY_ORDER)
    )
    return [Recipient(*row) for row in rows]


async def newcomers(db: AsyncConnection, broadcast_id: int) -> list[Recipient]:
    """Those who have come into a room of the notice since, and see what follows there."""
    used = select(recipient.room_id).where(recipient.broadcast_id == broadcast_id, recipient.room_id.is_not(None))
    had_it = select(recipient.member_id).where(recipient.broadcast_id == broadcast_id)
    rows = await db.execute(
        select(departments.c.name.label("department"), members.c.name, rooms.c.adapter)
        .select_from(room_places)
        .join(rooms, rooms.c.id == room_places.c.room_id)
        .join(members, members.c.id == room_places.c.member_id)
        .join(departments, departments.c.id == members.c.department_id)
        .where(
            room_places.c.room_id.in_(used),
            room_places.c.state.in_(("present", "leaving")),
            room_places.c.member_id.not_in(had_it),
        )
        .order_by(*CITY_ORDER)
    )
    return [Recipient(*row) for row in rows]
