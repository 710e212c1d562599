"""Who telephones whom: each silent person belongs to the liaison whose departments are the nearest around theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import LIAISON
from bot.tables import departments, member_roles, members
from broadcasts.escalation.silent import Silent

_LIAISONS = (
    # A liaison without a named subtree is that of their own department.
    select(members.c.id, func.coalesce(member_roles.c.department_id, members.c.department_id).label("department_id"))
    .join(member_roles, member_roles.c.member_id == members.c.id)
    .where(member_roles.c.role == LIAISON, members.c.active)
    .order_by(members.c.id)
)


async def call_lists(db: AsyncConnection, silent: Iterable[Silent]) -> tuple[dict[int, list[Silent]], list[Silent]]:
    """Whom each liaison (member id) is to telephone, in the given order, and those for whom there is none.

    Several liaisons of one department all get its list; nobody is on their own list.
    """
    parents = {row.id: row.parent_id for row in await db.execute(select(departments.c.id, departments.c.parent_id))}
    liaisons: dict[int, list[int]] = defaultdict(list)
    for row in await db.execute(_LIAISONS):
        liaisons[row.department_id].append(row.id)
    lists: dict[int, list[Silent]] = defaultdict(list)
    nobodys: list[Silent] = []
    for person in silent:
        found = _nearest(person, parents, liaisons)
        for liaison in found:
            lists[liaison].append(person)
        if not found:
            nobodys.append(person)
    return dict(lists), nobodys


def _nearest(person: Silent, parents: Mapping[int, int | None], liaisons: Mapping[int, Sequence[int]]) -> list[int]:
    place: int | None = person.department_id
    while place is not None:
        others = [each for each in liaisons.get(place, ()) if each != person.member_id]
        if others:
            return others
        place = parents.get(place)
    return []
