"""Notices to many, as one service: what a command can do, a screen can do, through the same function.

Functions that change something take the caller's transaction, so that a command's reply and its effect are one commit.
Functions that only look open a snapshot of their own and never stand in a writer's way.

This is the desk that everybody speaks to. What it does is elsewhere: `drafts` before a notice goes out, `sending` when
it does, `report` and `receipts` afterwards, `rooms`, `reminding` and `rerouting` in the background.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.activity import Activity
from bot.adapter import Adapter, FetchesFiles
from bot.attachments import checked
from bot.clock import Clock
from bot.directory import Member
from bot.events import MessageRead
from bot.messages import Attachment
from bot.outbox import Outbox, SentDelivery
from bot.storage import Database
from bot.texts import Texts
from broadcasts import notices, receipts, report, unsent
from broadcasts.agenda import Agenda, Dated
from broadcasts.approval import Approvals
from broadcasts.asking_again import AskingAgain
from broadcasts.audience import EVERYONE, Audience
from broadcasts.corrections import Corrections
from broadcasts.dialogues import Dialogues
from broadcasts.distress import Distress
from broadcasts.drafts import Drafts
from broadcasts.forgotten import Forgotten
from broadcasts.keeper import RoomKeeper
from broadcasts.notices import Diary
from broadcasts.preview import Preview
from broadcasts.questions import Question
from broadcasts.recall import Recalls
from broadcasts.reminding import Reminding
from broadcasts.repetition import Repetition
from broadcasts.rerouting import Rerouting
from broadcasts.responses import Responses
from broadcasts.reviews import Reviews
from broadcasts.schedules import Schedules
from broadcasts.sending import CheckHook, Confirmation, ReleaseHook, Sending
from broadcasts.settings import BroadcastSettings
from broadcasts.tray import Tray
from broadcasts.wording import TOPICS, Kind, Wording

__all__ = ["BroadcastSettings", "Broadcasts", "Confirmation", "ReleaseHook"]


class Broadcasts:
    """Drafts, sends and follows notices; `start()` it for rooms, reminders and platforms that go down."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        activity: Activity,
        texts: Texts,
        settings: BroadcastSettings | None = None,
        *,
        mail: Adapter | None = None,
    ) -> None:
        """`adapters` are the chats; `mail` sends e-mail to those whom no chat takes a notice for."""
        adapters = dict(adapters)
        everything = adapters if mail is None else {**adapters, mail.name: mail}
        settings = settings or BroadcastSettings()
        self._database = database
        self._clock = clock
        self._wording = wording = Wording(texts, settings.signature)
        self._adapters = adapters
        self.texts = texts
        diary = Diary(clock)
        guards = (notices.require_sender, diary.note)
        self.rooms = RoomKeeper(database, adapters, clock, activity, wording)
        self.dialogues = Dialogues(database, clock)
        self.tray = Tray(database, clock)
        self.approvals = Approvals(outbox, adapters, clock, texts, settings.approval, settings.quiet)
        self.reviews = Reviews(outbox, adapters, clock, texts, wording)
        self.schedules = Schedules(outbox, adapters, clock, texts, self._send_scheduled)
        self.distress = Distress(outbox, tuple(adapters), clock, texts, wording)
        self.responses = Responses(database, texts, wording, self.distress)
        self.recalls = Recalls(outbox, everything, clock, wording, *guards)
        self.corrections = Corrections(outbox, adapters, clock, wording, settings.quiet, *guards, mail=mail)
        self._reminding = Reminding(database, outbox, adapters, clock, activity, wording, settings)
        self._rerouting = Rerouting(
            database, outbox, adapters, clock, activity, wording, mail=mail, on_room_refused=self.rooms.ring
        )
        common = (database, outbox, adapters, clock, texts, wording, settings)
        self._drafts = Drafts(*common, self.approvals, self.schedules, diary, self.rooms.ring)
        again = AskingAgain(self.approvals, self._drafts, clock, texts, settings.quiet)
        forgotten = Forgotten(outbox, tuple(adapters), clock, texts, settings.quiet)
        entries: list[Dated] = [self.approvals, again, self.reviews, self.schedules, forgotten]
        self._agenda = Agenda(database, clock, activity, entries)
        self._sending = Sending(
            *common,
            self._drafts,
            self.approvals,
            self.reviews,
            self.schedules,
            diary,
            ring_agenda=self._agenda.ring,
            ring_reminders=self._reminding.ring,
        )
        outbox.on_sent(self._on_sent, TOPICS)
        outbox.on_sent(self.rooms.on_sent, TOPICS)

    @property
    def text_length(self) -> int:
        """Characters that one message holds on every platform."""
        return self._drafts.text_length

    # ----------------------------------------------------------------- send

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
        number = await self._drafts.draft(
            db, author, text, kind=kind, audience=audience, question=question, attachments=attachments
        )
        self._database.after_commit(db, self._agenda.ring)  # should it be forgotten
        return number

    async def preview(self, db: AsyncConnection, broadcast_id: int) -> Preview:
        """What would happen if the draft were sent now. Raises `Refused` if there is no such notice."""
        return await self._drafts.preview(db, broadcast_id)

    async def confirm(
        self,
        db: AsyncConnection,
        broadcast_id: int,
        member: Member,
        previewed: str,
        *,
        warned: bool = False,
        alone: bool = False,
        repeats: int = 0,
    ) -> Confirmation:
        """Send a draft to exactly the people that were previewed; `previewed` is the preview's fingerprint.

        However often and by however many it is confirmed, it is sent once. `warned`: the member has seen what is odd
        about the text; `repeats`: and that it repeats the notice of this number. `alone`: the duty officer passes over
        the approval. Raises `Refused`.
        """
        return await self._sending.confirm(
            db, broadcast_id, member, previewed, warned=warned, alone=alone, repeats=repeats
        )

    async def repeated(self, db: AsyncConnection, broadcast_id: int) -> Repetition | None:
        """The notice of the last ten minutes that a draft would say once more to the same people."""
        return await self._sending.repeated(db, await notices.find(db, broadcast_id))

    async def approve(
        self, db: AsyncConnection, request_id: int, member: Member, previewed: str, *, repeats: int = 0
    ) -> Confirmation:
        """The second person agrees to what they were shown: it is sent. Raises `Refused`, also for one's own notice.

        `repeats`: they have seen that it repeats the notice of this number.
        """
        return await self._sending.approve(db, request_id, member, previewed, repeats=repeats)

    def on_release(self, hook: ReleaseHook) -> None:
        """Call `hook` in the transaction in which a notice is sent."""
        self._sending.on_release(hook)

    def on_check(self, hook: CheckHook) -> None:
        """Call `hook` before a notice is sent; it raises `Refused` where the notice must not be sent any more."""
        self._sending.on_check(hook)

    async def people(self, db: AsyncConnection, broadcast_id: int, member: Member) -> list[str]:
        """The names of those who would get a draft, and the draft as each platform shows it, in messages."""
        return await self._drafts.people(db, broadcast_id, member)

    async def removable(self, db: AsyncConnection, broadcast_id: int, member: Member) -> tuple[Attachment, ...]:
        """The files that may still be taken out of a draft. Raises `Refused`."""
        return await self._drafts.removable(db, broadcast_id, member)

    async def take_out(
        self, db: AsyncConnection, broadcast_id: int, member: Member, marked: str | None = None
    ) -> tuple[Attachment, ...]:
        """Take the file with this mark (`files.mark`), or all, out of it; those that are left. Raises `Refused`."""
        return await self._drafts.take_out(db, broadcast_id, member, marked)

    async def people_of_group(self, db: AsyncConnection, name: str) -> list[str]:
        """The names of those in a group, in messages; whether somebody may see them is for the caller to ask."""
        return await self._drafts.people_of_group(db, name)

    async def cancel(self, db: AsyncConnection, broadcast_id: int, member: Member) -> bool:
        """Throw a draft away; False if it has been sent or thrown away already. Raises `Refused`."""
        return await self._drafts.cancel(db, broadcast_id, member)

    async def rewrite(
        self, db: AsyncConnection, broadcast_id: int, member: Member, text: str, added: tuple[Attachment, ...] = ()
    ) -> None:
        """Give a draft another text, and more files; what was previewed or asked for before sends nothing any more."""
        await self._drafts.rewrite(db, broadcast_id, member, text, added)

    async def give_up(self, db: AsyncConnection, broadcast_id: int, because: str) -> bool:
        """Throw a draft away that must not be sent any more; False if it has been sent or thrown away already."""
        return await self._drafts.give_up(db, broadcast_id, because)

    async def restore(self, db: AsyncConnection, broadcast_id: int, member: Member) -> None:
        """Make a draft again of one that was thrown away lately, with its files and its schedule. Raises `Refused`."""
        await self._drafts.restore(db, broadcast_id, member)

    async def notice(self, db: AsyncConnection, broadcast_id: int) -> Row[Any]:
        """A notice's row, for `recalls` and `corrections`. Raises `Refused` if there is none of that number."""
        return await notices.find(db, broadcast_id)

    async def is_open_draft(self, db: AsyncConnection, broadcast_id: int) -> bool:
        """Whether a notice is neither sent nor scheduled nor thrown away. Raises `Refused` if there is none."""
        planned = await self.schedules.find(db, broadcast_id)
        return (await self.notice(db, broadcast_id)).state == "draft" and not (planned and planned.active)

    def marked(self, kind: Kind, text: str) -> str:
        """A word about a notice: about a drill, it says so."""
        return self._wording.marked(kind, text)

    # --------------------------------------------------------------- follow

    async def record_reads(self, db: AsyncConnection, events: Sequence[MessageRead]) -> None:
        """Note who has read what, many at a time."""
        await receipts.record(db, events)

    async def acknowledge(self, db: AsyncConnection, broadcast_id: int, member: Member) -> bool:
        """A member says that they have read a notice; False if they are none of its recipients."""
        return await receipts.acknowledge(db, broadcast_id, member.id, self._clock.now())

    async def latest(self, reader: Member | None = None) -> int | None:
        """The number of the notice that was sent last, or None; of those that `reader` may look at."""
        async with self._database.snapshot() as db:
            return await report.latest(db, reader)

    async def status(self, broadcast_id: int) -> report.Status:
        """Where a notice stands. Raises `Refused` if none of that number was sent, and says why it was not."""
        async with self._database.snapshot() as db:
            found = await report.status(db, broadcast_id)
            if found is None:
                raise await unsent.refusal(db, broadcast_id)
        return found

    async def unread(self, broadcast_id: int, within: Collection[int] | None = None) -> list[report.Unread]:
        """Everybody who has not read, department by department; `within` names the departments (ids) that are meant."""
        async with self._database.snapshot() as db:
            return await report.unread(db, broadcast_id, within)

    async def receipts(self, broadcast_id: int) -> list[tuple[str, datetime | None]]:
        """Each recipient's department and when they first read, for a report."""
        async with self._database.snapshot() as db:
            return await report.receipts(db, broadcast_id)

    async def summaries(self) -> list[dict[str, Any]]:
        """Every notice that was sent, as plain data for a report."""
        async with self._database.snapshot() as db:
            return await report.summaries(db)

    # ----------------------------------------------------------------- life

    async def start(self) -> None:
        """Begin to keep the rooms and to send reminders that are due, also those from before a restart."""
        for part in (self.rooms, self._rerouting, self._agenda, self._reminding):
            await part.start()

    async def stop(self) -> None:
        """End all of it."""
        for part in (self.rooms, self._rerouting, self._agenda, self._reminding):
            await part.stop()

    async def files_in(self, adapter: str, message_id: str) -> tuple[Attachment, ...]:
        """The files of a message that somebody sent to the bot, brought to the shelf; none where it cannot be done.

        Waits for the platform: never call it inside a transaction. Raises `Refused` for what no notice may carry.
        """
        found: object = self._adapters.get(adapter)
        if not isinstance(found, FetchesFiles):
            return ()
        attachments = tuple(await found.fetch_files(message_id))
        checked(attachments)
        return attachments

    def look_again(self) -> None:
        """Another process may have put something into the database that is due: a schedule, a round of reminders."""
        self._agenda.ring()
        self._reminding.ring()
        self._rerouting.look_again()

    def roster_changed(self) -> None:
        """Call after the staff directory was changed: the rooms follow, and what was refused may go elsewhere now."""
        self.rooms.ring()
        self._rerouting.look_again()

    async def _send_scheduled(self, db: AsyncConnection, notice: Row[Any], author: Member) -> int:
        return (await self._sending.send(db, notice, author)).recipients

    async def _on_sent(self, db: AsyncConnection, sent: Sequence[SentDelivery]) -> None:
        # A read may have come before the platform's id of its message was on record, which it is from here on.
        await receipts.apply(db)
