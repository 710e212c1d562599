"""Take back the last import: everyone it touched becomes what they were before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import Clock
from bot.errors import Refused
from bot.roster.state import Directory, Image, load_to_change
from bot.roster.tables import roster_imports
from bot.roster.write import Touched, write

_NAMED = 5  # so many of those who were changed since are named in a refusal


@dataclass(frozen=True, slots=True)
class Import:
    """An import that stands, as people are asked about it."""

    id: int
    at: datetime
    by: str
    file_name: str
    joins: int
    returns: int
    leaves: int
    moves: int
    changes: int


async def last_import(db: AsyncConnection) -> Import | None:
    """The latest import that has not been undone, or None."""
    columns = [roster_imports.c[name] for name in Import.__slots__]
    row = (await db.execute(select(*columns).where(_stands()).order_by(roster_imports.c.id.desc()).limit(1))).first()
    return None if row is None else Import(*row)


async def undo(db: AsyncConnection, clock: Clock, *, by: str, import_id: int | None = None) -> Import:
    """Undo an import, the last one unless another is named, inside the caller's transaction; which one it was.

    Members who joined by it become inactive, for members and departments are never deleted. Refused, with the reason,
    if there is none, if a later import stands on it, or if members it touched have been changed since.
    """
    directory = await load_to_change(db)
    last = await last_import(db)
    if last is None:
        raise Refused("roster.nothing_to_undo")
    if import_id is not None and import_id != last.id:
        raise Refused("roster.later_import", id=import_id, later=last.id, file=last.file_name)
    query = select(roster_imports.c.touched).where(roster_imports.c.id == last.id)
    kept = (await db.scalars(query)).one()
    touched = [Touched(i, _image(before), _image(after)) for i, before, after in orjson.loads(kept)]
    steps = _steps_back(touched, directory, last.id)
    await write(db, steps)
    await db.execute(
        update(roster_imports).where(roster_imports.c.id == last.id).values(undone_at=clock.now(), undone_by=by)
    )
    await audit.append(db, clock, actor=by, action="roster.undone", subject=f"roster:{last.id}")
    return last


def _steps_back(touched: list[Touched], directory: Directory, import_id: int) -> list[Touched]:
    now = {known.id: known for known in directory.members.values()}
    steps = []
    for step in touched:
        gone = replace(step.after, active=False, roles={}, addresses={}, groups=())
        steps.append(Touched(step.member_id, step.after, step.before or gone))
    changed = [
        step.after.name for step in touched if step.member_id not in now or now[step.member_id].image != step.after
    ]
    # An address that comes back may have been given to somebody whom the import never touched.
    coming = {(adapter, place[0]) for step in steps for adapter, place in step.after.addresses.items()}
    ours = {step.member_id for step in steps}
    changed += [
        known.person.name
        for known in now.values()
        if known.id not in ours and not coming.isdisjoint((a, place[0]) for a, place in known.image.addresses.items())
    ]
    if changed:
        names = "、".join(changed[:_NAMED]) + ("…" if len(changed) > _NAMED else "")
        raise Refused("roster.changed_since", id=import_id, count=len(changed), names=names)
    return steps


def _image(stored: Mapping[str, Any] | None) -> Any:
    if stored is None:
        return None
    places = {adapter: (place[0], place[1]) for adapter, place in stored["addresses"].items()}
    return Image(**{**stored, "addresses": places, "groups": tuple(stored.get("groups", ()))})


def _stands() -> Any:
    return roster_imports.c.undone_at.is_(None)
