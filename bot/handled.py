"""The keys of events whose effects are in the main database: what makes a repeated delivery harmless.

A key is written in the commit that holds the event's effects, so one cannot be there without the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Text, bindparam, delete, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.events import BaseEvent
from bot.rows import packed, rows_in
from bot.storage import UtcDateTime
from bot.tables import handled_events

Key = tuple[str, str]
"""Adapter and key."""


_KNOWN = select(handled_events.c.key).where(
    handled_events.c.adapter == bindparam("adapter"), handled_events.c.key.in_(bindparam("keys", expanding=True))
)


def _record(is_sqlite: bool) -> Any:
    new = rows_in("rows", is_sqlite=is_sqlite, adapter=Text(), key=Text())
    insert = (sqlite if is_sqlite else postgresql).insert(handled_events)
    return (
        insert.from_select(
            ["adapter", "key", "handled_at"],
            # SQLite reads ON CONFLICT as part of the SELECT unless there is a WHERE.
            select(new.c.adapter, new.c.key, bindparam("now", type_=UtcDateTime)).where(true()),
        )
        .on_conflict_do_nothing()
        .returning(handled_events.c.adapter, handled_events.c.key)
    )


_RECORD = {"sqlite": _record(True), "postgresql": _record(False)}


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
    # In one order everywhere: two processes with the same events wait for each other instead of deadlocking.
    keys = packed(sorted({(event.adapter, event.key) for event in events}))
    rows = await db.execute(_RECORD[db.dialect.name], {"rows": keys, "now": now})
    return {(row.adapter, row.key) for row in rows}


async def prune(db: AsyncConnection, before: datetime) -> int:
    """Forget what was handled before a moment; how many keys that were."""
    return (await db.execute(delete(handled_events).where(handled_events.c.handled_at < before))).rowcount
