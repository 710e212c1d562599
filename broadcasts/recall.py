"""Taking a notice back, for good: nobody gets it from then on, and where the platform can, nobody has it any more.

What is queued is cancelled. What was sent is deleted, or, on a platform that cannot delete, followed by a word that
withdraws it. Nobody knows of a delivery that is under way, or that is tried again, whether the platform has it: it is
left to the outbox, whose key tells, and is deleted in the very transaction that records it as sent. The same goes for
what rerouting gave up without knowing: it is queued again where a second try under its key is recognised.

The step of the state from `sent` to `recalled` decides: a second recall finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Row, Text, and_, bindparam, case, cast, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Adapter
from bot.clock import Clock
from bot.directory import Member
from bot.errors import Refused
from bot.messages import Priority
from bot.outbox import Outbox, SentDelivery
from bot.rows import packed, rows_in
from bot.storage import UtcDateTime
from bot.tables import deliveries
from broadcasts import fanout
from broadcasts.aftermath import Reader, readers_before
from broadcasts.kinds import PRIORITIES, Kind
from broadcasts.tables import broadcast_messages, broadcast_recipients, broadcasts, rooms
from broadcasts.wording import TOPICS, Wording

Require = Callable[[AsyncConnection, Member, str, Row[Any]], Awaitable[None]]
"""Raises `Refused` unless the member may do this with the notice."""
Note = Callable[[AsyncConnection, Member, str, int, Mapping[str, Any]], Awaitable[None]]
"""Writes into the audit."""


@dataclass(frozen=True, slots=True)
class Recall:
    """A recall before or after it is done: `having` people have the notice on their screen, `read` had opened it.

    `undeletable` of them are on platforms that cannot delete: they get a word instead. `done` is false if somebody was
    quicker.
    """

    id: int
    kind: Kind
    text: str
    recipients: int
    having: int
    read: int
    undeletable: int
    done: bool = False


class Recalls:
    """Recalls notices, and keeps at it while the outbox finishes what was under way."""

    def __init__(
        self,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        wording: Wording,
        require: Require,
        note: Note,
    ) -> None:
        self._outbox = outbox
        self._deleting = tuple(name for name, adapter in adapters.items() if adapter.capabilities.deletes)
        self._undeletable = tuple(sorted(adapters.keys() - set(self._deleting)))
        self._recognising = tuple(name for name in self._deleting if adapters[name].capabilities.idempotent)
        self._clock = clock
        self._wording = wording
        self._require = require
        self._note = note
        outbox.on_sent(self._on_sent, TOPICS)

    async def preview(self, db: AsyncConnection, notice: Row[Any], member: Member) -> Recall:
        """What a recall would do. Raises `Refused` for want of a right, and if the notice is not out."""
        await self._require(db, member, "recall", notice)
        if notice.state == "draft":
            raise Refused("recall.not_sent", id=notice.id)
        if notice.state != "sent":
            raise Refused("recall.already", id=notice.id)
        return await self._look(db, notice)

    async def recall(self, db: AsyncConnection, notice: Row[Any], member: Member) -> Recall:
        """Take the notice back; `done` is false if it had been taken back before. Raises `Refused` as `preview`."""
        await self._require(db, member, "recall", notice)
        now = self._clock.now()
        # First of all, and on PostgreSQL with a lock that the hook waits for: see `_on_sent`.
        won = await db.execute(
            update(broadcasts)
            .where(broadcasts.c.id == notice.id, broadcasts.c.state == "sent")
            .values(state="recalled", closed_at=now, next_reminder_at=None)
        )
        found = await self._look(db, notice)
        if won.rowcount == 0:
            return found
        await self._empty_queue(db, notice.id, now)
        await db.execute(_ASK_AGAIN, {"broadcast_id": notice.id, "recognising": list(self._recognising), "now": now})
        await db.execute(_DELETE_ALL[db.dialect.name], {"broadcast_id": notice.id, **self._how(now)})
        await self._withdraw(db, notice, now)
        self._outbox.ring_after_commit(db)
        details = {"recipients": found.recipients, "had_it": found.having, "had_read": found.read}
        await self._note(db, member, "recalled", notice.id, details)
        return Recall(**{name: getattr(found, name) for name in Recall.__slots__ if name != "done"}, done=True)

    async def readers(self, db: AsyncConnection, notice: Row[Any], member: Member) -> list[Reader]:
        """Who had read the notice when it was recalled, or has by now. Raises `Refused` for want of a right."""
        await self._require(db, member, "recall", notice)
        return await readers_before(db, notice.id, notice.closed_at or self._clock.now())

    async def _look(self, db: AsyncConnection, notice: Row[Any]) -> Recall:
        recipient = broadcast_recipients.c
        key = fanout.notice_key(notice.token)
        undeletable = and_(deliveries.c.state == "sent", deliveries.c.adapter.not_in(self._deleting))
        row = (
            await db.execute(
                select(
                    func.count(),
                    func.count(case((deliveries.c.state == "sent", 1))),
                    func.count(recipient.read_at),
                    func.count(case((undeletable, 1))),
                )
                .select_from(broadcast_recipients)
                .outerjoin(deliveries, deliveries.c.key == key)
                .where(recipient.broadcast_id == notice.id)
            )
        ).one()
        return Recall(notice.id, notice.kind, notice.text, *row)

    async def _empty_queue(self, db: AsyncConnection, broadcast_id: int, now: datetime) -> None:
        """Cancel what nobody can have yet. What may have arrived stays queued where it can be deleted afterwards."""
        untried = and_(deliveries.c.attempts == 0, deliveries.c.claimed_until.is_(None))
        await db.execute(
            update(deliveries)
            .where(
                deliveries.c.message_id.in_(_messages_of(broadcast_id)),
                deliveries.c.state == "queued",
                or_(untried, deliveries.c.adapter.not_in(self._deleting)),
            )
            .values(state="cancelled", finished_at=now)
        )

    async def _withdraw(self, db: AsyncConnection, notice: Row[Any], now: datetime) -> None:
        """Say it where nothing can be deleted: a word to everybody who has it or may have it."""
        message = self._wording.recall(notice.id, notice.kind, notice.text, at=now)
        plain = await fanout.add_message(db, notice.id, "correction", message, now)
        may_have_it = or_(
            deliveries.c.state == "sent",
            and_(deliveries.c.state != "dead", deliveries.c.attempts > 0),  # a refusal is certain
            deliveries.c.claimed_until.is_not(None),
        )
        theirs = (
            select(
                (literal(f"{notice.token}:recall:") + cast(deliveries.c.id, Text)).label("key"),
                deliveries.c.kind,
                deliveries.c.address,
            )
            .join(broadcast_messages, broadcast_messages.c.message_id == deliveries.c.message_id)
            .where(
                broadcast_messages.c.broadcast_id == notice.id,
                broadcast_messages.c.purpose == "notice",
                deliveries.c.state != "sending",
                may_have_it,
            )
        )
        how: dict[str, Any] = {"topic": message.reference, "priority": PRIORITIES[notice.kind], "now": now}
        for name in self._undeletable:  # also where nobody gets it any more: whoever was moved may have it twice
            here = theirs.where(deliveries.c.adapter == name)
            await fanout.insert_deliveries(db, here.where(deliveries.c.kind == "person"), plain, name, **how)
            used = (await db.execute(rooms_of(notice, name))).all()
            left = deliveries.c.address.not_in([room.platform_id for room in used])
            await fanout.insert_deliveries(db, here.where(deliveries.c.kind == "room", left), plain, name, **how)
            for room in used:
                quoting = message.model_copy(update={"quote": room.message})
                number = await fanout.add_message(db, notice.id, "correction", quoting, now)
                one = here.where(deliveries.c.kind == "room", deliveries.c.address == room.platform_id)
                await fanout.insert_deliveries(db, one, number, name, **how)

    async def _on_sent(self, db: AsyncConnection, sent: Sequence[SentDelivery]) -> None:
        """Take back what reached the platform after its notice was recalled."""
        numbers = {each.topic.split(":")[1] for each in sent if each.topic}
        # Read under a lock (PostgreSQL): either the recall sees these deliveries as sent, or we see the recall.
        states = await db.execute(
            _STATES[db.dialect.name], {"ids": packed([int(number)] for number in sorted(numbers))}
        )
        late = [row.id for row in states if row.state == "recalled"]
        if not late:
            return
        how = {"deliveries": [each.delivery_id for each in sent], "broadcasts": late, **self._how(self._clock.now())}
        await db.execute(_DELETE_LATE[db.dialect.name], how)
        await db.execute(_WITHDRAW_LATE[db.dialect.name], how)
        self._outbox.ring_after_commit(db)

    def _how(self, now: datetime) -> dict[str, Any]:
        return {"deleting": list(self._deleting), "now": now}


def _messages_of(broadcast_id: Any) -> Any:
    return select(broadcast_messages.c.message_id).where(broadcast_messages.c.broadcast_id == broadcast_id)


def rooms_of(notice: Row[Any], adapter: str) -> Any:
    """The rooms through which a notice went out on a platform: (id, platform_id, message to quote or NULL)."""
    used = select(broadcast_recipients.c.room_id).where(broadcast_recipients.c.broadcast_id == notice.id)
    return (
        select(rooms.c.id, rooms.c.platform_id, deliveries.c.platform_id.label("message"))
        .outerjoin(
            deliveries,
            and_(
                deliveries.c.key == fanout.room_key(notice.token, rooms.c.id),
                deliveries.c.state == "sent",
                deliveries.c.address == rooms.c.platform_id,  # not in the room that was before this one
            ),
        )
        .where(rooms.c.id.in_(used), rooms.c.adapter == adapter, rooms.c.platform_id.is_not(None))
        .order_by(rooms.c.id)
    )


# ------------------------------------------------------------ statements built once

_STATES = {
    name: select(broadcasts.c.id, broadcasts.c.state)
    .where(broadcasts.c.id.in_(select(rows_in("ids", is_sqlite=name == "sqlite", id=BigInteger()).c.id)))
    .with_for_update(read=True, of=broadcasts)
    for name in ("sqlite", "postgresql")
}
_notice_messages = broadcast_messages.alias("of_notice")
_recalled = (
    select(
        (broadcasts.c.token + literal(":recall:") + cast(deliveries.c.id, Text)).label("key"),
        deliveries.c.message_id,
        deliveries.c.adapter,
        deliveries.c.kind,
        deliveries.c.address,
        (literal("recall:") + cast(broadcasts.c.id, Text)).label("topic"),
        case((broadcasts.c.kind == "emergency", int(Priority.EMERGENCY)), else_=int(Priority.REPLY)).label("priority"),
        bindparam("now", type_=UtcDateTime).label("due_at"),
        bindparam("now", type_=UtcDateTime).label("created_at"),
    )
    .select_from(deliveries)
    .join(_notice_messages, _notice_messages.c.message_id == deliveries.c.message_id)
    .join(broadcasts, broadcasts.c.id == _notice_messages.c.broadcast_id)
    .where(deliveries.c.action == "send", deliveries.c.state == "sent")
)
_deletable = deliveries.c.adapter.in_(bindparam("deleting", expanding=True))
_late = and_(
    deliveries.c.id.in_(bindparam("deliveries", expanding=True)),
    broadcasts.c.id.in_(bindparam("broadcasts", expanding=True)),
)
_ASK_AGAIN = (
    update(deliveries)
    .where(
        deliveries.c.message_id.in_(_messages_of(bindparam("broadcast_id"))),
        deliveries.c.state.in_(("cancelled", "replaced")),
        deliveries.c.claimed_until.is_not(None),
        deliveries.c.adapter.in_(bindparam("recognising", expanding=True)),
    )
    .values(state="queued", due_at=bindparam("now"), finished_at=None)
)
_word = (
    select(func.min(broadcast_messages.c.message_id))
    .where(
        broadcast_messages.c.broadcast_id == broadcasts.c.id,
        broadcast_messages.c.purpose == "correction",
        broadcast_messages.c.number == 0,
    )
    .correlate(broadcasts)
    .scalar_subquery()
)


_deletion = _recalled.add_columns(literal("delete").label("action"), deliveries.c.platform_id).where(
    _deletable, deliveries.c.platform_id.is_not(None)
)
_DELETE_ALL = fanout.insert_once(_deletion.where(broadcasts.c.id == bindparam("broadcast_id")))
_DELETE_LATE = fanout.insert_once(_deletion.where(_late))
_WITHDRAW_LATE = fanout.insert_once(
    _recalled.with_only_columns(
        *(column if column.key != "message_id" else _word.label("message_id") for column in _recalled.selected_columns)
    ).where(_late, ~_deletable, _notice_messages.c.purpose == "notice")
)
