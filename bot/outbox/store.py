"""The outbox's rows: claimed, recorded, given back; one statement for both databases each.

    queued ──claim──> sending ──> sent | dead ──> replaced
      ^                  │
      └── retry, snooze, release, rescue

Dead is what was given up and nobody has dealt with: it is listed, and can be replayed. Replaced was given up and
queued for another address of the same people: it never goes out again, for they would have it twice.

Order: a delivery waits while an earlier one to the same address, in the same priority, is due, being sent or being
tried again, so two answers to one person never change places. The price: one address gets one message per round trip,
and a message that fails for one address alone holds back the later ones there until it is sent or dead. Another
priority does not wait: an emergency passes a failing notice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy import and_, bindparam, case, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Delivery
from bot.clock import JUMP
from bot.messages import Address, Message
from bot.outbox.statements import QUEUED, SENDING, STATEMENTS
from bot.rows import moment, packed, stored
from bot.storage import UtcDateTime
from bot.tables import attempts, deliveries


@dataclass(slots=True)
class Claimed:
    """A delivery that this process may send, with what its row needs when it is recorded."""

    delivery: Delivery
    message_key: int
    topic: str | None
    priority: int
    due_at: int
    attempts: int
    created_at: int

    @property
    def rank(self) -> tuple[int, int, int]:
        return (self.priority, self.due_at, self.delivery.id)


def name_calls(claimed: Sequence[Claimed], size: int) -> list[Delivery]:
    """Put up to `size` deliveries that say the same into one call, and name it; those that are in one now.

    The name is written down before the call goes out, and those under it stay together in every later try until it is
    known what became of it, crash or not. So an idempotency key made of the name means these people, or fewer. Were a
    retry put together anew, some would get the message twice, under the new key; others would be taken, under the old
    one, for people who have it.
    """
    alike: defaultdict[tuple[int, str], list[Claimed]] = defaultdict(list)
    for each in claimed:
        delivery = each.delivery
        untried = delivery.attempt == 1 and not delivery.uncertain and delivery.shared_call is None
        if untried and delivery.reply_token is None and delivery.address.kind == "person":
            alike[each.message_key, delivery.action].append(each)
    named: list[Delivery] = []
    for group in alike.values():
        for start in range(0, len(group), size):
            together = group[start : start + size]
            if len(together) == 1:
                continue
            name = together[0].delivery.key
            for each in together:
                each.delivery = replace(each.delivery, shared_call=name)
                named.append(each.delivery)
    return named


@dataclass(slots=True)  # frozen costs twice as much to make, and one is made for every try
class Result:
    """What came of one try: the delivery's next state, and one row for the attempt log."""

    claimed: Claimed
    state: Literal["queued", "sent", "dead"]
    outcome: Literal["sent", "retry", "down", "snooze", "rejected", "gone", "expired"]
    started_at: datetime
    finished_at: datetime
    due_at: datetime | None = None
    """When to try again; None leaves it."""
    reason: str = ""
    platform_id: str | None = None
    uncertain: bool = False
    """Whether the platform may have acted although the try counts as failed."""
    plainly: bool = False
    """Whether it goes alone and without a reply token from now on."""


ANY_PRIORITY = 32_767
"""More than the largest number that stands in the column."""


