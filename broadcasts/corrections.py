"""Corrections: a new text to the same recipients, tied to the original, which stays as it was.

A correction is drafted, looked at and sent like a notice. From then on reminders carry the corrected text. What has a
room goes through the room as a quote of the original; whoever is no longer in it gets the correction by pair talk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Adapter
from bot.clock import Clock
from bot.directory import Member
from bot.errors import Refused
from bot.messages import Message
from bot.outbox import Outbox
from bot.tables import addresses, members
from broadcasts import fanout, validation
from broadcasts.kinds import PRIORITIES, Kind
from broadcasts.questions import question_of
from broadcasts.quiet import QuietHours, goes_out_at
from broadcasts.recall import Note, Require, rooms_of
from broadcasts.tables import broadcast_corrections, broadcast_recipients, broadcasts, room_places, rooms
from broadcasts.validation import Finding
from broadcasts.wording import Wording

recipient = broadcast_recipients.c


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction as people will see it; `read` are those who have read the original, `number` is None for a draft.

    `warnings` is what is odd about its text, for the author to see before they send it.
    """

    id: int
    broadcast_id: int
    kind: Kind
    text: str
    buttons: Sequence[str]
    recipients: int
    read: int
    number: int | None = None
    held_until: datetime | None = None
    warnings: Sequence[Finding] = ()


class Corrections:
    """Drafts and sends corrections."""

    def __init__(
        self,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        wording: Wording,
        quiet: QuietHours | None,
        require: Require,
        note: Note,
        *,
        mail: Adapter | None = None,
    ) -> None:
        self._mail = mail
        self._outbox = outbox
        self._adapters = adapters
        self._clock = clock
        self._wording = wording
        self._quiet = quiet
        self._require = require
        self._note = note

    async def draft(self, db: AsyncConnection, notice: Row[Any], member: Member, text: str) -> Correction:
        """Keep a correction that nobody gets yet. Raises `Refused`: no right, not sent, no or too much text."""
        await self._require(db, member, "correct", notice)
        if notice.state != "sent":
            raise Refused(f"correction.{notice.state}", id=notice.id)
        text = text.strip()
        if not text:
            raise Refused("correction.empty", id=notice.id)
        limit = min(adapter.capabilities.text_length for adapter in self._adapters.values())
        message = self._message(notice, text, notice.corrections + 1)
        excess = self._wording.length(message, platforms=len(self._adapters)) - limit
        if excess > 0:
            raise Refused("refused.too_long", limit=limit, excess=excess)
        for finding in validation.errors(text):
            raise Refused(finding.key, found=finding.found)
        stored = await db.execute(
            insert(broadcast_corrections).values(
                broadcast_id=notice.id, text=text, author_id=member.id, created_at=self._clock.now()
            )
        )
        assert stored.inserted_primary_key is not None
        correction = await self._describe(db, notice, stored.inserted_primary_key[0], text, None)
        await self._note(db, member, "correction_drafted", notice.id, {"correction": correction.id})
        return correction

    async def send(self, db: AsyncConnection, correction_id: int, member: Member) -> Correction:
        """Send a draft, once; `number` is None if it had been sent before. Raises `Refused` as `draft` does."""
        found = (await db.execute(_DRAFT.where(broadcast_corrections.c.id == correction_id))).first()
        if found is None:
            raise Refused("refused.broken_button")
        # The notice's row first: its lock (PostgreSQL) puts a recall at the same moment before us or behind us.
        notice = (await db.execute(_NOTICE.where(broadcasts.c.id == found.broadcast_id))).one()
        await self._require(db, member, "correct", notice)
        if notice.state != "sent":
            raise Refused(f"correction.{notice.state}", id=notice.id)
        now, number = self._clock.now(), notice.corrections + 1
        won = await db.execute(
            update(broadcast_corrections)
            .where(broadcast_corrections.c.id == correction_id, broadcast_corrections.c.number.is_(None))
            .values(number=number, sent_at=now)
        )
        if won.rowcount == 0:
            return await self._describe(db, notice, correction_id, found.text, None)
        await db.execute(
            update(broadcasts).where(broadcasts.c.id == notice.id).values(corrections=number, corrected_text=found.text)
        )
        await self._queue(db, notice, self._message(notice, found.text, number), number, now)
        correction = await self._describe(db, notice, correction_id, found.text, number)
        details = {"number": number, "recipients": correction.recipients, "had_read": correction.read}
        await self._note(db, member, "corrected", notice.id, details)
        return correction

    def _message(self, notice: Row[Any], text: str, number: int) -> Message:
        original = notice.corrected_text or notice.text
        return self._wording.correction(notice.id, notice.kind, text, number, original, question_of(notice))

    async def _describe(
        self, db: AsyncConnection, notice: Row[Any], correction_id: int, text: str, number: int | None
    ) -> Correction:
        counts = select(func.count(), func.count(recipient.read_at)).where(recipient.broadcast_id == notice.id)
        recipients, read = (await db.execute(counts)).one()
        message = self._message(notice, text, number or notice.corrections + 1)
        now = self._clock.now()
        released = goes_out_at(self._quiet, notice.kind, now)
        return Correction(
            id=correction_id,
            broadcast_id=notice.id,
            kind=notice.kind,
            text=message.text,
            buttons=[button.label for button in message.buttons],
            recipients=recipients,
            read=read,
            number=number,
            held_until=released if released > now else None,
            warnings=validation.warnings(text),
        )

    async def _queue(self, db: AsyncConnection, notice: Row[Any], message: Message, number: int, now: datetime) -> None:
        """To the notice's rooms and people; never before the notice itself, which quiet hours may hold."""
        due_at = max(goes_out_at(self._quiet, notice.kind, now), notice.sent_at)
        how: dict[str, Any] = {
            "topic": message.reference,
            "priority": PRIORITIES[notice.kind],
            "now": now,
            "due_at": due_at,
        }
        keys = f"{notice.token}:correction:{number}"
        for name in await fanout.used_adapters(db, notice.id):
            if self._mail is not None and name == self._mail.name:
                message_id = await fanout.add_message(
                    db, notice.id, "correction", self._wording.by_mail(message), now, number
                )
                await fanout.insert_deliveries(db, _by_mail(notice.id, keys, name), message_id, name, **how)
                continue
            shaped = self._wording.for_platform(message, notice.id, self._adapters[name])
            for room in (await db.execute(rooms_of(notice, name))).all():
                quoting = shaped.model_copy(update={"quote": room.message})
                message_id = await fanout.add_message(db, notice.id, "correction", quoting, now, number)
                one = select(
                    literal(f"{keys}:room:{room.id}").label("key"),
                    literal("room").label("kind"),
                    rooms.c.platform_id.label("address"),
                ).where(rooms.c.id == room.id)
                await fanout.insert_deliveries(db, one, message_id, name, **how)
            message_id = await fanout.add_message(db, notice.id, "correction", shaped, now, number)
            await fanout.insert_deliveries(db, _outside_rooms(notice.id, keys, name), message_id, name, **how)
        self._outbox.ring_after_commit(db)


