"""The staff directory: who works here, in which department, with which post and roles, and where they can be reached.

Members and departments are never deleted, only made inactive: receipts and answers of last month keep their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Table, and_, bindparam, case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.tables import addresses, departments, member_roles, members
from bot.unreachable import AGAIN

HEADQUARTERS = "headquarters"
"""May send to all staff: the disaster headquarters."""
ADMINISTRATOR = "administrator"
"""Looks after the bot: the digital-promotion section."""
SENDER = "sender"
"""May send notices, usually to one subtree of departments only."""
APPROVER = "approver"
"""May approve what others want to send."""
DUTY_OFFICER = "duty_officer"
"""The headquarters' officer on duty: may send an emergency alone, and is reviewed afterwards."""
LIAISON = "liaison"
"""Telephones those of a section whom no message reaches."""

ROLE_NAMES: Mapping[str, str] = {
    "災害対策本部": HEADQUARTERS,
    "本部": HEADQUARTERS,
    "管理者": ADMINISTRATOR,
    "発信者": SENDER,
    "承認者": APPROVER,
    "当直責任者": DUTY_OFFICER,
    "連絡員": LIAISON,
}
"""What people call the roles, in rosters and in the chat."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of staff; `code` is the staff number.

    `roles` hold everywhere; `limited` are (role, department id) that hold only in that department and below it.
    `reachable` is false where the address by which they were found counts as one that messages do not reach.
    """

    id: int
    code: str
    name: str
    department_id: int
    department: str
    post: str = ""
    rank: int = 0
    roles: frozenset[str] = frozenset()
    limited: frozenset[tuple[str, int]] = frozenset()
    reachable: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as a roster or a platform's user list describes them; `addresses` maps adapter to platform id."""

    code: str
    name: str
    department: str
    kana: str = ""
    post: str = ""
    rank: int = 0
    email: str | None = None
    roles: Sequence[str] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)


async def member_at(db: AsyncConnection, adapter: str, address: str) -> Member | None:
    """The active member behind a platform's id, or None for a stranger."""
    return _with_roles((await db.execute(_AT_ADDRESS, {"adapter": adapter, "address": address})).all())


async def member_by_code(db: AsyncConnection, code: str) -> Member | None:
    """The active member with a staff number, or None."""
    return _with_roles((await db.execute(_BY_CODE, {"code": code})).all())


async def save(db: AsyncConnection, entries: Iterable[Entry]) -> int:
    """Create or change members by their code, with departments by name, roles and addresses; how many were given.

    Roles and addresses of an entry replace what was there. Members who are not among the entries stay as they are.
    """
    known_departments = {row.name: row.id for row in await db.execute(select(departments.c.id, departments.c.name))}
    known_members = {row.code: row.id for row in await db.execute(select(members.c.id, members.c.code))}
    count = 0
    for entry in entries:
        count += 1
        if entry.department not in known_departments:
            known_departments[entry.department] = await _insert(
                db, departments, code=entry.department, name=entry.department, position=len(known_departments)
            )
        values = {
            "name": entry.name,
            "kana": entry.kana,
            "department_id": known_departments[entry.department],
            "post": entry.post,
            "rank": entry.rank,
            "email": entry.email,
            "active": True,
        }
        member_id = known_members.get(entry.code)
        if member_id is None:
            member_id = known_members[entry.code] = await _insert(db, members, code=entry.code, **values)
        else:
            await db.execute(update(members).where(members.c.id == member_id).values(values))
            await db.execute(delete(member_roles).where(member_roles.c.member_id == member_id))
            await db.execute(delete(addresses).where(addresses.c.member_id == member_id))
        if entry.roles:
            await db.execute(insert(member_roles), [{"member_id": member_id, "role": role} for role in entry.roles])
        if entry.addresses:
            await db.execute(
                insert(addresses),
                [
                    {"member_id": member_id, "adapter": adapter, "address": address, "preference": preference}
                    for preference, (adapter, address) in enumerate(entry.addresses.items())
                ],
            )
    return count


async def link_addresses(db: AsyncConnection, adapter: str, people: Mapping[str, str]) -> int:
    """Note where members are on a platform: `people` maps staff numbers to platform ids; how many are new or changed.

    An address is added after those that a member already has, so it is the last one tried. Staff numbers that the
    directory does not know are passed over. Whom a platform lists is there, whatever it refused before.
    """
    rows = await db.execute(
        select(
            members.c.id,
            members.c.code,
            func.max(addresses.c.preference).label("last"),
            func.max(case((addresses.c.adapter == adapter, addresses.c.address))).label("here"),
            func.count(case((and_(addresses.c.adapter == adapter, ~addresses.c.reachable), 1))).label("refused"),
        )
        .outerjoin(addresses, addresses.c.member_id == members.c.id)
        .group_by(members.c.id, members.c.code)
    )
    changed = [row for row in rows if row.code in people and (row.here != people[row.code] or row.refused)]
    for row in changed:
        if row.here is not None:
            here = (addresses.c.member_id == row.id, addresses.c.adapter == adapter)
            await db.execute(update(addresses).where(*here).values(address=people[row.code], **AGAIN))
    new = [
        {
            "member_id": row.id,
            "adapter": adapter,
            "address": people[row.code],
            "preference": 0 if row.last is None else row.last + 1,
        }
        for row in changed
        if row.here is None
    ]
    if new:
        await db.execute(insert(addresses), new)
    return len(changed)


# Built once: to compose a statement costs more than to carry it out, and every event asks who it was.
_MEMBERS = (
    select(
        members.c.id,
        members.c.code,
        members.c.name,
        members.c.department_id,
        departments.c.name.label("department"),
        members.c.post,
        members.c.rank,
        member_roles.c.role,
        member_roles.c.department_id.label("limit"),
    )
    .join(departments, departments.c.id == members.c.department_id)
    .outerjoin(member_roles, member_roles.c.member_id == members.c.id)  # a row for each role, or one without
    .where(members.c.active)
)
_AT_ADDRESS = (
    _MEMBERS.add_columns(addresses.c.reachable)
    .join(addresses, addresses.c.member_id == members.c.id)
    .where(addresses.c.adapter == bindparam("adapter"), addresses.c.address == bindparam("address"))
)
_BY_CODE = _MEMBERS.where(members.c.code == bindparam("code"))


def _with_roles(rows: Sequence[Row[*tuple[Any, ...]]]) -> Member | None:
    if not rows:
        return None
    member_id, code, name, department_id, department, post, rank, _, _, *here = rows[0]
    return Member(
        member_id,
        code,
        name,
        department_id,
        department,
        post,
        rank,
        roles=frozenset(each.role for each in rows if each.role is not None and each.limit is None),
        limited=frozenset((each.role, each.limit) for each in rows if each.limit is not None),
        reachable=all(here),
    )


async def _insert(db: AsyncConnection, table: Table, **values: object) -> int:
    result = await db.execute(insert(table).values(values))
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])
