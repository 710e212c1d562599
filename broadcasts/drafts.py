"""Notices before they go out: written, looked at from all sides, thrown away."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.adapter import Adapter
from bot.attachments import checked
from bot.clock import Clock
from bot.directory import Member
from bot.errors import Refused
from bot.messages import Attachment
from bot.outbox import Outbox
from bot.storage import Database
from bot.texts import Texts
from broadcasts import files, notices, people, rights, show_people, validation
from broadcasts.approval import Approvals
from broadcasts.audience import AUDIENCE, EVERYONE, Audience, standing_key
from broadcasts.kinds import Kind
from broadcasts.notices import Diary
from broadcasts.preview import Preview, preview
from broadcasts.questions import Question, question_of
from broadcasts.quiet import goes_out_at
from broadcasts.schedules import Schedules
from broadcasts.settings import BroadcastSettings
from broadcasts.tables import broadcasts
from broadcasts.wording import Wording

RESTORABLE = timedelta(hours=12)
"""How long a draft that was thrown away can be had back; its files lie on the shelf for longer (`sweeping.GRACE`)."""


class Drafts:
    """Keeps drafts; `ring_rooms` is called when one is for an audience that may need rooms."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        texts: Texts,
        wording: Wording,
        settings: BroadcastSettings,
        approvals: Approvals,
        schedules: Schedules,
        diary: Diary,
        ring_rooms: Callable[[], None],
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._adapters = adapters
        self._clock = clock
        self._texts = texts
        self._wording = wording
        self._settings = settings
        self._approvals = approvals
        self._schedules = schedules
        self._diary = diary
        self._ring_rooms = ring_rooms

    @property
    def text_length(self) -> int:
        """Characters that one message holds on every platform."""
        return min((each.capabilities.text_length for each in self._adapters.values()), default=0)

    async def draft(
        self,
        db: AsyncConnection,
        author: Member,
        text: str,
        *,
        kind: Kind = "notice",
        audience: Audience = EVERYONE,
        question: Question | None = None,
        attachments: tuple[Attachment, ...] = (),
    ) -> int:
        """Keep a notice that nobody gets yet; its number.

        Raises `Refused` for a missing right (`Forbidden`), a text that is empty, too long or must be mended, and an
        audience of nobody. Roll back then.
        """
        await rights.require(db, author, rights.SENDERS, audience, action="draft")
        text = self._checked(kind, text, question, attachments)
        key = standing_key(audience)
        stored = await db.execute(
            insert(broadcasts).values(
                token=secrets.token_hex(12),
                kind=kind,
                text=text,
                audience=AUDIENCE.dump_json(audience).decode(),
                audience_key=key,
                author_id=author.id,
                created_at=self._clock.now(),
                attachments=files.column(attachments),
                **(question.columns() if question is not None else {}),
            )
        )
        assert stored.inserted_primary_key is not None
        broadcast_id = int(stored.inserted_primary_key[0])
        if (await self.preview(db, broadcast_id)).recipients == 0:
            raise Refused("refused.nobody")
        await self._diary.note(db, author, "drafted", broadcast_id, {"kind": kind})
        if key is not None:
            # Perhaps the rooms are ready by the time that somebody has read the preview.
            self._database.after_commit(db, self._ring_rooms)
        return broadcast_id

    async def preview(self, db: AsyncConnection, broadcast_id: int) -> Preview:
        """What would happen if the draft were sent now. Raises `Refused` if there is no such notice."""
        notice, planned = await notices.find(db, broadcast_id), await self._schedules.find(db, broadcast_id)
        ready = planned.moments[0] if planned is not None and planned.moments else self._clock.now()
        goes_out = goes_out_at(self._settings.quiet, notice.kind, ready)
        return await preview(
            db,
            notice,
            self._adapters,
            self._wording,
            held_until=goes_out if goes_out > ready else None,
            planned=planned,
            down=self._outbox.down,
            at=goes_out,
        )

    async def people(self, db: AsyncConnection, broadcast_id: int, member: Member) -> list[str]:
        """The names of those who would get a draft, and the draft as each platform shows it, in messages."""
        notice = await notices.find(db, broadcast_id)
        await notices.require_sender(db, member, "recipients", notice)
        found = await people.recipients(db, notice, tuple(self._adapters))
        message = self._wording.notice(
            notice.id,
            notice.kind,
            notice.text,
            question_of(notice),
            files.files_of(notice),
            at=notice.sent_at or self._clock.now(),
        )
        shapes = {
            name: people.Shape.on(adapter, message, self._wording.for_platform(message, notice.id, adapter))
            for name, adapter in self._adapters.items()
        }
        seen = people.Addressees(notice.id, found, shapes)
        return show_people.addressees(self._texts, seen, self.text_length)

    async def removable(self, db: AsyncConnection, broadcast_id: int, member: Member) -> tuple[Attachment, ...]:
        """The files that may still be taken out of a draft.

        Raises `Refused` once somebody is asked to approve it, or it goes out by itself: it was agreed to as it is.
        """
        notice = await notices.find(db, broadcast_id)
        await notices.require_sender(db, member, "take_out_files", notice)
        planned = await self._schedules.find(db, broadcast_id)
        settled = planned is not None and planned.active
        if notice.state != "draft" or settled or await self._approvals.waits(db, broadcast_id):
            raise Refused("attachment.too_late", id=broadcast_id)
        return files.files_of(notice)

    async def take_out(
        self, db: AsyncConnection, broadcast_id: int, member: Member, marked: str | None = None
    ) -> tuple[Attachment, ...]:
        """Take the file with this mark, or all, out of a draft; those that are left. Raises as `removable`."""
        attached = await self.removable(db, broadcast_id, member)
        left = () if marked is None else files.without(attached, marked)
        draft = update(broadcasts).where(broadcasts.c.id == broadcast_id, broadcasts.c.state == "draft")
        await db.execute(draft.values(attachments=files.column(left)))
        await self._diary.note(db, member, "files_taken_out", broadcast_id, {"left": len(left)})
        return left

    async def people_of_group(self, db: AsyncConnection, name: str) -> list[str]:
        """The names of those in a group, in messages."""
        return show_people.group(
            self._texts, name, await people.in_group(db, name, tuple(self._adapters)), self.text_length
        )

    async def cancel(self, db: AsyncConnection, broadcast_id: int, member: Member) -> bool:
        """Throw a draft away; False if it has been sent or thrown away already. Raises `Refused`."""
        await notices.require_sender(db, member, "cancel", await notices.find(db, broadcast_id))
        if not await self._throw_away(db, broadcast_id):
            return False
        await self._diary.note(db, member, "cancelled", broadcast_id)
        return True

    async def rewrite(
        self,
        db: AsyncConnection,
        broadcast_id: int,
        member: Member,
        text: str,
        added: tuple[Attachment, ...] = (),
    ) -> None:
        """Give a draft another text, and more files; whoever was asked to approve the old one need not any more.

        Raises `Refused` as `draft` does, and once it has been sent, scheduled or thrown away.
        """
        notice = await notices.find(db, broadcast_id)
        await notices.require_sender(db, member, "rewrite", notice)
        planned = await self._schedules.find(db, broadcast_id)
        if notice.state != "draft" or (planned is not None and planned.active):
            raise Refused("rewriting.too_late", id=broadcast_id)
        attached = tuple(dict.fromkeys((*files.files_of(notice), *added)))
        text = self._checked(notice.kind, text, question_of(notice), attached)
        draft = update(broadcasts).where(broadcasts.c.id == broadcast_id, broadcasts.c.state == "draft")
        won = await db.execute(draft.values(text=text, attachments=files.column(attached)))
        if won.rowcount == 0:
            raise Refused("rewriting.too_late", id=broadcast_id)
        await self._approvals.withdraw(db, broadcast_id)
        await self._diary.note(db, member, "rewritten", broadcast_id)

    def _checked(self, kind: Kind, text: str, question: Question | None, attachments: tuple[Attachment, ...]) -> str:
        """A text that may be sent. Raises `Refused`."""
        text = text.strip()
        if not text:
            raise Refused("refused.empty")
        excess = self._excess(kind, text, question, attachments)
        if excess > 0:
            raise Refused("refused.too_long", limit=self.text_length, excess=excess)
        for finding in validation.errors(text):
            raise Refused(finding.key, found=finding.found)
        checked(attachments)
        return text

    async def give_up(self, db: AsyncConnection, broadcast_id: int, because: str) -> bool:
        """Throw a draft away that nobody must send any more, without anybody's asking; False if it is too late."""
        won = await self._throw_away(db, broadcast_id)
        if won:
            subject, details = f"broadcast:{broadcast_id}", {"because": because}
            await audit.append(
                db, self._clock, actor="kairanban", action="broadcast.cancelled", subject=subject, details=details
            )
        return won

    async def _throw_away(self, db: AsyncConnection, broadcast_id: int) -> bool:
        won = await db.execute(
            update(broadcasts)
            .where(broadcasts.c.id == broadcast_id, broadcasts.c.state == "draft")
            .values(state="cancelled", closed_at=self._clock.now())
        )
        if won.rowcount == 0:
            return False
        await self._approvals.withdraw(db, broadcast_id)
        await self._schedules.drop(db, broadcast_id)
        return True

    async def restore(self, db: AsyncConnection, broadcast_id: int, member: Member) -> None:
        """Make a draft again of one that was thrown away lately, with its files; nothing happens if it is one.

        Nobody is asked to approve it and it does not go out by itself: that begins anew with its preview. Raises
        `Refused`.
        """
        notice = await notices.find(db, broadcast_id)
        await notices.require_sender(db, member, "restore", notice)
        if notice.state == "draft":
            return
        won = await db.execute(
            update(broadcasts)
            .where(
                broadcasts.c.id == broadcast_id,
                broadcasts.c.state == "cancelled",
                broadcasts.c.closed_at >= self._clock.now() - RESTORABLE,
            )
            .values(state="draft", closed_at=None)
        )
        if won.rowcount == 0:
            raise Refused("restore.too_late", id=broadcast_id)
        await self._schedules.revive(db, broadcast_id)
        await self._diary.note(db, member, "restored", broadcast_id)

    def _excess(self, kind: Kind, text: str, question: Question | None, attachments: tuple[Attachment, ...]) -> int:
        """By how many characters the longest form of a notice is too long for some platform."""
        rounds = self._settings.reminders_of(kind).at_most
        longest = self._wording.longest(
            kind, text, rounds, question, platforms=len(self._adapters), attachments=attachments
        )
        return longest - self.text_length