def _outside_rooms(broadcast_id: int, keys: str, adapter: str) -> Select[tuple[str, str, str]]:
    """(key, kind, address) of the recipients whom no room of the notice reaches now."""
    in_room = (
        select(room_places.c.member_id)
        .where(
            room_places.c.member_id == recipient.member_id,
            room_places.c.room_id == recipient.room_id,
            room_places.c.state.in_(("present", "leaving")),
        )
        .exists()
    )
    return (
        select(
            fanout.person_key(keys, recipient.member_id).label("key"),
            literal("person").label("kind"),
            addresses.c.address,
        )
        .join(addresses, and_(addresses.c.member_id == recipient.member_id, addresses.c.adapter == recipient.adapter))
        .where(recipient.broadcast_id == broadcast_id, recipient.adapter == adapter, ~in_room)
        .order_by(recipient.member_id)
    )


def _by_mail(broadcast_id: int, keys: str, adapter: str) -> Select[tuple[str, str, str]]:
    """(key, kind, address) of the recipients who got the notice by e-mail, because no chat took it for them."""
    return (
        select(
            fanout.person_key(keys, recipient.member_id).label("key"),
            literal("person").label("kind"),
            members.c.email.label("address"),
        )
        .join(members, members.c.id == recipient.member_id)
        .where(recipient.broadcast_id == broadcast_id, recipient.adapter == adapter, members.c.email != "")
        .order_by(recipient.member_id)
    )


_DRAFT = select(broadcast_corrections.c.broadcast_id, broadcast_corrections.c.text)
_NOTICE = select(broadcasts).with_for_update()
