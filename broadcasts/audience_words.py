"""An audience as people type it: `@福祉部 @課長以上 -@総務課`, from what it was understood as.

What stands there can be typed again and means the same people; a name that two departments share comes with its path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import ROLE_NAMES
from bot.tables import departments, groups, members
from broadcasts.audience import (
    Audience,
    Both,
    Departments,
    Either,
    Everyone,
    Groups,
    Members,
    PostAndAbove,
    Posts,
    Roles,
    Without,
)
from broadcasts.naming import department_paths


@dataclass(frozen=True, slots=True)
class _Names:
    departments: Mapping[int, str]
    groups: Mapping[int, str]
    members: Mapping[int, str]


async def in_words(db: AsyncConnection, audience: Audience) -> tuple[list[str], list[str]]:
    """The names that are meant and those that are left out, without their @; nobody named means all staff."""
    left_out: list[str] = []
    if isinstance(audience, Without):
        names = await _names(db, audience)
        left_out = _listed(audience.excluded, names)
        audience = audience.base
    else:
        names = await _names(db, audience)
    return ([] if isinstance(audience, Everyone) else _listed(audience, names)), left_out


def _listed(audience: Audience, names: _Names) -> list[str]:
    match audience:
        case Everyone():
            return ["全職員"]
        case Departments(ids=ids):
            return [names.departments.get(each, str(each)) for each in ids]
        case Groups(ids=ids):
            return [names.groups.get(each, str(each)) for each in ids]
        case Members(ids=ids):
            return [names.members.get(each, str(each)) for each in ids]
        case Roles(names=roles):
            shown = {role: word for word, role in ROLE_NAMES.items()}
            return [shown.get(each, each) for each in roles]
        case Posts(names=posts):
            return list(posts)
        case PostAndAbove(post=post):
            return [f"{post}以上"]
        case Either(parts=parts):
            return [name for part in parts for name in _listed(part, names)]
        case Both(parts=parts):
            return ["&".join("、".join(_listed(part, names)) for part in parts)]
        case Without(base=base, excluded=excluded):
            return [f"{'、'.join(_listed(base, names))}-{'、'.join(_listed(excluded, names))}"]


def _ids(audience: Audience, of: type[Departments] | type[Groups] | type[Members]) -> set[int]:
    match audience:
        case Departments() | Groups() | Members():
            return set(audience.ids) if isinstance(audience, of) else set()
        case Either(parts=parts) | Both(parts=parts):
            return {number for part in parts for number in _ids(part, of)}
        case Without(base=base, excluded=excluded):
            return _ids(base, of) | _ids(excluded, of)
        case _:
            return set()


async def _departments(db: AsyncConnection) -> dict[int, str]:
    """Each by its name, or by its path where another has the same."""
    columns = (departments.c.id, departments.c.name, departments.c.parent_id)
    rows = (await db.execute(select(*columns))).all()
    held = Counter(row.name for row in rows)
    paths = department_paths(rows)
    return {row.id: row.name if held[row.name] == 1 else "/".join(paths[row.id]) for row in rows}


async def _names(db: AsyncConnection, audience: Audience) -> _Names:
    of_departments = await _departments(db) if _ids(audience, Departments) else {}
    of_groups: dict[int, str] = {}
    if wanted := _ids(audience, Groups):
        rows = await db.execute(select(groups.c.id, groups.c.name).where(groups.c.id.in_(wanted)))
        of_groups = {row.id: row.name for row in rows}
    of_members: dict[int, str] = {}
    if wanted := _ids(audience, Members):
        people = select(members.c.id, members.c.name).where(members.c.id.in_(sorted(wanted)[:1_000]))
        of_members = {row.id: "".join(row.name.split()) for row in await db.execute(people)}
    return _Names(of_departments, of_groups, of_members)
