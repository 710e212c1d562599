"""One notice to many, queued by a handful of statements however many they are.

Who has a seat in a room that is ready gets the notice through that room's one delivery; everybody else gets it by
pair talk, at once, so nobody waits for a room to be made. Which of the two stands in the recipient's row, and a
delivery's key is made of it: no second run can queue a second copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Insert,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import Message, Priority
from bot.storage import UtcDateTime
from bot.tables import addresses, deliveries, members, messages
from broadcasts.audience import Audience, condition
from broadcasts.tables import broadcast_messages, broadcast_recipients, room_places, rooms

Purpose = Literal["notice", "reminder", "correction"]

recipients = broadcast_recipients.c


def routes(audience: Audience, audience_key: str | None, adapters: Sequence[str]) -> Select[tuple[int, int, str, int]]:
    """How each member of the audience is reached: (member_id, department_id, adapter or NULL, room_id or NULL)."""
    seat = _seats(audience_key, adapters)
    home = first_addresses(adapters)
    return (
        select(
            members.c.id.label("member_id"),
            members.c.department_id,
            func.coalesce(seat.c.adapter, home.c.adapter).label("adapter"),
            seat.c.room_id,
        )
        .outerjoin(seat, seat.c.member_id == members.c.id)
        .outerjoin(home, home.c.member_id == members.c.id)
        .where(members.c.active, condition(audience))
    )


async def fingerprint(
    db: AsyncConnection, audience: Audience, audience_key: str | None, adapters: Sequence[str]
) -> str:
    """A short name for exactly these people and the platform each is reached on; any other gives another.

    Whether it is by room or by pair talk is not in it: rooms become ready while somebody reads the preview.
    """
    digest = hashlib.sha256()
    for row in await db.execute(_reached(audience, audience_key, tuple(adapters))):
        digest.update(f"{row[0]}:{row[1]},".encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=64)  # a draft is looked at three times, and most go to the same people
def _reached(audience: Audience, audience_key: str | None, adapters: tuple[str, ...]) -> Select[int, str]:
    route = routes(audience, audience_key, adapters).subquery("route")
    return select(route.c.member_id, route.c.adapter).order_by(route.c.member_id)


def first_addresses(
    adapters: Sequence[str] | BindParameter[Sequence[str]], *, avoiding: Collection[str] = ()
) -> Subquery:
    """Where each member is best reached: their first reachable address on a platform that is plugged in.

    A platform of `avoiding` (it is down) is somebody's best only if they have no other.
    """
    better = addresses.alias("better")
    ranks = [
        (*([case((each.c.adapter.in_(avoiding), 1), else_=0)] if avoiding else []), each.c.preference, each.c.adapter)
        for each in (better, addresses)
    ]
    # Not a window function: this form is answered from the key of `addresses`, member by member, on both databases.
    overruled = (
        select(better.c.member_id)
        .where(
            better.c.member_id == addresses.c.member_id,
            better.c.reachable,
            better.c.adapter.in_(adapters),
            tuple_(*ranks[0]) < tuple_(*ranks[1]),
        )
        .exists()
    )
    return (
        select(addresses.c.member_id, addresses.c.adapter, addresses.c.address)
        .where(addresses.c.reachable, addresses.c.adapter.in_(adapters), ~overruled)
        .subquery("home")
    )


def _seats(audience_key: str | None, adapters: Sequence[str]) -> Subquery:
    """Who is in which room right now. A room whose members are being changed is not used: who is in it is unsure."""
    return (
        select(room_places.c.member_id, room_places.c.room_id, rooms.c.adapter)
        .join(rooms, rooms.c.id == room_places.c.room_id)
        .where(
            room_places.c.audience_key == (audience_key or ""),
            room_places.c.state.in_(("present", "leaving")),
            rooms.c.platform_id.is_not(None),
            rooms.c.changing_until.is_(None),
            rooms.c.adapter.in_(adapters),
        )
        .subquery("seat")
    )


async def add_recipients(
    db: AsyncConnection, broadcast_id: int, audience: Audience, audience_key: str | None, adapters: Sequence[str]
) -> int:
    """Fix who gets the notice and how; how many they are."""
    if audience_key is not None and db.dialect.name == "postgresql":
        # A room that is read as ready here must not begin to change before this commits. SQLite has one writer.
        await db.execute(select(rooms.c.id).where(rooms.c.audience_key == audience_key).with_for_update())
    route = routes(audience, audience_key, adapters).subquery("route")
    inserted = await db.execute(
        insert(broadcast_recipients).from_select(
            ["broadcast_id", "member_id", "department_id", "adapter", "room_id"],
            # In the order of the key: a tree that grows at its end is several times quicker than one that is riddled.
            select(
                literal(broadcast_id),
                route.c.member_id,
                route.c.department_id,
                route.c.adapter,
                route.c.room_id,
            ).order_by(route.c.member_id),
        )
    )
    return int(inserted.rowcount)


async def used_adapters(db: AsyncConnection, broadcast_id: int) -> list[str]:
    """The platforms on which a notice has recipients."""
    names = select(recipients.adapter).where(recipients.broadcast_id == broadcast_id, recipients.adapter.is_not(None))
    return sorted(name for name in await db.scalars(names.distinct()) if name is not None)


async def add_message(
    db: AsyncConnection, broadcast_id: int, purpose: Purpose, message: Message, now: datetime, number: int = 0
) -> int:
    """Store a message once, for however many deliveries, and tie it to its notice; its id."""
    stored = await db.execute(insert(messages).values(body=message.model_dump_json(), created_at=now))
    assert stored.inserted_primary_key is not None
    message_id = int(stored.inserted_primary_key[0])
    await db.execute(
        insert(broadcast_messages).values(
            message_id=message_id, broadcast_id=broadcast_id, purpose=purpose, number=number
        )
    )
    return message_id


async def add_deliveries(
    db: AsyncConnection,
    broadcast_id: int,
    token: str,
    adapter: str,
    message: Message,
    *,
    priority: Priority,
    now: datetime,
    due_at: datetime | None = None,
) -> None:
    """Queue the notice for the recipients on one platform: a delivery each room, a delivery each person left over."""
    message_id = await add_message(db, broadcast_id, "notice", message, now)
    here = and_(recipients.broadcast_id == broadcast_id, recipients.adapter == adapter)
    used_rooms = select(recipients.room_id).where(here, recipients.room_id.is_not(None)).distinct()
    by_room = select(
        room_key(token, rooms.c.id).label("key"), literal("room").label("kind"), rooms.c.platform_id.label("address")
    ).where(rooms.c.id.in_(used_rooms))
    by_person = (
        select(
            person_key(token, recipients.member_id).label("key"), literal("person").label("kind"), addresses.c.address
        )
        .join(addresses, and_(addresses.c.member_id == recipients.member_id, addresses.c.adapter == adapter))
        .where(here, recipients.room_id.is_(None))
        .order_by(recipients.member_id)
    )
    for targets in (by_room, by_person):
        await insert_deliveries(
            db, targets, message_id, adapter, topic=message.reference, priority=priority, now=now, due_at=due_at
        )


async def insert_deliveries(
    db: AsyncConnection,
    targets: Select[tuple[str, str, str]],
    message_id: int,
    adapter: str,
    *,
    topic: str | None,
    priority: Priority,
    now: datetime,
    due_at: datetime | None = None,
) -> int:
    """Queue one message for every row (key, kind, address) of `targets`; how many they are. Ring the outbox after.

    It goes out at once, or once `due_at` has come.
    """
    target = targets.subquery("target")
    columns: dict[Column[Any], ColumnElement[Any]] = {
        deliveries.c.key: target.c.key,
        deliveries.c.kind: target.c.kind,
        deliveries.c.address: target.c.address,
        deliveries.c.message_id: literal(message_id),
        deliveries.c.adapter: literal(adapter),
        deliveries.c.topic: literal(topic, Text),
        deliveries.c.priority: literal(int(priority)),
        deliveries.c.due_at: literal(due_at or now, UtcDateTime),
        deliveries.c.created_at: literal(now, UtcDateTime),
    }
    inserted = await db.execute(
        insert(deliveries).from_select(list(columns), select(*columns.values()), include_defaults=False)
    )
    return int(inserted.rowcount)


def insert_once(chosen: Select[Any]) -> Mapping[str, Insert]:
    """Deliveries out of a SELECT, a statement for each dialect; a key that is there already is passed over."""
    columns = list(chosen.selected_columns.keys())
    return {
        name: dialect.insert(deliveries)
        .from_select(columns, chosen, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["key"])
        for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
    }


def room_key(token: str | ColumnElement[str], room_id: ColumnElement[Any]) -> ColumnElement[str]:
    """The delivery key of a notice to a room."""
    return _begun(token, ":room:") + cast(room_id, Text)


def person_key(
    token: str | ColumnElement[str], member_id: ColumnElement[Any], purpose: str = "person"
) -> ColumnElement[str]:
    """The delivery key of a notice, or of one of its reminders, to a person."""
    return _begun(token, f":{purpose}:") + cast(member_id, Text)


def _begun(token: str | ColumnElement[str], rest: str) -> ColumnElement[str]:
    return literal(f"{token}{rest}") if isinstance(token, str) else token + literal(rest)


def moved_key(
    token: ColumnElement[str], delivery_id: ColumnElement[Any], member_id: ColumnElement[Any]
) -> ColumnElement[str]:
    """The delivery key of the copy that a member gets instead of a delivery."""
    return token + literal(":moved:") + cast(delivery_id, Text) + literal(":") + cast(member_id, Text)


def notice_key(token: str | ColumnElement[str]) -> ColumnElement[str]:
    """The delivery key of a notice to a row of `broadcast_recipients`, by room or by pair talk."""
    return case(
        (
            recipients.instead_of.is_not(None),
            moved_key(literal(token) if isinstance(token, str) else token, recipients.instead_of, recipients.member_id),
        ),
        (recipients.room_id.is_(None), person_key(token, recipients.member_id)),
        else_=room_key(token, recipients.room_id),
    )
