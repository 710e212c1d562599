"""Who has read it: receipts applied in sets, the earliest read kept, whatever their order and however often they come.

Every receipt first lies in `early_reads`; one statement then moves those whose message is known into the recipients'
rows. A receipt that overtakes the record of its own message stays there, and is applied in the very transaction that
puts the message's platform id on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, delete, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.events import MessageRead
from bot.tables import addresses, deliveries
from broadcasts.tables import broadcast_messages, broadcast_recipients, early_reads


async def record(db: AsyncConnection, events: Sequence[MessageRead]) -> None:
    """Note that people have read messages of the bot; messages that belong to no notice are passed over."""
    earliest: dict[tuple[str, str, str], datetime] = {}
    for event in events:
        key = (event.adapter, event.message_id, event.reader)
        earliest[key] = min(event.occurred_at, earliest.get(key, event.occurred_at))
    rows = [
        {"adapter": adapter, "platform_id": platform_id, "address": address, "read_at": read_at}
        for (adapter, platform_id, address), read_at in earliest.items()
    ]
    if not rows:
        return
    dialect = postgresql if db.dialect.name == "postgresql" else sqlite
    store = dialect.insert(early_reads)
    key_columns = [early_reads.c.adapter, early_reads.c.platform_id, early_reads.c.address]
    await db.execute(store.on_conflict_do_nothing(index_elements=key_columns), rows)
    await apply(db)


async def apply(db: AsyncConnection) -> None:
    """Move every waiting receipt whose message is known by now into its recipient's row."""
    if await db.scalar(select(early_reads.c.address).limit(1)) is None:
        return
    first = (
        select(
            broadcast_messages.c.broadcast_id,
            addresses.c.member_id,
            func.min(early_reads.c.read_at).label("read_at"),
        )
        .join(
            deliveries,
            and_(deliveries.c.adapter == early_reads.c.adapter, deliveries.c.platform_id == early_reads.c.platform_id),
        )
        .join(broadcast_messages, broadcast_messages.c.message_id == deliveries.c.message_id)
        .join(
            addresses,
            and_(addresses.c.adapter == early_reads.c.adapter, addresses.c.address == early_reads.c.address),
        )
        .where(broadcast_messages.c.purpose != "correction", deliveries.c.action == "send")
        .group_by(broadcast_messages.c.broadcast_id, addresses.c.member_id)
        .subquery("first")
    )
    recipient = broadcast_recipients.c
    await db.execute(
        update(broadcast_recipients)
        .values(read_at=first.c.read_at)
        .where(
            recipient.broadcast_id == first.c.broadcast_id,
            recipient.member_id == first.c.member_id,
            or_(recipient.read_at.is_(None), recipient.read_at > first.c.read_at),
        )
    )
    await db.execute(
        delete(early_reads).where(
            select(literal(1))
            .where(
                deliveries.c.adapter == early_reads.c.adapter,
                deliveries.c.platform_id == early_reads.c.platform_id,
            )
            .exists()
        )
    )


async def acknowledge(db: AsyncConnection, broadcast_id: int, member_id: int, at: datetime) -> bool:
    """Note that a member says they have read a notice; whether they are among its recipients."""
    recipient = broadcast_recipients.c
    mine = and_(recipient.broadcast_id == broadcast_id, recipient.member_id == member_id)
    await db.execute(
        update(broadcast_recipients)
        .values(read_at=at)
        .where(mine, or_(recipient.read_at.is_(None), recipient.read_at > at))
    )
    return await db.scalar(select(recipient.member_id).where(mine)) is not None


async def forget(db: AsyncConnection, before: datetime) -> None:
    """Drop receipts whose message has not become known in all that time: it was none of ours."""
    await db.execute(delete(early_reads).where(early_reads.c.read_at < before))
