"""Putting messages into the outbox's tables: one, or many in two statements however many they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, SmallInteger, Text, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from bot.messages import Address, Message, Priority
from bot.rows import packed, rows_in, stored
from bot.storage import UtcDateTime
from bot.tables import deliveries, messages

# Built once: to compose a statement costs more than to carry it out.
_MESSAGE = insert(messages)
_DELIVERY = insert(deliveries)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that is to be sent; `key` is the delivery's idempotency key. `due_at` None: at once."""

    address: Address
    message: Message
    key: str
    priority: Priority = Priority.REPLY
    topic: str | None = None
    due_at: datetime | None = None
    reply_token: str | None = None


def _messages(is_sqlite: bool) -> Any:
    new = rows_in("rows", is_sqlite=is_sqlite, place=Integer(), body=Text())
    return (
        insert(messages)
        .from_select(
            ["body", "created_at"],
            select(new.c.body, bindparam("now", type_=UtcDateTime)).order_by(new.c.place),
        )
        .returning(messages.c.id, messages.c.body)
    )


def _deliveries(is_sqlite: bool) -> Any:
    columns: dict[str, TypeEngine[Any]] = {
        "key": Text(),
        "message_id": BigInteger(),
        "adapter": Text(),
        "kind": Text(),
        "address": Text(),
        "topic": Text(),
        "reply_token": Text(),
        "priority": SmallInteger(),
        "due_at": BigInteger(),
        "created_at": BigInteger(),
    }
    new = rows_in("rows", is_sqlite=is_sqlite, place=Integer(), **columns)
    return insert(deliveries).from_select(
        list(columns), select(*(new.c[name] for name in columns)).order_by(new.c.place)
    )


_MESSAGES = {"sqlite": _messages(True), "postgresql": _messages(False)}
_DELIVERIES = {"sqlite": _deliveries(True), "postgresql": _deliveries(False)}


async def store_one(db: AsyncConnection, item: Outgoing, now: datetime) -> int:
    """Store one message and its delivery; the delivery's id."""
    kept = await db.execute(_MESSAGE, {"body": item.message.model_dump_json(exclude_defaults=True), "created_at": now})
    assert kept.inserted_primary_key is not None
    delivery = await db.execute(
        _DELIVERY,
        {
            "key": item.key,
            "message_id": kept.inserted_primary_key[0],
            "adapter": item.address.adapter,
            "kind": item.address.kind,
            "address": item.address.id,
            "topic": item.topic,
            "reply_token": item.reply_token,
            "priority": int(item.priority),
            "due_at": item.due_at or now,
            "created_at": now,
        },
    )
    assert delivery.inserted_primary_key is not None
    return int(delivery.inserted_primary_key[0])


async def store_all(db: AsyncConnection, items: Sequence[Outgoing], now: datetime) -> None:
    """Store messages and their deliveries, which are sent in this order."""
    if len(items) == 1:
        await store_one(db, items[0], now)
        return
    if not items:
        return
    dialect = db.dialect.name
    bodies = [item.message.model_dump_json(exclude_defaults=True) for item in items]
    kept = await db.execute(_MESSAGES[dialect], {"rows": packed(enumerate(bodies)), "now": now})
    # Which of the new ids is whose, a database tells in no promised order; of the same text, each is as good.
    ids = defaultdict(list)
    for row in kept:
        ids[row.body].append(row.id)
    rows = [
        (
            place,
            item.key,
            ids[body].pop(),
            item.address.adapter,
            item.address.kind,
            item.address.id,
            item.topic,
            item.reply_token,
            int(item.priority),
            stored(item.due_at or now),
            stored(now),
        )
        for place, (item, body) in enumerate(zip(items, bodies, strict=True))
    ]
    await db.execute(_DELIVERIES[dialect], {"rows": packed(rows)})
