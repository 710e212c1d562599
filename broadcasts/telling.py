"""A word in pair talk to some of the staff that is no notice: to approvers, authors, administrators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Text, cast, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.choices import note_pushed
from bot.messages import Address, Button, Message, Priority, Typed
from bot.outbox import Outbox
from bot.tables import members, messages
from broadcasts.fanout import first_addresses, insert_deliveries


def paged(pages: Sequence[str], buttons: Sequence[Button], typed: Typed = "choices") -> list[Message]:
    """Pages as messages; the buttons stand under the last."""
    *earlier, last = pages
    return [*(Message(text=page) for page in earlier), Message(text=last, buttons=tuple(buttons), typed=typed)]


async def tell(
    db: AsyncConnection,
    outbox: Outbox,
    adapters: Sequence[str],
    people: Sequence[int],
    said: Sequence[Message],
    *,
    key: str,
    now: datetime,
    priority: Priority = Priority.REPLY,
    due_at: datetime | None = None,
) -> int:
    """Send messages, one after the other, to the best address of each member; how many members are reached.

    `key` makes them unique for ever. They go out at once, or once `due_at` has come.
    """
    reached = 0
    home = first_addresses(adapters, avoiding=outbox.down)
    for number, message in enumerate(said):
        stored = await db.execute(insert(messages).values(body=message.model_dump_json(), created_at=now))
        assert stored.inserted_primary_key is not None
        reached = 0
        for adapter in adapters:
            delivery_key: ColumnElement[str] = literal(f"{key}:{number}:") + cast(members.c.id, Text)
            targets = (
                select(delivery_key.label("key"), literal("person").label("kind"), home.c.address)
                .select_from(members)
                .join(home, home.c.member_id == members.c.id)
                .where(members.c.id.in_(people), members.c.active, home.c.adapter == adapter)
            )
            reached += await insert_deliveries(
                db,
                targets,
                stored.inserted_primary_key[0],
                adapter,
                topic=message.reference,
                priority=priority,
                now=now,
                due_at=due_at,
            )
        if message.buttons and due_at is None:
            here = select(home.c.adapter, home.c.address).where(home.c.member_id.in_(people))
            talks = [Address(row.adapter, "person", row.address) for row in await db.execute(here)]
            await note_pushed(db, talks, message, now)
    outbox.ring_after_commit(db)
    return reached
