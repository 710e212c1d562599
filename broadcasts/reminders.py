"""Reminders: to those alone who have not read, by pair talk, at an even distance, and not for ever.

When the next round is due stands in the notice's row. The step that moves it decides who sends the round, so two
processes that wake together send one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Adapter
from bot.messages import Priority
from bot.tables import deliveries, members
from broadcasts import fanout, receipts
from broadcasts.files import current
from broadcasts.questions import question_of
from broadcasts.quiet import QuietHours, goes_out_at
from broadcasts.tables import broadcast_recipients, broadcasts
from broadcasts.wording import Kind, Wording


@dataclass(frozen=True, slots=True)
class ReminderPolicy:
    """How often people are reminded; the defaults are those of a guest chat that cities use (WowTalk)."""

    interval: timedelta = timedelta(minutes=15)
    at_most: int = 4

    def __post_init__(self) -> None:
        if self.interval <= timedelta(0):
            raise ValueError("The reminders' interval must be longer than nothing, such as 15 minutes.")
        if self.at_most < 0:
            raise ValueError("The number of reminders must be 0 (none) or more.")

    def next_round(self, now: datetime, done: int) -> datetime | None:
        """When the round after `done` rounds is due; None if there is to be no other.

        Counted from now and not from the sending: a process that was down for an hour sends one round, then keeps the
        distance, instead of sending all that it missed at once.
        """
        return now + self.interval if done < self.at_most else None


async def next_due(db: AsyncConnection) -> datetime | None:
    """The moment at which the earliest round is due; None if none is."""
    found: datetime | None = await db.scalar(
        select(func.min(broadcasts.c.next_reminder_at)).where(broadcasts.c.next_reminder_at.is_not(None))
    )
    return found


async def queue_due(
    db: AsyncConnection,
    adapters: Mapping[str, Adapter],
    policy_of: Callable[[Kind], ReminderPolicy],
    wording: Wording,
    now: datetime,
    *,
    quiet: QuietHours | None = None,
    down: Collection[str] = (),
) -> int:
    """Queue every round that is due, in the rhythm of each notice's kind; how many messages that makes.

    A round that comes due in quiet hours is put off until they end, and goes to those who have not read by then.
    Everybody gets it where they can be reached now: platforms that are `down` only where there is no other.
    """
    await receipts.apply(db)
    due = (
        await db.execute(
            select(broadcasts)
            .where(broadcasts.c.next_reminder_at <= now, broadcasts.c.state == "sent")
            .order_by(broadcasts.c.id)
        )
    ).all()
    queued = 0
    for notice in due:
        released = goes_out_at(quiet, notice.kind, now)
        if released > now:
            await db.execute(
                update(broadcasts)
                .where(broadcasts.c.id == notice.id, broadcasts.c.next_reminder_at == notice.next_reminder_at)
                .values(next_reminder_at=released)
            )
            continue
        number = notice.reminders + 1
        won = await db.execute(
            update(broadcasts)
            .where(
                broadcasts.c.id == notice.id,
                broadcasts.c.reminders == notice.reminders,
                broadcasts.c.next_reminder_at == notice.next_reminder_at,
            )
            .values(reminders=number, next_reminder_at=policy_of(notice.kind).next_round(now, number))
        )
        if won.rowcount == 0:
            continue
        sent = 0
        for name in sorted(adapters):
            text = notice.corrected_text or notice.text
            asks, carried = question_of(notice), current(notice)
            message = wording.reminder(notice.id, notice.kind, text, number, asks, carried, at=notice.sent_at)
            message = wording.for_platform(message, notice.id, adapters[name])
            targets = _unread(notice.id, notice.token, number, name, tuple(adapters), down)
            if await db.scalar(select(targets.limit(1).exists())) is not True:
                continue
            sent += await fanout.insert_deliveries(
                db,
                targets,
                await fanout.add_message(db, notice.id, "reminder", message, now),
                name,
                topic=message.reference,
                priority=Priority.EMERGENCY if notice.kind == "emergency" else Priority.REMINDER,
                now=now,
            )
        queued += sent
        if not sent and not await _anyone_unread(db, notice.id):
            await db.execute(
                update(broadcasts)
                .where(broadcasts.c.id == notice.id)
                .values(reminders=notice.reminders, next_reminder_at=None)
            )
    return queued


def _unread(
    broadcast_id: int, token: str, number: int, adapter: str, adapters: tuple[str, ...], down: Collection[str]
) -> Select[tuple[str, str, str]]:
    """(key, kind, address) of those whom a round reaches on one platform.

    Left out are those whose notice, or whose last reminder, still waits in the outbox: after a platform's outage they
    would get all of them at once. A message that could not be delivered leaves them in: this is its second chance.
    """
    recipient = broadcast_recipients.c
    home = fanout.first_addresses(adapters, avoiding=down)
    waiting = select(deliveries.c.key).where(deliveries.c.state.in_(("queued", "sending")))
    last_key = fanout.person_key(token, recipient.member_id, f"reminder:{number - 1}")
    return (
        select(
            fanout.person_key(token, recipient.member_id, f"reminder:{number}").label("key"),
            literal("person").label("kind"),
            home.c.address,
        )
        .join(home, home.c.member_id == recipient.member_id)
        .join(members, and_(members.c.id == recipient.member_id, members.c.active))
        .where(
            recipient.broadcast_id == broadcast_id,
            recipient.read_at.is_(None),
            home.c.adapter == adapter,
            ~waiting.where(deliveries.c.key == fanout.notice_key(token)).exists(),
            ~waiting.where(deliveries.c.key == last_key).exists(),
        )
        .order_by(recipient.member_id)
    )


async def _anyone_unread(db: AsyncConnection, broadcast_id: int) -> bool:
    recipient = broadcast_recipients.c
    unread = select(recipient.member_id).where(recipient.broadcast_id == broadcast_id, recipient.read_at.is_(None))
    return (await db.scalar(unread.limit(1))) is not None
