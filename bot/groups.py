"""Named groups of staff that cut across departments: 災害連絡用, 消防団 …"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.folding import fold, same
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
    """The ids of groups by name; those that are not there yet under any spelling are made."""
    if not names:
        return {}
    query = select(groups.c.name, groups.c.id).order_by(groups.c.id)
    known = _Known((await db.execute(query)).all())
    if missing := {fold(name): name for name in sorted(names, reverse=True) if name not in known}:
        await db.execute(insert(groups), [{"name": name} for name in sorted(missing.values())])
        known = _Known((await db.execute(query)).all())
    return {name: known[name] for name in names}


async def known_as(db: AsyncConnection, name: str) -> str | None:
    """The name of the group that somebody means, as it is stored; None if there is no such group."""
    found = (await db.scalars(select(groups.c.name).order_by(groups.c.id))).all()
    if name in found:
        return name
    return next((each for each in found if same(each, name)), None)


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
    group_id = select(groups.c.id).where(groups.c.name == await known_as(db, name)).scalar_subquery()
    gone = await db.execute(
        delete(group_members).where(group_members.c.group_id == group_id, group_members.c.member_id.in_(people))
    )
    return gone.rowcount


async def drop(db: AsyncConnection, name: str) -> bool:
    """Do away with a group; False if there is none of that name."""
    name = await known_as(db, name) or name
    group_id = select(groups.c.id).where(groups.c.name == name).scalar_subquery()
    await db.execute(delete(group_members).where(group_members.c.group_id == group_id))
    return (await db.execute(delete(groups).where(groups.c.name == name))).rowcount > 0


class _Known(dict[str, int]):
    """Ids by name: the very name if there is a group of it, else one that is the same to a reader."""

    def __init__(self, rows: Sequence[Any]) -> None:
        super().__init__((row.name, row.id) for row in rows)
        self._folded: dict[str, int] = {}
        for row in rows:
            self._folded.setdefault(fold(row.name), row.id)

    def __missing__(self, name: str) -> int:
        return self._folded[fold(name)]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or fold(str(name)) in self._folded
