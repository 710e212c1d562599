"""A draft that nobody has sent or thrown away for two hours: its author is told, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, Text, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.messages import Message, Priority
from bot.outbox import Outbox
from bot.tables import addresses, deliveries, members
from bot.texts import Texts
from broadcasts.drafting_tables import broadcast_approvals, broadcast_schedules
from broadcasts.quiet import QuietHours, goes_out_at
from broadcasts.tables import broadcasts
from broadcasts.telling import tell

AFTER = timedelta(hours=2)
AT_LATEST = timedelta(hours=24)
"""What was drafted longer ago is left alone: after an update, nobody is told of last month's."""
SHOWN_LENGTH = 30


class Forgotten:
    """An entry of the agenda. That somebody was told stands in the outbox, under a key of the draft's own."""

    def __init__(
        self, outbox: Outbox, adapters: Sequence[str], clock: Clock, texts: Texts, quiet: QuietHours | None
    ) -> None:
        self._outbox = outbox
        self._adapters = tuple(adapters)
        self._clock = clock
        self._texts = texts
        self._quiet = quiet

    async def next_due(self, db: AsyncConnection) -> datetime | None:
        """When the oldest draft will have lain for long enough; None if there is none."""
        since = self._clock.now() - AT_LATEST
        earliest: datetime | None = await db.scalar(_open(func.min(broadcasts.c.created_at), since))
        return None if earliest is None else earliest + AFTER

    async def do_due(self, db: AsyncConnection) -> None:
        """Tell the authors of all that have."""
        now = self._clock.now()
        query = _open(broadcasts, now - AT_LATEST).where(broadcasts.c.created_at <= now - AFTER)
        for draft in (await db.execute(query.order_by(broadcasts.c.id))).all():
            await self._tell(db, draft, now)

    async def _tell(self, db: AsyncConnection, draft: Row[Any], now: datetime) -> None:
        said = self._texts(
            "list.forgotten",
            id=draft.id,
            kind=self._texts(f"kind.{draft.kind}"),
            text=" ".join(draft.text.split())[:SHOWN_LENGTH],
        )
        morning = goes_out_at(self._quiet, draft.kind, now)
        await tell(
            db,
            self._outbox,
            self._adapters,
            [draft.author_id],
            [Message(text=said)],
            key=f"forgotten:{draft.id}",
            now=now,
            priority=Priority.REMINDER,
            due_at=morning if morning > now else None,
        )


def _open(what: Any, since: datetime) -> Select[Any]:
    # Whoever can be told nowhere is not waited for: the agenda would come back to them without end.
    key = literal("forgotten:") + cast(broadcasts.c.id, Text) + ":0:" + cast(broadcasts.c.author_id, Text)
    # What waits for approval, was sent back or has expired, its author was told of.
    asked = select(broadcast_approvals.c.id).where(broadcast_approvals.c.broadcast_id == broadcasts.c.id)
    planned = select(broadcast_schedules.c.broadcast_id).where(
        broadcast_schedules.c.broadcast_id == broadcasts.c.id, broadcast_schedules.c.state == "active"
    )
    told = select(deliveries.c.id).where(deliveries.c.key == key)
    reachable = (
        select(addresses.c.member_id)
        .join(members, members.c.id == addresses.c.member_id)
        .where(addresses.c.member_id == broadcasts.c.author_id, addresses.c.reachable, members.c.active)
    )
    return select(what).where(
        broadcasts.c.state == "draft",
        broadcasts.c.created_at > since,
        reachable.exists(),
        ~asked.exists(),
        ~planned.exists(),
        ~told.exists(),
    )
