"""Rooms of standing audiences as rows: what `broadcasts.rooms.plan` says, compared with who sits where."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.tables import departments, members
from broadcasts import audience as audiences
from broadcasts.fanout import first_addresses
from broadcasts.rooms import plan
from broadcasts.tables import broadcasts, room_places, rooms
from broadcasts.wording import Wording


@dataclass(slots=True)
class Change:
    """What must be written so that the rows say what is wanted; nothing in it means that they do."""

    audience_key: str
    adapter: str
    rooms: list[int]
    """Ids of the rooms that there are; a seat's number is an index into it, or beyond it for a room to be made."""
    seats: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Newcomers: member -> (room number, address)."""
    returning: list[int] = field(default_factory=list)
    """Members who were to leave and are wanted again in the same room."""
    leaving: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.seats or self.returning or self.leaving)


async def standing_keys(db: AsyncConnection) -> list[str]:
    """All staff, and every department to which a notice was ever drafted."""
    used = await db.scalars(select(broadcasts.c.audience_key).where(broadcasts.c.audience_key.is_not(None)).distinct())
    return sorted({audiences.standing_key(audiences.EVERYONE) or "", *used})


async def compare(db: AsyncConnection, audience_key: str, adapter: str, size: int, adapters: Sequence[str]) -> Change:
    """What to change in an audience's rooms on one platform.

    Whoever must change the room, or has got another address, leaves first and is seated anew once they are out:
    nobody is ever in two rooms.
    """
    room_ids = list(
        await db.scalars(
            select(rooms.c.id)
            .where(rooms.c.audience_key == audience_key, rooms.c.adapter == adapter)
            .order_by(rooms.c.id)
        )
    )
    places = {
        row.member_id: row
        for row in await db.execute(select(room_places).where(room_places.c.audience_key == audience_key))
    }
    number_of = {room_id: number for number, room_id in enumerate(room_ids)}
    people = await _people(db, audience_key, adapter, adapters)
    addresses = {person.id: person.address for person in people}
    seated = {
        member: number_of[place.room_id]
        for member, place in places.items()
        if place.room_id in number_of and place.address == addresses.get(member)
    }
    wanted = [person.id for person in people if person.id in seated or person.id not in places]
    change = Change(audience_key, adapter, room_ids)
    if not room_ids and len(wanted) < 2:
        return change
    seats = plan(seated, wanted, size=size, rooms=len(room_ids))
    for member, place in places.items():
        if place.room_id not in number_of:
            continue
        stays = member in seated and seats.get(member) == seated[member]
        if stays and place.state == "leaving":
            change.returning.append(member)
        elif not stays and place.state != "leaving":
            change.leaving.append(member)
    change.seats = {member: (number, addresses[member]) for member, number in seats.items() if member not in places}
    return change


async def _people(
    db: AsyncConnection, audience_key: str, adapter: str, adapters: Sequence[str]
) -> Sequence[Row[int, str]]:
    """Those of the audience who are best reached on a platform, colleagues side by side."""
    home = first_addresses(adapters)
    found = await db.execute(
        select(members.c.id, home.c.address)
        .join(home, home.c.member_id == members.c.id)
        .join(departments, departments.c.id == members.c.department_id)
        .where(
            members.c.active,
            audiences.condition(audiences.standing_audience(audience_key)),
            home.c.adapter == adapter,
        )
        .order_by(departments.c.position, departments.c.id, members.c.id)
    )
    return found.all()


async def write(db: AsyncConnection, change: Change, wording: Wording) -> None:
    """Put a change on record; the platform follows later."""
    room_ids = list(change.rooms)
    last = max((number for number, _ in change.seats.values()), default=-1)
    department = await _department_name(db, change.audience_key)
    while len(room_ids) <= last:
        made = await db.execute(
            insert(rooms).values(
                audience_key=change.audience_key,
                adapter=change.adapter,
                token=secrets.token_hex(12),
                title=wording.room_title(department, len(room_ids) + 1),
            )
        )
        assert made.inserted_primary_key is not None
        room_ids.append(int(made.inserted_primary_key[0]))
    if change.seats:
        await db.execute(
            insert(room_places),
            [
                {
                    "audience_key": change.audience_key,
                    "member_id": member,
                    "room_id": room_ids[number],
                    "address": address,
                    "state": "wanted",
                }
                for member, (number, address) in change.seats.items()
            ],
        )
    for state, changed in (("wanted", change.returning), ("leaving", change.leaving)):
        for start in range(0, len(changed), 1_000):
            await db.execute(
                update(room_places)
                .where(
                    room_places.c.audience_key == change.audience_key,
                    room_places.c.member_id.in_(changed[start : start + 1_000]),
                )
                .values(state=state)
            )


async def _department_name(db: AsyncConnection, audience_key: str) -> str | None:
    match audiences.standing_audience(audience_key):
        case audiences.Departments(ids=(department_id,)):
            name: str | None = await db.scalar(select(departments.c.name).where(departments.c.id == department_id))
            return name
    return None


async def settle(db: AsyncConnection, room_id: int, present: Sequence[str]) -> bool:
    """Put on record who is in a room, as the platform says; whether everybody is where they should be."""
    places = (await db.execute(select(room_places).where(room_places.c.room_id == room_id))).all()
    inside = set(present)
    arrived = [place.member_id for place in places if place.state == "wanted" and place.address in inside]
    gone = [place.member_id for place in places if place.state == "leaving" and place.address not in inside]
    if arrived:
        await db.execute(
            update(room_places)
            .where(room_places.c.room_id == room_id, room_places.c.member_id.in_(arrived))
            .values(state="present")
        )
    if gone:
        await db.execute(delete(room_places).where(room_places.c.room_id == room_id, room_places.c.member_id.in_(gone)))
    await db.execute(update(rooms).where(rooms.c.id == room_id).values(changing_until=None))
    return all(
        place.state in {"present", "absent"} or place.member_id in arrived or place.member_id in gone
        for place in places
    )


async def begin_anew(db: AsyncConnection, room_id: int) -> Row[Any]:
    """Forget which room of the platform this was: another is to be made for those who were in it; the new row."""
    await db.execute(delete(room_places).where(room_places.c.room_id == room_id, room_places.c.state == "leaving"))
    await db.execute(
        update(room_places)
        .where(room_places.c.room_id == room_id, room_places.c.state == "present")
        .values(state="wanted")
    )
    # Under its old key, the platform would hand out the old room.
    await db.execute(update(rooms).where(rooms.c.id == room_id).values(platform_id=None, token=secrets.token_hex(12)))
    return (await db.execute(select(rooms).where(rooms.c.id == room_id))).one()


async def left(db: AsyncConnection, adapter: str, platform_id: str, address: str) -> None:
    """Somebody left a room by themselves: from now on notices reach them by pair talk."""
    here = _place(adapter, platform_id, address)
    await db.execute(update(room_places).where(here, room_places.c.state == "present").values(state="absent"))


async def joined(db: AsyncConnection, adapter: str, platform_id: str, address: str) -> None:
    """Somebody who had left a room by themselves came back."""
    here = _place(adapter, platform_id, address)
    await db.execute(update(room_places).where(here, room_places.c.state == "absent").values(state="present"))


def _place(adapter: str, platform_id: str, address: str) -> ColumnElement[bool]:
    room = select(rooms.c.id).where(rooms.c.adapter == adapter, rooms.c.platform_id == platform_id)
    return and_(room_places.c.room_id.in_(room), room_places.c.address == address)
