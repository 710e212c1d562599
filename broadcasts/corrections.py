"""Corrections: a new text to the same recipients, tied to the original, which stays as it was.

A correction is drafted, looked at and sent like a notice. From then on reminders carry the corrected text. What has a
room goes through the room as a quote of the original; whoever is no longer in it gets the correction by pair talk.

Its files take the place of the notice's; without any, the notice keeps its own unless its author takes them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Adapter
from bot.attachments import checked
from bot.clock import Clock
from bot.directory import Member
from bot.errors import Refused
from bot.messages import Attachment, Message
from bot.outbox import Outbox
from broadcasts import fanout, files, sent_to, validation
from broadcasts.kinds import PRIORITIES, Kind
from broadcasts.people import Addressees, Shape
from broadcasts.questions import question_of
from broadcasts.quiet import QuietHours, goes_out_at
from broadcasts.recall import Note, Require, rooms_of
from broadcasts.tables import broadcast_corrections, broadcast_recipients, broadcasts, rooms
from broadcasts.validation import Finding
from broadcasts.wording import Wording

recipient = broadcast_recipients.c


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction as people will see it; `read` are those who have read the original, `number` is None for a draft.

    `warnings` is what is odd about its text, for the author to see before they send it. `attachments` go with it, but
    not to the (platform, recipients) of `without_files`. `kept` and `dropped` are files of the notice: those that
    reminders go on to carry, and those that they carry no more.
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
    attachments: Sequence[Attachment] = ()
    kept: Sequence[Attachment] = ()
    dropped: Sequence[Attachment] = ()
    without_files: Sequence[tuple[str, int]] = ()


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

    async def draft(
        self,
        db: AsyncConnection,
        notice: Row[Any],
        member: Member,
        text: str,
        attachments: tuple[Attachment, ...] = (),
    ) -> Correction:
        """Keep a correction that nobody gets yet. Raises `Refused`: no right, not sent, no text, too much of it."""
        await self._require(db, member, "correct", notice)
        if notice.state != "sent":
            raise Refused(f"correction.{notice.state}", id=notice.id)
        text = text.strip()
        if not text:
            raise Refused("correction.empty", id=notice.id)
        limit = min(adapter.capabilities.text_length for adapter in self._adapters.values())
        excess = self._longest(notice, text, attachments) - limit
        if excess > 0:
            raise Refused("refused.too_long", limit=limit, excess=excess)
        for finding in validation.errors(text):
            raise Refused(finding.key, found=finding.found)
        checked(attachments)
        stored = await db.execute(
            insert(broadcast_corrections).values(
                broadcast_id=notice.id,
                text=text,
                attachments=files.column(attachments),
                author_id=member.id,
                created_at=self._clock.now(),
            )
        )
        assert stored.inserted_primary_key is not None
        drafted = await self._draft_row(db, stored.inserted_primary_key[0])
        correction = await self._describe(db, notice, drafted, None)
        await self._note(db, member, "correction_drafted", notice.id, {"correction": correction.id})
        return correction

    async def take_out(self, db: AsyncConnection, correction_id: int, member: Member, *, kept: bool) -> Correction:
        """Take its own files out of a draft or, with `kept`, those of the notice from reminders. Raises `Refused`."""
        found, notice = await self._find(db, correction_id, member)
        if found.number is not None:
            raise Refused("correction.already", id=notice.id)
        if kept:
            left = found.attachments if files.files_of(found) else files.change(())
        else:
            left = None if files.files_of(found) else found.attachments
        draft = update(broadcast_corrections).where(broadcast_corrections.c.id == correction_id)
        await db.execute(draft.values(attachments=left))
        await self._note(db, member, "correction_files_taken_out", notice.id, {"correction": correction_id})
        return await self._describe(db, notice, await self._draft_row(db, correction_id), None)

    async def people(self, db: AsyncConnection, correction_id: int, member: Member) -> Addressees:
        """Exactly who would get a correction now, and what each platform would show. Raises `Refused`."""
        found = await self._draft_row(db, correction_id)
        notice = (await db.execute(select(broadcasts).where(broadcasts.c.id == found.broadcast_id))).one()
        await self._require(db, member, "recipients", notice)
        number = found.number or notice.corrections + 1
        message = self._message(notice, found.text, number, files.files_of(found))
        shapes = {
            name: Shape.on(adapter, message, self._wording.for_platform(message, notice.id, adapter))
            for name, adapter in self._adapters.items()
        }
        if self._mail is not None:
            letter = self._wording.by_mail(message, notice.id, self._mail)
            shapes[self._mail.name] = Shape.on(self._mail, message, letter)
        mail = None if self._mail is None else self._mail.name
        reached = await sent_to.recipients(db, notice.id, sorted(self._adapters), mail)
        return Addressees(notice.id, reached, shapes, await sent_to.newcomers(db, notice.id))

    async def send(self, db: AsyncConnection, correction_id: int, member: Member) -> Correction:
        """Send a draft, once; `number` is None if it had been sent before. Raises `Refused` as `draft` does."""
        found, notice = await self._find(db, correction_id, member)
        now, number = self._clock.now(), notice.corrections + 1
        won = await db.execute(
            update(broadcast_corrections)
            .where(broadcast_corrections.c.id == correction_id, broadcast_corrections.c.number.is_(None))
            .values(number=number, sent_at=now)
        )
        if won.rowcount == 0:
            return await self._describe(db, notice, found, None)
        corrected = {"corrections": number, "corrected_text": found.text}
        if found.attachments is not None:
            corrected["corrected_attachments"] = found.attachments
        await db.execute(update(broadcasts).where(broadcasts.c.id == notice.id).values(corrected))
        await self._queue(db, notice, self._message(notice, found.text, number, files.files_of(found)), number, now)
        correction = await self._describe(db, notice, found, number)
        details = {"number": number, "recipients": correction.recipients, "had_read": correction.read}
        await self._note(db, member, "corrected", notice.id, details)
        return correction

    async def _find(self, db: AsyncConnection, correction_id: int, member: Member) -> tuple[Row[Any], Row[Any]]:
        """A correction and its notice, which this member may correct. Raises `Refused`."""
        found = await self._draft_row(db, correction_id)
        # The notice's row first: its lock (PostgreSQL) puts a recall at the same moment before us or behind us.
        notice = (await db.execute(_NOTICE.where(broadcasts.c.id == found.broadcast_id))).one()
        await self._require(db, member, "correct", notice)
        if notice.state != "sent":
            raise Refused(f"correction.{notice.state}", id=notice.id)
        return await self._draft_row(db, correction_id), notice

    async def _draft_row(self, db: AsyncConnection, correction_id: int) -> Row[Any]:
        found = (await db.execute(_DRAFT.where(broadcast_corrections.c.id == correction_id))).first()
        if found is None:
            raise Refused("refused.broken_button")
        return found

    def _message(self, notice: Row[Any], text: str, number: int, attachments: tuple[Attachment, ...]) -> Message:
        original = notice.corrected_text or notice.text
        at, asks = goes_out_at(self._quiet, notice.kind, self._clock.now()), question_of(notice)
        return self._wording.correction(notice.id, notice.kind, text, number, original, asks, attachments, at=at)

    def _longest(self, notice: Row[Any], text: str, attachments: tuple[Attachment, ...]) -> int:
        """Characters of the longest message that comes of it: reminders name the notice's files as well."""
        forms = [self._message(notice, text, notice.corrections + 1, attachments)]
        if carried := attachments or files.current(notice):
            asks = question_of(notice)
            again = self._wording.reminder(notice.id, notice.kind, text, 99, asks, carried, at=notice.sent_at)
            forms.append(again)
        return max(self._wording.length(form, platforms=len(self._adapters)) for form in forms)

    async def _describe(self, db: AsyncConnection, notice: Row[Any], found: Row[Any], number: int | None) -> Correction:
        counts = select(func.count(), func.count(recipient.read_at)).where(recipient.broadcast_id == notice.id)
        recipients, read = (await db.execute(counts)).one()
        attachments = files.files_of(found)
        message = self._message(notice, found.text, number or notice.corrections + 1, attachments)
        now = self._clock.now()
        released = goes_out_at(self._quiet, notice.kind, now)
        before = () if attachments else files.current(notice)
        return Correction(
            id=found.id,
            broadcast_id=notice.id,
            kind=notice.kind,
            text=message.text,
            buttons=[button.label for button in message.buttons],
            recipients=recipients,
            read=read,
            number=number,
            held_until=released if released > now else None,
            warnings=validation.warnings(found.text),
            attachments=attachments,
            kept=before if found.attachments is None else (),
            dropped=before if found.attachments is not None else (),
            without_files=await self._without_files(db, notice.id, attachments),
        )

    async def _without_files(
        self, db: AsyncConnection, broadcast_id: int, attachments: tuple[Attachment, ...]
    ) -> list[tuple[str, int]]:
        unable = [name for name, each in self._adapters.items() if not each.capabilities.carries(attachments)]
        if not unable:
            return []
        there = select(recipient.adapter, func.count().label("members")).where(
            recipient.broadcast_id == broadcast_id, recipient.adapter.in_(unable)
        )
        rows = await db.execute(there.group_by(recipient.adapter).order_by(recipient.adapter))
        return [(row.adapter, row.members) for row in rows]

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
        gone: list[str] = []
        for name in await fanout.used_adapters(db, notice.id):
            if self._mail is not None and name == self._mail.name:
                letter = self._wording.by_mail(message, notice.id, self._mail)
                message_id = await fanout.add_message(db, notice.id, "correction", letter, now, number)
                await fanout.insert_deliveries(db, sent_to.by_mail(notice.id, keys, name), message_id, name, **how)
                continue
            if name not in self._adapters:
                gone.append(name)
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
            await fanout.insert_deliveries(db, sent_to.outside_rooms(notice.id, keys, name), message_id, name, **how)
        for name in sorted(self._adapters) if gone else ():
            shaped = self._wording.for_platform(message, notice.id, self._adapters[name])
            message_id = await fanout.add_message(db, notice.id, "correction", shaped, now, number)
            people = sent_to.at_home(notice.id, keys, gone, name, sorted(self._adapters))
            await fanout.insert_deliveries(db, people, message_id, name, **how)
        self._outbox.ring_after_commit(db)


_DRAFT = select(broadcast_corrections)
_NOTICE = select(broadcasts).with_for_update()
