"""The directory as it stands, in the terms of a roster, and a fingerprint that tells whether it has changed since."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.roster.model import DepartmentPath, Person, clean, folded, path_of
from bot.roster.roles import role_in
from bot.tables import addresses, departments, group_members, groups, member_roles, members

# A role limited to a department that is gone must not come back as one that holds everywhere.
_LOST: DepartmentPath = ("?",)


TABLES = (departments, members, member_roles, addresses, groups, group_members)
"""Everything that an import reads or writes."""


@dataclass(frozen=True, slots=True)
class Known:
    """A member of the directory, active or not."""

    id: int
    active: bool
    person: Person
    image: Image


@dataclass(frozen=True, slots=True)
class Image:
    """Everything about a member that an import may change, as the rows hold it."""

    name: str
    kana: str
    department_id: int
    post: str
    rank: int
    email: str | None
    active: bool
    roles: Mapping[str, int | None]  # role to the department it is limited to
    addresses: Mapping[str, tuple[str, int]]  # adapter to address and preference
    groups: tuple[str, ...] = ()  # names, in their order


@dataclass(frozen=True, slots=True)
class Directory:
    """All members by staff number, all departments by path; `codes` are the departments' codes that are taken."""

    members: Mapping[str, Known]
    departments: Mapping[DepartmentPath, int]
    codes: frozenset[str]
    fingerprint: str


async def load_to_change(db: AsyncConnection) -> Directory:
    """The directory, which nobody else changes until this transaction ends; on SQLite that is so in any case."""
    if db.dialect.name == "postgresql":
        tables = ", ".join(table.name for table in TABLES)
        await db.execute(text(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"))
    return await load(db)


async def load(db: AsyncConnection) -> Directory:
    """The directory as this transaction sees it."""
    tree = (await db.execute(select(departments).order_by(departments.c.id))).all()
    people = (await db.execute(select(members).order_by(members.c.id))).all()
    role_rows = (await db.execute(select(member_roles).order_by(*member_roles.primary_key))).all()
    # Whether somebody can be reached changes by itself and is no business of a roster.
    columns = (addresses.c.member_id, addresses.c.adapter, addresses.c.address, addresses.c.preference)
    address_rows = (await db.execute(select(*columns).order_by(*columns))).all()
    group_rows = (await db.execute(_GROUPS)).all()

    paths = _paths({row.id: (row.name, row.parent_id) for row in tree})
    roles: dict[int, dict[str, int | None]] = defaultdict(dict)
    for row in role_rows:
        roles[row.member_id][row.role] = row.department_id
    places: dict[int, dict[str, tuple[str, int]]] = defaultdict(dict)
    for row in address_rows:
        places[row.member_id][row.adapter] = (row.address, row.preference)

    belongs: dict[int, list[str]] = defaultdict(list)
    for row in group_rows:
        belongs[row.member_id].append(row.name)

    known = {}
    for row in people:
        image = Image(
            row.name,
            row.kana,
            row.department_id,
            row.post,
            row.rank,
            row.email,
            bool(row.active),
            roles.get(row.id, {}),
            places.get(row.id, {}),
            tuple(sorted(belongs.get(row.id, ()))),
        )
        code = folded(row.code)
        known[code] = Known(row.id, image.active, _person(code, image, paths), image)
    by_path: dict[DepartmentPath, int] = {}
    for department_id, path in paths.items():
        by_path.setdefault(path, department_id)
    everything = [[tuple(row) for row in rows] for rows in (tree, people, role_rows, address_rows, group_rows)]
    fingerprint = hashlib.sha256(orjson.dumps(everything)).hexdigest()
    return Directory(known, by_path, frozenset(row.code for row in tree), fingerprint)


def _person(code: str, image: Image, paths: Mapping[int, DepartmentPath]) -> Person:
    return Person(
        code=code,
        name=clean(image.name),
        department=paths[image.department_id],
        kana=clean(image.kana),
        post=clean(image.post),
        rank=image.rank,
        email=folded(image.email or ""),
        roles=frozenset(
            role_in(role, () if limit is None else paths.get(limit, _LOST)) for role, limit in image.roles.items()
        ),
        groups=frozenset(map(folded, image.groups)),
        addresses={adapter: clean(address) for adapter, (address, _) in image.addresses.items()},
    )


def _paths(tree: Mapping[int, tuple[str, int | None]]) -> dict[int, DepartmentPath]:
    """The path of every department; a department that is its own ancestor by mistake stands at the top."""
    paths: dict[int, DepartmentPath] = {}
    for department_id in tree:
        names: list[str] = []
        seen: set[int] = set()
        at: int | None = department_id
        while at is not None and at not in seen:
            seen.add(at)
            name, at = tree[at]
            names.append(name)
        paths[department_id] = path_of(*reversed(names))
    return paths


_GROUPS = (
    select(group_members.c.member_id, groups.c.name)
    .join(groups, groups.c.id == group_members.c.group_id)
    .order_by(group_members.c.member_id, groups.c.id)
)
