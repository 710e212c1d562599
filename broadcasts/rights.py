"""Who may send to whom, and who may approve it.

A role that is limited to departments holds only in their subtrees; a right is therefore an audience, and whether
somebody may send to an audience is a question to the same algebra: is anybody in it who is not in the right?
"""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import APPROVER, DUTY_OFFICER, HEADQUARTERS, SENDER, Member, member_by_code
from bot.errors import Forbidden
from bot.tables import departments, member_roles, members
from broadcasts.audience import EVERYONE, Audience, Departments, Everyone, Without, select_members

SENDERS = frozenset({HEADQUARTERS, SENDER, DUTY_OFFICER})
APPROVERS = frozenset({HEADQUARTERS, APPROVER})
READERS = SENDERS | APPROVERS
"""Who may follow how notices are read; with a limited role, in its departments only."""


def reach(member: Member, roles: frozenset[str]) -> Audience | None:
    """The people for whom a member holds one of these roles; None if they hold none."""
    if member.roles & roles:
        return EVERYONE
    limits = sorted(department for role, department in member.limited if role in roles)
    return Departments(ids=tuple(limits)) if limits else None


async def outside(db: AsyncConnection, audience: Audience, right: Audience) -> int:
    """How many of an audience a right does not cover."""
    if isinstance(right, Everyone):
        return 0
    beyond = select_members(Without(base=audience, excluded=right)).subquery()
    return await db.scalar(select(func.count()).select_from(beyond)) or 0


async def holders(db: AsyncConnection, roles: frozenset[str], audience: Audience) -> list[int]:
    """The active members who hold one of these roles for everybody in an audience, by id."""
    rows = await db.execute(
        select(members.c.id, member_roles.c.department_id)
        .join(member_roles, member_roles.c.member_id == members.c.id)
        .where(members.c.active, member_roles.c.role.in_(roles))
        .order_by(members.c.id)
    )
    limits: dict[int, set[int | None]] = defaultdict(set)
    for row in rows:
        limits[row.id].add(row.department_id)
    found = []
    for member_id, places in limits.items():
        within = tuple(sorted(place for place in places if place is not None))
        if None in places or await outside(db, audience, Departments(ids=within)) == 0:
            found.append(member_id)
    return found


async def author(db: AsyncConnection, member_id: int) -> Member | None:
    """The author of a notice with the rights of today; None if they have left the city hall."""
    code = await db.scalar(select(members.c.code).where(members.c.id == member_id))
    return await member_by_code(db, code or "")


async def require(
    db: AsyncConnection,
    member: Member,
    roles: frozenset[str],
    audience: Audience,
    *,
    action: str,
    broadcast_id: int = 0,
) -> None:
    """Raise `Forbidden` unless the member holds one of the roles for everybody in the audience."""
    right = reach(member, roles)
    subject = f"broadcast:{broadcast_id}" if broadcast_id else "broadcast"
    if right is None:
        raise Forbidden("refused.not_headquarters", actor=member.code, action=f"broadcast.{action}", subject=subject)
    beyond = await outside(db, audience, right)
    if beyond:
        assert isinstance(right, Departments)
        names = await db.scalars(
            select(departments.c.name).where(departments.c.id.in_(right.ids)).order_by(departments.c.position)
        )
        raise Forbidden(
            "refused.outside",
            actor=member.code,
            action=f"broadcast.{action}",
            subject=subject,
            members=beyond,
            departments=" / ".join(names),
        )
