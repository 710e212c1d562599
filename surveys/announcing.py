"""Invites people and writes to them: set-based, one statement however many they are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, String, case, cast, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import Message, Priority
from bot.outbox import Outbox
from bot.tables import addresses, deliveries, members, messages
from surveys.tables import survey_participants

Audience = Collection[int] | Select[tuple[int]] | None
"""Who is asked: member ids, a statement that finds them, or None for everybody."""


async def invite(db: AsyncConnection, survey_id: int, audience: Audience) -> int:
    """Make active members participants, those in `audience` or all; how many they are."""
    source = select(literal(survey_id), members.c.id, literal("invited")).where(members.c.active)
    columns = ["survey_id", "member_id", "state"]
    if audience is None:
        return (await db.execute(insert(survey_participants).from_select(columns, source))).rowcount
    if isinstance(audience, Select):
        chosen = source.where(members.c.id.in_(audience))
        await db.execute(insert(survey_participants).from_select(columns, chosen))
        # Counted again: behind a recursive department tree, SQLite's driver does not know how many rows it wrote.
        mine = survey_participants.c.survey_id == survey_id
        return await db.scalar(select(func.count()).select_from(survey_participants).where(mine)) or 0
    count, wanted = 0, sorted(set(audience))
    for start in range(0, len(wanted), 1_000):
        some = source.where(members.c.id.in_(wanted[start : start + 1_000]))
        count += (await db.execute(insert(survey_participants).from_select(columns, some))).rowcount
    return count


async def find(db: AsyncConnection, outbox: Outbox, audience: Select[tuple[int]] | None) -> tuple[tuple[int, ...], int]:
    """Whom `invite` would invite, in the order of their ids, and how many of them `announce` would reach."""
    people = select(members.c.id).where(members.c.active)
    if audience is not None:
        people = people.where(members.c.id.in_(audience))
    reached = select(func.count(addresses.c.member_id.distinct())).where(
        addresses.c.member_id.in_(people), *_usable(outbox)
    )
    return tuple(await db.scalars(people.order_by(members.c.id))), await db.scalar(reached) or 0


async def announce(
    db: AsyncConnection,
    outbox: Outbox,
    survey_id: int,
    message: Message,
    *,
    topic: str,
    priority: Priority,
    now: datetime,
) -> int:
    """Queue `message` to every participant who has not finished; how many are reached."""
    waiting = select(survey_participants.c.member_id).where(
        survey_participants.c.survey_id == survey_id, survey_participants.c.state != "finished"
    )
    return await write_to(db, outbox, waiting, message, key=topic, topic=topic, priority=priority, now=now)


async def write_to(
    db: AsyncConnection,
    outbox: Outbox,
    people: Select[tuple[int]],
    message: Message,
    *,
    key: str,
    topic: str | None,
    priority: Priority,
    now: datetime,
) -> int:
    """Queue `message` to each of `people` at the address they prefer; how many have one that works.

    An address on a platform that is down is preferred by nobody who has another. `key` makes it unique for ever.
    """
    stored = await db.execute(
        insert(messages).values(body=message.model_dump_json(exclude_defaults=True), created_at=now)
    )
    assert stored.inserted_primary_key is not None
    place = func.row_number().over(
        partition_by=addresses.c.member_id,
        order_by=(
            case((addresses.c.adapter.in_(sorted(outbox.down)), 1), else_=0),
            addresses.c.preference,
            addresses.c.adapter,
        ),
    )
    reachable = (
        select(addresses.c.member_id, addresses.c.adapter, addresses.c.address, place.label("place"))
        .where(addresses.c.member_id.in_(people), *_usable(outbox))
        .subquery()
    )
    values: dict[str, ColumnElement[Any]] = {
        "key": literal(f"{key}:to:").concat(cast(reachable.c.member_id, String)),
        "message_id": literal(int(stored.inserted_primary_key[0])),
        "adapter": reachable.c.adapter,
        "kind": literal("person"),
        "address": reachable.c.address,
        "topic": literal(topic, deliveries.c.topic.type),
        "priority": literal(int(priority)),
        "due_at": literal(now, deliveries.c.due_at.type),
        "created_at": literal(now, deliveries.c.created_at.type),
    }
    chosen = select(*values.values()).where(reachable.c.place == 1).order_by(reachable.c.member_id)
    queued = (await db.execute(insert(deliveries).from_select(list(values), chosen))).rowcount
    outbox.ring_after_commit(db)
    return queued


def _usable(outbox: Outbox) -> tuple[ColumnElement[bool], ...]:
    """Addresses that work, and not what only people can use, such as a telephone number."""
    return addresses.c.reachable.is_(True), addresses.c.adapter.in_(list(outbox.standings))
