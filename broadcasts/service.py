"""Notices to many, as one service: what a command can do, a screen can do, through the same function.

Functions that change something take the caller's transaction, so that a command's reply and its effect are one commit.
Functions that only look open a snapshot of their own and never stand in a writer's way.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.activity import Activity
from bot.adapter import Adapter
from bot.clock import Clock
from bot.directory import Member
from bot.errors import Forbidden, Refused
from bot.events import MessageRead
from bot.loop import Loop
from bot.outbox import Outbox, SentDelivery
from bot.storage import Database
from bot.texts import Texts
from broadcasts import fanout, people, receipts, reminders, report, rights, show, validation
from broadcasts.agenda import Agenda
from broadcasts.approval import ApprovalPolicy, Approvals
from broadcasts.audience import AUDIENCE, EVERYONE, Audience, standing_key
from broadcasts.corrections import Corrections
from broadcasts.dialogues import Dialogues
from broadcasts.keeper import RoomKeeper
from broadcasts.preview import Preview, preview
from broadcasts.questions import Question, question_of
from broadcasts.quiet import QuietHours, goes_out_at
from broadcasts.recall import Recalls
from broadcasts.reminders import ReminderPolicy
from broadcasts.rerouting import Rerouting
from broadcasts.responses import Responses
from broadcasts.schedules import Schedules
from broadcasts.tables import broadcasts
from broadcasts.wording import PRIORITIES, Kind, Wording

log = structlog.get_logger(__name__)

FORGOTTEN_AFTER = timedelta(days=1)
"""How long a read of an unknown message is kept, should the message become known."""
AFTER_FAILURE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class BroadcastSettings:
    """What a city sets."""

    reminders: ReminderPolicy = field(default_factory=ReminderPolicy)
    reminders_by_kind: Mapping[Kind, ReminderPolicy] = field(default_factory=dict)
    """Kinds that are reminded of in another rhythm than the rest."""
    quiet: QuietHours | None = None
    """When notices wait for the morning, emergencies aside; None: never."""
    approval: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    """Which kinds wait for a second person."""

    def reminders_of(self, kind: Kind) -> ReminderPolicy:
        """The rhythm for one kind."""
        return self.reminders_by_kind.get(kind, self.reminders)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What came of a confirmation.

    - `sent`: it is on its way to `recipients`.
    - `already`: it had been sent before; nothing happened now.
    - `changed`: other people than those previewed would get it, so nothing was sent; show the new preview.
    - `cancelled`: the draft had been thrown away.
    - `warned`: the text has something odd; show `validation.warnings` and confirm with `warned=True`.
    - `requested`: those who may approve it are asked; `waiting`: they were asked before.
    - `scheduled`: it goes out by itself at `held_until`, and perhaps again.
    """

    outcome: Literal["sent", "already", "changed", "cancelled", "warned", "requested", "waiting", "scheduled"]
    recipients: int = 0
    kind: Kind = "notice"
    held_until: datetime | None = None
    """When it goes out, if quiet hours or a schedule hold it until then."""


ReleaseHook = Callable[[AsyncConnection, int, Kind, datetime], Awaitable[None]]
"""Called with the notice's number, its kind and the moment at which it goes out."""


