"""Who has read it: receipts applied in sets, the earliest read kept, whatever their order and however often they come.

Every receipt first lies in `early_reads`; one statement then moves those whose message is known into the recipients'
rows. A receipt that overtakes the record of its own message stays there, and is applied in the very transaction that
puts the message's platform id on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, and_, bindparam, case, delete, func, literal, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.events import MessageRead
from bot.rows import packed, rows_in, stored
from bot.tables import addresses, deliveries
from broadcasts.tables import broadcast_messages, broadcast_recipients, broadcasts, correction_reads, early_reads

recipient = broadcast_recipients.c

# Built once: to compose a statement costs more than to carry it out, and receipts come in streams.


def _store(is_sqlite: bool) -> Any:
    new = rows_in("rows", is_sqlite=is_sqlite, adapter=Text(), platform_id=Text(), address=Text(), read_at=BigInteger())
    insert = (sqlite if is_sqlite else postgresql).insert(early_reads)
    return insert.from_select(
        list(new.c.keys()),
        select(new).where(true()),  # without a WHERE, SQLite reads ON CONFLICT as part of the SELECT
    ).on_conflict_do_nothing(index_elements=[early_reads.c.adapter, early_reads.c.platform_id, early_reads.c.address])


_STORE = {"sqlite": _store(True), "postgresql": _store(False)}
# As expressions, so that no database can look receipts up by them: it begins with the receipts, which are few, and
# finds each one's delivery. The other way round it would walk through every delivery there ever was.
_OF_MESSAGE_READ = and_(
    deliveries.c.adapter == early_reads.c.adapter.concat(""),
    deliveries.c.platform_id == early_reads.c.platform_id.concat(""),
)
_ANY_WAITING = select(early_reads.c.address).limit(1)
_FIRST = (
    select(
        broadcast_messages.c.broadcast_id,
        addresses.c.member_id,
        func.min(early_reads.c.read_at).label("read_at"),
    )
    .join(
        deliveries,
        _OF_MESSAGE_READ,
    )
    .join(broadcast_messages, broadcast_messages.c.message_id == deliveries.c.message_id)
    .join(broadcasts, broadcasts.c.id == broadcast_messages.c.broadcast_id)
    .join(
        addresses,
        and_(addresses.c.adapter == early_reads.c.adapter, addresses.c.address == early_reads.c.address),
    )
    .where(
        broadcast_messages.c.purpose != "correction",
        deliveries.c.action == "send",
        # A platform that marks a room as read up to here marks what was deleted in it, too: nobody has seen that.
        or_(broadcasts.c.state != "recalled", early_reads.c.read_at <= broadcasts.c.closed_at),
    )
    .group_by(broadcast_messages.c.broadcast_id, addresses.c.member_id)
    .subquery("first")
)
_APPLY = (
    update(broadcast_recipients)
    .values(read_at=_FIRST.c.read_at)
    .where(
        recipient.broadcast_id == _FIRST.c.broadcast_id,
        recipient.member_id == _FIRST.c.member_id,
        or_(recipient.read_at.is_(None), recipient.read_at > _FIRST.c.read_at),
    )
)
_CORRECTED = (
    select(
        broadcast_messages.c.broadcast_id,
        broadcast_messages.c.number,
        addresses.c.member_id,
        func.min(early_reads.c.read_at).label("read_at"),
    )
    .join(
        deliveries,
        _OF_MESSAGE_READ,
    )
    .join(broadcast_messages, broadcast_messages.c.message_id == deliveries.c.message_id)
    .join(
        addresses,
        and_(addresses.c.adapter == early_reads.c.adapter, addresses.c.address == early_reads.c.address),
    )
    .where(broadcast_messages.c.purpose == "correction", deliveries.c.action == "send")
    .group_by(broadcast_messages.c.broadcast_id, broadcast_messages.c.number, addresses.c.member_id)
)


def _first_of_correction(store: postgresql.Insert | sqlite.Insert) -> Any:
    columns = ["broadcast_id", "number", "member_id", "read_at"]
    stored, read_at = store.from_select(columns, _CORRECTED), correction_reads.c.read_at
    given = stored.excluded.read_at
    return stored.on_conflict_do_update(
        index_elements=columns[:3], set_={"read_at": case((given < read_at, given), else_=read_at)}
    )


_APPLY_TO_CORRECTIONS = {
    "sqlite": _first_of_correction(sqlite.insert(correction_reads)),
    "postgresql": _first_of_correction(postgresql.insert(correction_reads)),
}
_CLEAR = delete(early_reads).where(
    select(literal(1))
    .where(deliveries.c.adapter == early_reads.c.adapter, deliveries.c.platform_id == early_reads.c.platform_id)
    .exists()
)


_ACKNOWLEDGE = (
    update(broadcast_recipients)
    .values(read_at=bindparam("at"))
    .where(
        recipient.broadcast_id == bindparam("notice"),
        recipient.member_id == bindparam("member"),
        or_(recipient.read_at.is_(None), recipient.read_at > bindparam("at")),
    )
)
_IS_RECIPIENT = select(recipient.member_id).where(
    recipient.broadcast_id == bindparam("notice"), recipient.member_id == bindparam("member")
)


async def record(db: AsyncConnection, events: Sequence[MessageRead]) -> None:
    """Note that people have read messages of the bot; messages that belong to no notice are passed over."""
    earliest: dict[tuple[str, str, str], datetime] = {}
    for event in events:
        key = (event.adapter, event.message_id, event.reader)
        earliest[key] = min(event.occurred_at, earliest.get(key, event.occurred_at))
    if earliest:
        rows = packed((*key, stored(read_at)) for key, read_at in earliest.items())
        await db.execute(_STORE[db.dialect.name], {"rows": rows})
        await _move(db)


async def apply(db: AsyncConnection) -> None:
    """Move every waiting receipt whose message is known by now into its recipient's row."""
    if await db.scalar(_ANY_WAITING) is not None:
        await _move(db)


async def _move(db: AsyncConnection) -> None:
    await db.execute(_APPLY)
    await db.execute(_APPLY_TO_CORRECTIONS[db.dialect.name])
    await db.execute(_CLEAR)


async def acknowledge(db: AsyncConnection, broadcast_id: int, member_id: int, at: datetime) -> bool:
    """Note that a member says they have read a notice; whether they are among its recipients."""
    me = {"notice": broadcast_id, "member": member_id}
    await db.execute(_ACKNOWLEDGE, {**me, "at": at})
    return await db.scalar(_IS_RECIPIENT, me) is not None


async def forget(db: AsyncConnection, before: datetime) -> None:
    """Drop receipts whose message has not become known in all that time: it was none of ours."""
    await db.execute(delete(early_reads).where(early_reads.c.read_at < before))
