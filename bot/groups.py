"""Named groups of staff that cut across departments: 災害連絡用, 消防団 …"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.tables import group_members, groups, members


@dataclass(frozen=True, slots=True)
class Group:
    """A group and how many active members it has."""

    id: int
    name: str
    size: int


async def all_groups(db: AsyncConnection) -> list[Group]:
    """Every group, by name."""
    rows = await db.execute(
        select(groups.c.id, groups.c.name, func.count(members.c.id))
        .outerjoin(group_members, group_members.c.group_id == groups.c.id)
        .outerjoin(members, (members.c.id == group_members.c.member_id) & members.c.active)
        .group_by(groups.c.id, groups.c.name)
        .order_by(groups.c.name)
    )
    return [Group(*row) for row in rows]


async def made(db: AsyncConnection, names: Collection[str]) -> dict[str, int]:
    """The ids of groups by name; those that are not there yet are made."""
    if not names:
        return {}
    query = select(groups.c.name, groups.c.id).where(groups.c.name.in_(names))
    found = {row.name: row.id for row in await db.execute(query)}
    if missing := sorted(set(names) - found.keys()):
        await db.execute(insert(groups), [{"name": name} for name in missing])
        found = {row.name: row.id for row in await db.execute(query)}
    return found


async def add(db: AsyncConnection, name: str, people: Sequence[int]) -> int:
    """Bring members into a group, which is made if there is none of that name; how many were not in it before."""
    group_id = (await made(db, {name}))[name]
    known = set(await db.scalars(select(group_members.c.member_id).where(group_members.c.group_id == group_id)))
    new = [
        {"group_id": group_id, "member_id": member_id} for member_id in dict.fromkeys(people) if member_id not in known
    ]
    if new:
        await db.execute(insert(group_members), new)
    return len(new)


async def remove(db: AsyncConnection, name: str, people: Sequence[int]) -> int:
    """Take members out of a group; how many were in it."""
    group_id = select(groups.c.id).where(groups.c.name == name).scalar_subquery()
    gone = await db.execute(
        delete(group_members).where(group_members.c.group_id == group_id, group_members.c.member_id.in_(people))
    )
    return gone.rowcount


async def exists(db: AsyncConnection, name: str) -> bool:
    """Whether there is a group of that name."""
    return (await db.execute(select(groups.c.id).where(groups.c.name == name))).first() is not None


async def drop(db: AsyncConnection, name: str) -> bool:
    """Do away with a group; False if there is none of that name."""
    group_id = select(groups.c.id).where(groups.c.name == name).scalar_subquery()
    await db.execute(delete(group_members).where(group_members.c.group_id == group_id))
    return (await db.execute(delete(groups).where(groups.c.name == name))).rowcount > 0