class Store:
    """One adapter's view of the rows. Keeps the parsed messages: a notice to 1,200 people is read once."""

    def __init__(self, adapter: str, *, is_sqlite: bool) -> None:
        self._adapter = adapter
        self._statements = STATEMENTS[is_sqlite]
        self._messages: dict[int, Message] = {}

    async def claim(
        self,
        db: AsyncConnection,
        limit: int,
        now: datetime,
        until: datetime,
        *,
        below: int = ANY_PRIORITY,
        share: int = 1,
    ) -> list[Claimed]:
        """Up to `limit` deliveries that are due, in the order of sending; nobody else gets them before `until`.

        With `below`, only those that would overtake a delivery of that priority. Up to `share` that say the same are
        put into one call, and come again together; of such a call all come, even beyond `limit`.
        """
        rows = _unpacked(
            await db.scalar(
                self._statements.choose, {"for_adapter": self._adapter, "now": now, "limit": limit, "below": below}
            )
        )
        if not rows:
            return []
        if calls := {row[-1] for row in rows if row[-1] is not None}:
            mates = _unpacked(await db.scalar(self._statements.mates, {"calls": packed([name] for name in calls)}))
            rows = list({row[0]: row for row in rows + mates}.values())
        await db.execute(self._statements.take, {"rows": packed([row[0]] for row in rows), "until": until})
        known = await self._read_messages(db, {row[2] for row in rows})
        claimed = [
            Claimed(
                Delivery(
                    id=number,
                    key=key,
                    address=Address(self._adapter, kind, address),
                    message=known[message_key],
                    action=action,
                    message_id=platform_id,
                    attempt=tries + 1,
                    uncertain=earlier is not None,
                    tried_at=None if earlier is None else moment(earlier),
                    priority=priority,
                    reply_token=reply_token,
                    shared_call=shared_call,
                ),
                message_key,
                topic,
                priority,
                due_at,
                tries,
                created_at,
            )
            for (
                number,
                key,
                message_key,
                kind,
                address,
                action,
                topic,
                priority,
                due_at,
                tries,
                created_at,
                platform_id,
                earlier,
                reply_token,
                shared_call,
            ) in rows
        ]
        claimed.sort(key=lambda each: each.rank)  # an aggregate promises no order
        if share > 1 and (together := name_calls(claimed, share)):
            names = packed((each.id, each.shared_call) for each in together)
            await db.execute(self._statements.share, {"rows": names})
        return claimed

    async def _read_messages(self, db: AsyncConnection, ids: Collection[int]) -> dict[int, Message]:
        known = {number: message for number, message in self._messages.items() if number in ids}
        missing = [number for number in ids if number not in known]
        if missing:
            for number, body in await db.execute(
                self._statements.bodies, {"rows": packed([number] for number in missing)}
            ):
                known[number] = Message.model_validate_json(body)
        self._messages = known  # the next batch is most likely more of the same
        return known

    async def record(self, db: AsyncConnection, results: Sequence[Result]) -> None:
        """Write down what came of each try."""
        sent = [result for result in results if result.state == "sent"]
        if sent:
            await db.execute(self._statements.sent, {"rows": packed(_sent_row(result) for result in sent)})
        if len(sent) < len(results):
            rows = packed(_row(result) for result in results if result.state != "sent")
            await db.execute(self._statements.record, {"rows": rows})
        tries = (
            (
                result.claimed.delivery.id,
                stored(result.started_at),
                stored(result.finished_at),
                result.outcome,
                result.reason,
            )
            for result in results
        )
        await db.execute(self._statements.log, {"rows": packed(tries)})
        if parted := [[result.claimed.delivery.id] for result in results if result.plainly]:
            await db.execute(self._statements.part, {"rows": packed(parted)})

    async def release(self, db: AsyncConnection, claimed: Iterable[Claimed]) -> None:
        """Give back what was claimed and not tried; what was uncertain before stays so."""
        given = [each.delivery for each in claimed]
        uncertain = {each.id: literal(each.tried_at, UtcDateTime) for each in given if each.uncertain}
        since = case(uncertain, value=deliveries.c.id, else_=None) if uncertain else None
        await db.execute(
            update(deliveries)
            .where(deliveries.c.id.in_([each.id for each in given]), deliveries.c.state == SENDING)
            .values(state="queued", claimed_until=since)
        )

    async def renew(self, db: AsyncConnection, ids: Collection[int], until: datetime) -> None:
        """Keep claims of a process that is alive and slow."""
        await db.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids), deliveries.c.state == SENDING)
            .values(claimed_until=until)
        )

    async def next_due(self, db: AsyncConnection, now: datetime) -> datetime | None:
        """The moment at which the next delivery becomes due; None when none is waiting for its time."""
        found: datetime | None = await db.scalar(_NEXT_DUE, {"for_adapter": self._adapter, "now": now})
        return found

    async def left_ill(self, db: AsyncConnection) -> datetime | None:
        """When the last try of what waits was made, if it failed at a platform that was down; else None."""
        last = (await db.execute(_LAST_TRY, {"for_adapter": self._adapter})).one_or_none()
        return last.started_at if last is not None and last.outcome == "down" else None


