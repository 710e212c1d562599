"""Bring members from one image to another, in sets: the one way in which imports and their undoing write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import groups
from bot.roster.state import Image
from bot.tables import addresses, group_members, member_roles, members

COLUMNS = ("name", "kana", "department_id", "post", "rank", "email", "active")


@dataclass(frozen=True, slots=True)
class Touched:
    """A member before (None: there was none) and after an import."""

    member_id: int
    before: Image | None
    after: Image


def columns_of(image: Image) -> dict[str, Any]:
    """The member's own columns."""
    return {name: getattr(image, name) for name in COLUMNS}


async def write(db: AsyncConnection, steps: Sequence[Touched]) -> None:
    """Write what differs; of new members, whose own row must stand already, roles, groups and addresses.

    All removals come before the first insert, so that two members can swap an address.
    """
    changed = [step for step in steps if step.before and columns_of(step.before) != columns_of(step.after)]
    await _each(
        db,
        update(members)
        .where(members.c.id == bindparam("member_id"))
        .values({name: bindparam(f"new_{name}") for name in COLUMNS}),
        [
            {"member_id": step.member_id, **{f"new_{name}": value for name, value in columns_of(step.after).items()}}
            for step in changed
        ],
    )
    roles_before = {(s.member_id, *role) for s in steps if s.before for role in s.before.roles.items()}
    roles_after = {(s.member_id, *role) for s in steps for role in s.after.roles.items()}
    places_before = {(s.member_id, *_flat(place)) for s in steps if s.before for place in s.before.addresses.items()}
    places_after = {(s.member_id, *_flat(place)) for s in steps for place in s.after.addresses.items()}
    ids = await groups.made(db, {name for step in steps for name in _groups_of(step)})
    groups_before = {(ids[name], s.member_id) for s in steps if s.before for name in s.before.groups}
    groups_after = {(ids[name], s.member_id) for s in steps for name in s.after.groups}
    for table, names, before, after in (
        (member_roles, ("member_id", "role", "department_id"), roles_before, roles_after),
        (group_members, ("group_id", "member_id"), groups_before, groups_after),
        (addresses, ("member_id", "adapter", "address", "preference"), places_before, places_after),
    ):
        first, second = (table.c[name] for name in names[:2])
        await _each(
            db,
            delete(table).where(first == bindparam("first"), second == bindparam("second")),
            [{"first": row[0], "second": row[1]} for row in sorted(before - after, key=repr)],
        )
        new = [dict(zip(names, row, strict=True)) for row in sorted(after - before, key=repr)]
        await _each(db, insert(table), new)


def _groups_of(step: Touched) -> tuple[str, ...]:
    return (*step.after.groups, *(step.before.groups if step.before else ()))


async def _each(db: AsyncConnection, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        await db.execute(statement, rows)


def _flat(place: tuple[str, tuple[str, int]]) -> tuple[str, str, int]:
    adapter, (address, preference) = place
    return adapter, address, preference
