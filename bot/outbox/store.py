"""The outbox's rows: claimed, recorded, given back; one statement for both databases each.

    queued ──claim──> sending ──> sent | dead
      ^                  │
      └── retry, snooze, release, rescue

Order: a delivery waits while an earlier one to the same address, in the same priority, is due, being sent or being
tried again, so two answers to one person never change places. The price: one address gets one message per round trip,
and a message that fails for one address alone holds back the later ones there until it is sent or dead. Another
priority does not wait: an emergency passes a failing notice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import and_, bindparam, func, insert, literal_column, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Delivery
from bot.messages import Address, Message
from bot.tables import attempts, deliveries, messages


@dataclass(slots=True)
class Claimed:
    """A delivery that this process may send, with what its row needs when it is recorded."""

    delivery: Delivery
    message_key: int
    topic: str | None
    priority: int
    due_at: datetime
    attempts: int

    @property
    def rank(self) -> tuple[int, datetime, int]:
        return (self.priority, self.due_at, self.delivery.id)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one try: the delivery's next state, and one row for the attempt log."""

    claimed: Claimed
    state: Literal["queued", "sent", "dead"]
    outcome: Literal["sent", "retry", "snooze", "rejected"]
    started_at: datetime
    finished_at: datetime
    due_at: datetime
    reason: str = ""
    platform_id: str | None = None


# Written into the SQL, for a bound parameter would hide from both databases that the partial indexes fit.
_QUEUED, _SENDING = literal_column("'queued'"), literal_column("'sending'")

_waiting = deliveries.alias("waiting")
_earlier = deliveries.alias("earlier")

_held_back = (
    select(1)
    .where(
        _earlier.c.adapter == _waiting.c.adapter,
        _earlier.c.kind == _waiting.c.kind,
        _earlier.c.address == _waiting.c.address,
        _earlier.c.priority == _waiting.c.priority,
        _earlier.c.id < _waiting.c.id,
        _earlier.c.state.in_((_QUEUED, _SENDING)),
        or_(
            _earlier.c.state == _SENDING,
            _earlier.c.attempts > 0,
            _earlier.c.due_at <= bindparam("now"),
        ),
    )
    .exists()
)

_CLAIM = (
    update(deliveries)
    .where(
        deliveries.c.id.in_(
            select(_waiting.c.id)
            .where(
                _waiting.c.state == _QUEUED,
                _waiting.c.adapter == bindparam("for_adapter"),
                _waiting.c.due_at <= bindparam("now"),
                not_(_held_back),
            )
            .order_by(_waiting.c.priority, _waiting.c.due_at, _waiting.c.id)
            .limit(bindparam("limit"))
            .with_for_update(skip_locked=True)  # PostgreSQL; SQLite has one writer and leaves it out
        )
    )
    .values(state="sending", claimed_until=bindparam("until"))
    .returning(
        deliveries.c.id,
        deliveries.c.key,
        deliveries.c.message_id,
        deliveries.c.kind,
        deliveries.c.address,
        deliveries.c.action,
        deliveries.c.topic,
        deliveries.c.priority,
        deliveries.c.due_at,
        deliveries.c.attempts,
        deliveries.c.platform_id,
    )
)

_RECORD = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"))
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("new_due_at"),
        attempts=bindparam("new_attempts"),
        platform_id=bindparam("new_platform_id"),
        finished_at=bindparam("new_finished_at"),
        claimed_until=None,
    )
)


class Store:
    """One adapter's view of the rows. Keeps the parsed messages: a notice to 1,200 people is read once."""

    def __init__(self, adapter: str) -> None:
        self._adapter = adapter
        self._messages: dict[int, Message] = {}

    async def claim(self, db: AsyncConnection, limit: int, now: datetime, until: datetime) -> list[Claimed]:
        """Up to `limit` deliveries that are due, in the order of sending; nobody else gets them before `until`."""
        result = await db.execute(_CLAIM, {"for_adapter": self._adapter, "now": now, "until": until, "limit": limit})
        rows = result.all()
        if not rows:
            return []
        known = await self._read_messages(db, {row.message_id for row in rows})
        claimed = [
            Claimed(
                Delivery(
                    id=number,
                    key=key,
                    address=Address.model_construct(adapter=self._adapter, kind=kind, id=address),
                    message=known[message_key],
                    action=action,
                    message_id=platform_id,
                    attempt=tries + 1,
                ),
                message_key,
                topic,
                priority,
                due_at,
                tries,
            )
            for number, key, message_key, kind, address, action, topic, priority, due_at, tries, platform_id in rows
        ]
        claimed.sort(key=lambda each: each.rank)
        return claimed

    async def _read_messages(self, db: AsyncConnection, ids: Collection[int]) -> dict[int, Message]:
        known = {number: message for number, message in self._messages.items() if number in ids}
        missing = [number for number in ids if number not in known]
        if missing:
            for number, body in await db.execute(
                select(messages.c.id, messages.c.body).where(messages.c.id.in_(missing))
            ):
                known[number] = Message.model_validate_json(body)
        self._messages = known  # the next batch is most likely more of the same
        return known

    async def record(self, db: AsyncConnection, results: Sequence[Result]) -> None:
        """Write down what came of each try."""
        await db.execute(
            _RECORD,
            [
                {
                    "delivery": result.claimed.delivery.id,
                    "new_state": result.state,
                    "new_due_at": result.due_at,
                    "new_attempts": result.claimed.attempts + (result.outcome != "snooze"),
                    "new_platform_id": result.platform_id or result.claimed.delivery.message_id,
                    "new_finished_at": None if result.state == _QUEUED else result.finished_at,
                }
                for result in results
            ],
        )
        await db.execute(
            insert(attempts),
            [
                {
                    "delivery_id": result.claimed.delivery.id,
                    "started_at": result.started_at,
                    "finished_at": result.finished_at,
                    "outcome": result.outcome,
                    "reason": result.reason,
                }
                for result in results
            ],
        )

    async def release(self, db: AsyncConnection, claimed: Iterable[Claimed]) -> None:
        """Give back what was claimed and not tried."""
        ids = [each.delivery.id for each in claimed]
        await db.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids), deliveries.c.state == _SENDING)
            .values(state="queued", claimed_until=None)
        )

    async def renew(self, db: AsyncConnection, ids: Collection[int], until: datetime) -> None:
        """Keep claims of a process that is alive and slow."""
        await db.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids), deliveries.c.state == _SENDING)
            .values(claimed_until=until)
        )

    async def next_due(self, db: AsyncConnection, now: datetime) -> datetime | None:
        """The moment at which the next delivery becomes due; None when none is waiting for its time."""
        found: datetime | None = await db.scalar(
            select(func.min(deliveries.c.due_at)).where(
                and_(
                    deliveries.c.adapter == self._adapter,
                    deliveries.c.state == _QUEUED,
                    deliveries.c.due_at > now,
                )
            )
        )
        return found


async def rescue(db: AsyncConnection, now: datetime | None) -> int:
    """Queue what a process claimed and never recorded: claims past their time, or with `now` None all; how many."""
    forfeit = deliveries.c.state == _SENDING
    if now is not None:
        forfeit = and_(forfeit, deliveries.c.claimed_until <= now)
    freed = await db.execute(update(deliveries).where(forfeit).values(state="queued", claimed_until=None))
    return int(freed.rowcount)
