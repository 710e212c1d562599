"""The keys of events whose effects are in the main database: what makes a repeated delivery harmless.

A key is written in the commit that holds the event's effects, so one cannot be there without the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.events import BaseEvent
from bot.tables import handled_events

Key = tuple[str, str]
"""Adapter and key."""


_KNOWN = select(handled_events.c.key).where(
    handled_events.c.adapter == bindparam("adapter"), handled_events.c.key.in_(bindparam("keys", expanding=True))
)
_RECORD = {
    name: dialect.insert(handled_events)
    .on_conflict_do_nothing()
    .returning(handled_events.c.adapter, handled_events.c.key)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


async def known(db: AsyncConnection, events: Sequence[BaseEvent]) -> set[Key]:
    """Which of these events have been handled before."""
    keys = defaultdict(list)
    for event in events:
        keys[event.adapter].append(event.key)
    found: set[Key] = set()
    for adapter, of_adapter in keys.items():
        rows = await db.scalars(_KNOWN, {"adapter": adapter, "keys": of_adapter})
        found.update((adapter, key) for key in rows)
    return found


async def record(db: AsyncConnection, events: Sequence[BaseEvent], now: datetime) -> set[Key]:
    """Note these events as handled; returns those that were not yet."""
    if not events:
        return set()
    rows = await db.execute(
        _RECORD[db.dialect.name],
        # In one order everywhere: two processes with the same events wait for each other instead of deadlocking.
        [
            {"adapter": adapter, "key": key, "handled_at": now}
            for adapter, key in sorted({(event.adapter, event.key) for event in events})
        ],
    )
    return {(row.adapter, row.key) for row in rows}


async def prune(db: AsyncConnection, before: datetime) -> int:
    """Forget what was handled before a moment; how many keys that were."""
    return (await db.execute(delete(handled_events).where(handled_events.c.handled_at < before))).rowcount
