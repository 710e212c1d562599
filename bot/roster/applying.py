"""Apply a plan in one transaction, and keep what it changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import Clock
from bot.errors import Refused
from bot.roster.difference import Plan
from bot.roster.model import DepartmentPath, Person, shown
from bot.roster.state import Directory, Image, load_to_change
from bot.roster.tables import roster_imports
from bot.roster.write import Touched, columns_of, write
from bot.tables import departments, members


async def apply(db: AsyncConnection, clock: Clock, plan: Plan, *, by: str, many_may_leave: bool = False) -> int:
    """Do what a plan shows, inside the caller's transaction; the number of the import.

    Refused if the directory is no longer the one that the plan was made from, if the plan is empty, or if more than a
    fifth of the staff would leave and nobody said that they may.
    """
    if plan.empty:
        raise Refused("roster.nothing_to_do")
    if plan.many_leave and not many_may_leave:
        raise Refused("roster.many_leave", leaves=len(plan.leaves), staff=plan.staff)
    directory = await load_to_change(db)
    if directory.fingerprint != plan.fingerprint:
        raise Refused("roster.changed_meanwhile")
    places = await _make_departments(db, plan.departments_made, directory)
    joined = await _join(db, plan.joins, places)
    touched = [
        Touched(joined[person.code], None, _image(person, _blank(person, places), places)) for person in plan.joins
    ]
    for change in (*plan.returns, *plan.moves, *plan.changes):
        after = replace(_image(change.person, change.known.image, places), active=True)
        touched.append(Touched(change.known.id, change.known.image, after))
    leaving = {known.person.code for known in plan.leaves}
    for code in sorted(leaving | plan.released.keys()):
        known = directory.members[code]
        kept = {
            adapter: place
            for adapter, place in known.image.addresses.items()
            if adapter not in plan.released.get(code, ())
        }
        # Who comes back in some years shall not find the rights of today.
        touched.append(
            Touched(known.id, known.image, replace(known.image, active=False, roles={}, addresses=kept, groups=()))
        )
    await write(db, touched)
    return await _record(db, clock, plan, touched, by)


async def _make_departments(
    db: AsyncConnection, made: Iterable[DepartmentPath], directory: Directory
) -> dict[DepartmentPath, int]:
    """Every department's id by path, the new ones included; a new one's code is its path."""
    ids, codes = dict(directory.departments), set(directory.codes)
    levels: dict[int, list[tuple[DepartmentPath, str]]] = {}
    for path in made:
        code, number = shown(path), 2
        while code in codes:  # an older department was renamed or moved and keeps its code
            code, number = f"{shown(path)}#{number}", number + 1
        codes.add(code)
        levels.setdefault(len(path), []).append((path, code))
    position = len(directory.departments)
    for depth in sorted(levels):
        rows = [
            {"code": code, "name": path[-1], "parent_id": ids.get(path[:-1]), "position": position + number}
            for number, (path, code) in enumerate(levels[depth])
        ]
        position += len(rows)
        await db.execute(insert(departments), rows)
        by_code = {row.code: row.id for row in await db.execute(select(departments.c.code, departments.c.id))}
        ids.update((path, by_code[code]) for path, code in levels[depth])
    return ids


async def _join(db: AsyncConnection, joins: Iterable[Person], places: dict[DepartmentPath, int]) -> dict[str, int]:
    rows = [{"code": person.code, **columns_of(_image(person, _blank(person, places), places))} for person in joins]
    if not rows:
        return {}
    await db.execute(insert(members), rows)
    return {row.code: row.id for row in await db.execute(select(members.c.code, members.c.id))}


def _blank(person: Person, places: dict[DepartmentPath, int]) -> Image:
    return Image(person.name, "", places[person.department], "", 0, None, active=True, roles={}, addresses={})


def _image(person: Person, before: Image, places: dict[DepartmentPath, int]) -> Image:
    """`before` with everything that the file speaks of."""
    roles = before.roles
    if person.roles is not None:
        roles = {}
        for role in sorted(person.roles):
            name, _, limit = role.partition("@")
            roles[name] = places[tuple(limit.split("/"))] if limit else None
    addresses = dict(before.addresses)
    for adapter, address in (person.addresses or {}).items():
        # What is new is tried last: in the order of the columns, and after what was known before.
        last = max((preference for _, preference in addresses.values()), default=-1)
        preference = addresses.pop(adapter, ("", last + 1))[1]
        if address:
            addresses[adapter] = (address, preference)
    return replace(
        before,
        name=person.name,
        kana=before.kana if person.kana is None else person.kana,
        department_id=places[person.department],
        post=before.post if person.post is None else person.post,
        rank=before.rank if person.rank is None else person.rank,
        email=before.email if person.email is None else person.email or None,
        roles=roles,
        addresses=addresses,
        groups=before.groups if person.groups is None else tuple(sorted(person.groups)),
    )


async def _record(db: AsyncConnection, clock: Clock, plan: Plan, touched: list[Touched], by: str) -> int:
    counts = {
        "joins": len(plan.joins),
        "returns": len(plan.returns),
        "leaves": len(plan.leaves),
        "moves": len(plan.moves),
        "changes": len(plan.changes),
    }
    images = [[step.member_id, step.before and asdict(step.before), asdict(step.after)] for step in touched]
    result = await db.execute(
        insert(roster_imports).values(
            at=clock.now(),
            by=by,
            file_name=plan.source.name,
            sha256=plan.source.sha256,
            form=plan.source.form,
            touched=orjson.dumps(images).decode(),
            **counts,
        )
    )
    assert result.inserted_primary_key is not None
    import_id = int(result.inserted_primary_key[0])
    details = {"sha256": plan.source.sha256, **counts}
    await audit.append(db, clock, actor=by, action="roster.imported", subject=f"roster:{import_id}", details=details)
    return import_id