def _sent_row(result: Result) -> tuple[object, ...]:
    return (
        result.claimed.delivery.id,
        result.platform_id or result.claimed.delivery.message_id,
        stored(result.finished_at),
    )


def _row(result: Result) -> tuple[object, ...]:
    delivery = result.claimed.delivery
    uncertain = result.uncertain or delivery.uncertain
    return (
        delivery.id,
        result.state,
        result.claimed.due_at if result.due_at is None else stored(result.due_at),
        _tries(result),
        result.platform_id or delivery.message_id,
        None if result.state == "queued" else stored(result.finished_at),
        # The first of them stays: it is the one whose key a platform forgets first.
        stored(delivery.tried_at or result.finished_at) if uncertain else None,
    )


def _tries(result: Result) -> int:
    """The tries that count by now. One at a platform that is down leaves at least a 1: it is no longer untried."""
    tries = result.claimed.attempts
    if result.outcome == "down":
        return max(tries, 1)
    return tries + (result.outcome not in {"snooze", "expired"})


_NEXT_DUE = select(func.min(deliveries.c.due_at)).where(
    deliveries.c.adapter == bindparam("for_adapter"),
    deliveries.c.state == QUEUED,
    deliveries.c.due_at > bindparam("now", type_=UtcDateTime),
)

_LAST_TRY = (
    select(attempts.c.outcome, attempts.c.started_at)
    .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
    .where(deliveries.c.adapter == bindparam("for_adapter"), deliveries.c.state == QUEUED, deliveries.c.attempts > 0)
    .order_by(attempts.c.id.desc())
    .limit(1)
)


def _unpacked(rows: str | None) -> list[list[Any]]:
    unpacked: list[list[Any]] = orjson.loads(rows) if rows else []
    return unpacked


async def put_right(db: AsyncConnection, now: datetime, lease: timedelta, longest: timedelta) -> int:
    """Bring back moments that a clock wrote which was ahead; how many rows. Quiet hours and schedules stay.

    What was enqueued "later than now" is as late as it was then meant to be; what was tried comes again within
    `longest`; a claim holds no longer than a `lease`, and no shorter: whoever made it may still be at work.
    """
    waiting, wrong = deliveries.c.state == QUEUED, deliveries.c.created_at > now + JUMP
    count = 0
    for where, values in (
        (and_(waiting, wrong), {"created_at": now, "due_at": now}),
        (and_(waiting, deliveries.c.attempts > 0, deliveries.c.due_at > now + longest), {"due_at": now + longest}),
        (and_(deliveries.c.state == SENDING, deliveries.c.claimed_until > now + lease), {"claimed_until": now + lease}),
    ):
        count += (await db.execute(update(deliveries).where(where).values(**values))).rowcount
    return count


async def rescue(db: AsyncConnection, now: datetime | None) -> int:
    """Queue what a process claimed and never recorded: claims past their time, or with `now` None all; how many.

    `claimed_until` stays: it tells that the platform may have the message although nobody wrote it down.
    """
    forfeit = deliveries.c.state == SENDING
    if now is not None:
        forfeit = and_(forfeit, deliveries.c.claimed_until <= now)
    freed = await db.execute(update(deliveries).where(forfeit).values(state="queued"))
    return int(freed.rowcount)
