"""Addresses by which a member is not reached for now: since when, why, and another try.

An address is put aside, not deleted: it says who somebody is on a platform, and they may come back. Whoever speaks to
the bot there has come back; an operator can ask for another try as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import Clock
from bot.storage import UtcDateTime
from bot.tables import addresses, departments, members

LEFT = "left"
"""The reason where its owner has blocked the bot or left its talk; any other reason is in a platform's words."""

AGAIN: dict[str, Any] = {"reachable": True, "unreachable_since": None, "unreachable_reason": None}
"""The columns of an address that is used again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One address of an active member; `since` and `reason` are None where it is used, or where nobody noted them."""

    member_id: int
    code: str
    name: str
    department: str
    adapter: str
    address: str
    reachable: bool
    since: datetime | None
    reason: str | None
    others: tuple[str, ...]
    """The platforms by which the same person is reached besides."""


async def mark_reachable(db: AsyncConnection, adapter: str, address: str, at: datetime) -> None:
    """Note that at this moment, by the platform's clock, its owner spoke there, so messages are seen there again.

    Not if they are known to have left it later: what platforms tell again comes late.
    """
    await db.execute(_SPOKE, {"at_adapter": adapter, "at_address": address, "moment": at})


async def note_coming(db: AsyncConnection, adapter: str, address: str, at: datetime) -> None:
    """Note that somebody befriended or unblocked the bot, unless they are known to have left it later."""
    await db.execute(_CAME, {"at_adapter": adapter, "at_address": address, "moment": at})


async def note_going(db: AsyncConnection, adapter: str, address: str, at: datetime, now: datetime) -> None:
    """Note that somebody blocked the bot or left its talk, unless they are known to have come back later."""
    where = {"at_adapter": adapter, "at_address": address, "moment": at}
    if (await db.execute(_MOVED, where)).rowcount:
        await mark_unreachable(db, adapter, address, now)


async def mark_unreachable(db: AsyncConnection, adapter: str, address: str, now: datetime, reason: str = LEFT) -> None:
    """Note that messages to an address are not seen there; what was noted before stands."""
    await db.execute(_MARK, {"at_adapter": adapter, "at_address": address, "now": now, "reason": reason})


async def standings(db: AsyncConnection) -> Sequence[Standing]:
    """Every address of every active member, by staff number and in the order in which each is tried."""
    rows = (await db.execute(_STANDINGS)).all()
    reached: dict[int, list[str]] = {}
    for row in rows:
        if row.reachable:
            reached.setdefault(row.member_id, []).append(row.adapter)
    return [
        Standing(*row, others=tuple(name for name in reached.get(row.member_id, ()) if name != row.adapter))
        for row in rows
    ]


async def try_again(db: AsyncConnection, clock: Clock, chosen: Sequence[Standing], *, by: str) -> Sequence[Standing]:
    """Use these addresses again, from the next message on; those of them that were still put aside.

    One row of the audit for each: who had it tried again, and what had spoken against it.
    """
    again = []
    for each in chosen:
        here = {"at_adapter": each.adapter, "at_address": each.address}
        if (await db.execute(_AGAIN_IF_ASIDE, here)).rowcount:
            again.append(each)
    for each in again:
        since = None if each.since is None else each.since.isoformat()
        details = {"adapter": each.adapter, "since": since, "reason": each.reason}
        subject = f"member:{each.code}"
        await audit.append(db, clock, actor=by, action="address.tried_again", subject=subject, details=details)
    return again


_HERE = (addresses.c.adapter == bindparam("at_adapter"), addresses.c.address == bindparam("at_address"))
_MOMENT = bindparam("moment", type_=UtcDateTime)
_NOT_SINCE = or_(addresses.c.moved_at.is_(None), addresses.c.moved_at <= _MOMENT)
_SPOKE = update(addresses).where(*_HERE, _NOT_SINCE).values(AGAIN)
_CAME = _SPOKE.values(moved_at=_MOMENT)
_MOVED = update(addresses).where(*_HERE, _NOT_SINCE).values(moved_at=_MOMENT)
_AGAIN_IF_ASIDE = update(addresses).where(*_HERE, ~addresses.c.reachable).values(AGAIN)
_MARK = (
    update(addresses)
    .where(*_HERE, addresses.c.reachable)
    .values(
        reachable=False,
        unreachable_since=bindparam("now", type_=UtcDateTime),
        unreachable_reason=bindparam("reason"),
    )
)
_STANDINGS = (
    select(
        members.c.id.label("member_id"),
        members.c.code,
        members.c.name,
        departments.c.name.label("department"),
        addresses.c.adapter,
        addresses.c.address,
        addresses.c.reachable,
        addresses.c.unreachable_since,
        addresses.c.unreachable_reason,
    )
    .join(members, members.c.id == addresses.c.member_id)
    .join(departments, departments.c.id == members.c.department_id)
    .where(members.c.active)
    .order_by(members.c.code, addresses.c.preference, addresses.c.adapter)
)