class Broadcasts:
    """Drafts, sends and follows notices; `start()` it for rooms and reminders."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        activity: Activity,
        texts: Texts,
        settings: BroadcastSettings | None = None,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._adapters = dict(adapters)
        self._clock = clock
        self._wording = Wording(texts)
        self._settings = settings or BroadcastSettings()
        self._loop = Loop("reminders", self._remind, clock, activity, after_failure=AFTER_FAILURE)
        self.texts = texts
        self.rooms = RoomKeeper(database, self._adapters, clock, activity, self._wording)
        self._rerouting = Rerouting(database, outbox, self._adapters, clock, activity, self._wording)
        self.dialogues = Dialogues(database, clock)
        self.approvals = Approvals(outbox, self._adapters, clock, texts, self._settings.approval)
        self.schedules = Schedules(outbox, self._adapters, clock, texts, self._send_scheduled)
        self._agenda = Agenda(database, clock, activity, [self.approvals, self.schedules])
        self._release_hooks: list[ReleaseHook] = []
        self.responses = Responses(database, texts, self._wording)
        self.recalls = Recalls(outbox, self._adapters, clock, self._wording, self._require_sender, self._note)
        self.corrections = Corrections(
            outbox, self._adapters, clock, self._wording, self._settings.quiet, self._require_sender, self._note
        )
        outbox.on_sent(self._on_sent)
        outbox.on_sent(self.rooms.on_sent)

    @property
    def text_length(self) -> int:
        """Characters that one message holds on every platform."""
        return min((each.capabilities.text_length for each in self._adapters.values()), default=0)

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
    ) -> int:
        """Keep a notice that nobody gets yet; its number.

        Raises `Refused` for a missing right (`Forbidden`), a text that is empty, too long or must be mended, and an
        audience of nobody. Roll back then.
        """
        await rights.require(db, author, rights.SENDERS, audience, action="draft")
        text = text.strip()
        if not text:
            raise Refused("refused.empty")
        limit = self.text_length
        excess = self._wording.longest(kind, text, self._settings.reminders_of(kind).at_most, question) - limit
        if excess > 0:
            raise Refused("refused.too_long", limit=limit, excess=excess)
        for finding in validation.errors(text):
            raise Refused(finding.key, found=finding.found)
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
                **(question.columns() if question is not None else {}),
            )
        )
        assert stored.inserted_primary_key is not None
        broadcast_id = int(stored.inserted_primary_key[0])
        if (await self.preview(db, broadcast_id)).recipients == 0:
            raise Refused("refused.nobody")
        await self._note(db, author, "drafted", broadcast_id, {"kind": kind})
        if key is not None:
            # Perhaps the rooms are ready by the time that somebody has read the preview.
            self._database.after_commit(db, self.rooms.ring)
        return broadcast_id

    async def preview(self, db: AsyncConnection, broadcast_id: int) -> Preview:
        """What would happen if the draft were sent now. Raises `Refused` if there is no such notice."""
        notice, planned = await self._get(db, broadcast_id), await self.schedules.find(db, broadcast_id)
        ready = planned.moments[0] if planned is not None and planned.moments else self._clock.now()
        goes_out = goes_out_at(self._settings.quiet, notice.kind, ready)
        return await preview(
            db,
            notice,
            tuple(self._adapters),
            self._wording,
            held_until=goes_out if goes_out > ready else None,
            planned=planned,
        )

    async def confirm(
        self,
        db: AsyncConnection,
        broadcast_id: int,
        member: Member,
        previewed: str,
        *,
        warned: bool = False,
        alone: bool = False,
    ) -> Confirmation:
        """Send a draft to exactly the people that were previewed; `previewed` is the preview's fingerprint.

        However often and by however many it is confirmed, it is sent once. `warned`: the member has seen what is odd
        about the text. `alone`: the duty officer passes over the approval. Raises `Refused`.
        """
        notice = await self._get(db, broadcast_id)
        await self._require_sender(db, member, "confirm", notice)
        if notice.state != "draft":
            return Confirmation("cancelled" if notice.state == "cancelled" else "already")
        planned = await self.schedules.find(db, broadcast_id)
        if planned is not None and planned.active:
            return await self._release(db, notice, member)
        if await self._fingerprint(db, notice) != previewed:
            return Confirmation("changed")
        if not warned and validation.warnings(notice.text):
            return Confirmation("warned")
        if not self.approvals.needed(notice.kind, member):
            return await self._release(db, notice, member)
        if alone:
            return await self._send_alone(db, notice, member)
        pages = show.preview(self.texts, await self.preview(db, broadcast_id), self.text_length)
        asked = await self.approvals.request(db, notice, member, pages, previewed)
        self._database.after_commit(db, self._agenda.ring)
        return Confirmation("requested" if asked else "waiting")

    async def approve(self, db: AsyncConnection, request_id: int, member: Member, previewed: str) -> Confirmation:
        """The second person agrees to what they were shown: it is sent. Raises `Refused`, also for one's own notice."""
        request = await self.approvals.find(db, request_id, member, "approve")
        notice = await self._get(db, request.broadcast_id)
        if notice.state != "draft":
            return Confirmation("cancelled" if notice.state == "cancelled" else "already")
        await self.approvals.require_author(db, request)
        if await self._fingerprint(db, notice) != previewed:
            return Confirmation("changed")
        if not await self.approvals.decide(db, request, member, "approved"):
            return Confirmation("already")
        return await self._release(db, notice, member)

    async def _send_alone(self, db: AsyncConnection, notice: Row[Any], member: Member) -> Confirmation:
        if await self.schedules.find(db, notice.id) is not None:
            raise Refused("schedule.not_alone")  # what can wait for its hour can wait for a second person
        if not self.approvals.may_send_alone(notice.kind, member):
            raise Forbidden(
                "refused.not_alone",
                actor=member.code,
                action="broadcast.send_alone",
                subject=f"broadcast:{notice.id}",
            )
        confirmation = await self._release(db, notice, member)
        if confirmation.outcome == "sent":
            await self.approvals.withdraw(db, notice.id)
            await self.approvals.ask_review(db, notice, member, confirmation.recipients)
        return confirmation

    async def _release(self, db: AsyncConnection, notice: Row[Any], member: Member) -> Confirmation:
        """Send a draft, or let its schedule begin, once everything is right with it."""
        planned = await self.schedules.find(db, notice.id)
        if planned is None:
            return await self._send(db, notice, member)
        recipients = await self.schedules.activate(db, notice, member, planned)
        self._database.after_commit(db, self._agenda.ring)
        return Confirmation("scheduled", recipients, notice.kind, planned.moments[0])

    async def _send_scheduled(self, db: AsyncConnection, notice: Row[Any], author: Member) -> int:
        return (await self._send(db, notice, author)).recipients

    async def _send(self, db: AsyncConnection, notice: Row[Any], member: Member) -> Confirmation:
        broadcast_id, audience = notice.id, AUDIENCE.validate_json(notice.audience)
        now = self._clock.now()
        goes_out = goes_out_at(self._settings.quiet, notice.kind, now)
        rhythm = self._settings.reminders_of(notice.kind)
        won = await db.execute(
            update(broadcasts)
            .where(broadcasts.c.id == broadcast_id, broadcasts.c.state == "draft")
            .values(state="sent", sent_at=goes_out, next_reminder_at=rhythm.next_round(goes_out, 0))
        )
        if won.rowcount == 0:
            return Confirmation("already")
        recipients = await fanout.add_recipients(db, broadcast_id, audience, notice.audience_key, tuple(self._adapters))
        message = self._wording.notice(broadcast_id, notice.kind, notice.text, question_of(notice))
        for name in await fanout.used_adapters(db, broadcast_id):
            adapter = self._adapters[name]
            await fanout.add_deliveries(
                db,
                broadcast_id,
                notice.token,
                name,
                self._wording.for_platform(message, broadcast_id, adapter),
                priority=PRIORITIES[notice.kind],
                now=now,
                due_at=goes_out,
            )
        for hook in self._release_hooks:
            await hook(db, broadcast_id, notice.kind, goes_out)
        self._outbox.ring_after_commit(db)
        self._database.after_commit(db, self._loop.ring)
        await self._note(db, member, "sent", broadcast_id, {"kind": notice.kind, "recipients": recipients})
        return Confirmation("sent", recipients, notice.kind, goes_out if goes_out > now else None)

    def on_release(self, hook: ReleaseHook) -> None:
        """Call `hook` in the transaction in which a notice is sent."""
        self._release_hooks.append(hook)

    async def people(self, db: AsyncConnection, broadcast_id: int, member: Member) -> list[str]:
        """The names of those who would get a draft, and the draft as each platform shows it, in messages."""
        notice = await self._get(db, broadcast_id)
        await self._require_sender(db, member, "recipients", notice)
        found = await people.recipients(db, notice, tuple(self._adapters))
        names = people.show_people(self.texts, broadcast_id, found, self.text_length)
        return names + people.show_platforms(self.texts, self._wording, notice, found, self._adapters, self.text_length)

    async def cancel(self, db: AsyncConnection, broadcast_id: int, member: Member) -> bool:
        """Throw a draft away; False if it has been sent or thrown away already. Raises `Refused`."""
        await self._require_sender(db, member, "cancel", await self._get(db, broadcast_id))
        won = await db.execute(
            update(broadcasts)
            .where(broadcasts.c.id == broadcast_id, broadcasts.c.state == "draft")
            .values(state="cancelled", closed_at=self._clock.now())
        )
        if won.rowcount == 0:
            return False
        await self.approvals.withdraw(db, broadcast_id)
        await self.schedules.drop(db, broadcast_id)
        await self._note(db, member, "cancelled", broadcast_id)
        return True

    async def notice(self, db: AsyncConnection, broadcast_id: int) -> Row[Any]:
        """A notice's row, for `recalls` and `corrections`. Raises `Refused` if there is none of that number."""
        return await self._get(db, broadcast_id)

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
        """Where a notice stands. Raises `Refused` if none of that number was sent."""
        async with self._database.snapshot() as db:
            found = await report.status(db, broadcast_id)
        if found is None:
            raise Refused("refused.no_such", id=broadcast_id)
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
        await self.rooms.start()
        await self._rerouting.start()
        await self._agenda.start()
        await self._loop.start()

    async def stop(self) -> None:
        """End both."""
        await self.rooms.stop()
        await self._rerouting.stop()
        await self._agenda.stop()
        await self._loop.stop()

    def roster_changed(self) -> None:
        """Call after the staff directory was changed: the rooms follow."""
        self.rooms.ring()

    async def _remind(self) -> datetime | None:
        """Send the rounds that are due; when the next one is."""
        async with self._database.snapshot() as db:
            due = await reminders.next_due(db)
        now = self._clock.now()
        if due is None or due > now:
            return due
        async with self._database.transaction() as db:
            await receipts.forget(db, now - FORGOTTEN_AFTER)
            queued = await reminders.queue_due(
                db,
                self._adapters,
                self._settings.reminders_of,
                self._wording,
                now,
                quiet=self._settings.quiet,
                down=self._outbox.down,
            )
            if queued:
                self._outbox.ring_after_commit(db)
            due = await reminders.next_due(db)
        if queued:
            log.info("reminders.queued", messages=queued)
        return due

    # -------------------------------------------------------------- helpers

    async def _on_sent(self, db: AsyncConnection, sent: Sequence[SentDelivery]) -> None:
        # A read may have come before the platform's id of its message was on record, which it is from here on.
        await receipts.apply(db)

    async def _get(self, db: AsyncConnection, broadcast_id: int) -> Row[Any]:
        found = (await db.execute(select(broadcasts).where(broadcasts.c.id == broadcast_id))).first()
        if found is None:
            raise Refused("refused.no_such", id=broadcast_id)
        return found

    async def _require_sender(self, db: AsyncConnection, member: Member, action: str, notice: Row[Any]) -> None:
        audience = AUDIENCE.validate_json(notice.audience)
        await rights.require(db, member, rights.SENDERS, audience, action=action, broadcast_id=notice.id)

    async def _fingerprint(self, db: AsyncConnection, notice: Row[Any]) -> str:
        audience = AUDIENCE.validate_json(notice.audience)
        return await fanout.fingerprint(db, audience, notice.audience_key, tuple(self._adapters))

    async def _note(
        self,
        db: AsyncConnection,
        member: Member,
        action: str,
        broadcast_id: int,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        subject = f"broadcast:{broadcast_id}" if broadcast_id else "broadcast"
        action = f"broadcast.{action}"
        await audit.append(db, self._clock, actor=member.code, action=action, subject=subject, details=details)
