"""From draft to outbox: confirmed, approved, and queued for everybody in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Adapter
from bot.clock import Clock
from bot.directory import Member
from bot.errors import Forbidden, Refused
from bot.outbox import Outbox
from bot.recurrence import shown
from bot.storage import Database
from bot.texts import Texts
from broadcasts import fanout, files, notices, repetition, show, validation
from broadcasts.approval import Approvals
from broadcasts.audience import AUDIENCE
from broadcasts.drafts import Drafts
from broadcasts.notices import Diary
from broadcasts.questions import question_of
from broadcasts.quiet import goes_out_at
from broadcasts.repetition import Repetition
from broadcasts.reviews import Reviews
from broadcasts.schedules import Schedules
from broadcasts.settings import BroadcastSettings
from broadcasts.tables import broadcasts
from broadcasts.wording import PRIORITIES, Kind, Wording


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What came of a confirmation.

    - `sent`: it is on its way to `recipients`.
    - `already`: it had been sent before; nothing happened now.
    - `changed`: other people than those previewed would get it, or another text; nothing was sent, show it anew.
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
    asked: int = 0
    """How many are asked to approve it, or to review what was sent `alone`."""
    until: datetime | None = None
    """How long a request for approval stands."""
    alone: bool = False
    repeats: Repetition | None = None
    """With `warned`: the notice that this one would say once more."""


ReleaseHook = Callable[[AsyncConnection, int, Kind, datetime], Awaitable[None]]
"""Called with the notice's number, its kind and the moment at which it goes out."""


CheckHook = Callable[[AsyncConnection, int], Awaitable[None]]
"""Called with the number of a notice that is about to be sent; raises `Refused` if it must not be any more."""


class Sending:
    """Sends drafts; `ring_agenda` and `ring_reminders` are called when something new will be due."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        texts: Texts,
        wording: Wording,
        settings: BroadcastSettings,
        drafts: Drafts,
        approvals: Approvals,
        reviews: Reviews,
        schedules: Schedules,
        diary: Diary,
        *,
        ring_agenda: Callable[[], None],
        ring_reminders: Callable[[], None],
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._adapters = adapters
        self._clock = clock
        self._texts = texts
        self._wording = wording
        self._settings = settings
        self._drafts = drafts
        self._approvals = approvals
        self._reviews = reviews
        self._schedules = schedules
        self._diary = diary
        self._ring_agenda = ring_agenda
        self._ring_reminders = ring_reminders
        self._release_hooks: list[ReleaseHook] = []
        self._check_hooks: list[CheckHook] = []

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
        notice = await notices.find(db, broadcast_id)
        await notices.require_sender(db, member, "confirm", notice)
        if notice.state == "cancelled":
            await self._check(db, broadcast_id)  # it may know why nobody can send it any more
        if notice.state != "draft":
            return Confirmation("cancelled" if notice.state == "cancelled" else "already")
        planned = await self._schedules.find(db, broadcast_id)
        if planned is not None and planned.active:
            return await self._release(db, notice, member)
        await self._check(db, broadcast_id)
        if await self._fingerprint(db, notice) != previewed:
            return await self._changed(db, notice)
        repeated = await self.repeated(db, notice)
        unknown = repeated is not None and repeated.id > repeats
        if unknown or (not warned and validation.warnings(notice.text)):
            return Confirmation("warned", repeats=repeated if unknown else None)
        if not self._approvals.needed(notice.kind, member):
            # Somebody may still be asked, from when it was needed: nobody shall hear later that it was not sent.
            await self._approvals.withdraw(db, broadcast_id)
            return await self._release(db, notice, member)
        if alone:
            return await self._send_alone(db, notice, member)
        preview = await self._drafts.preview(db, broadcast_id)
        pages = show.preview(self._texts, preview, self._drafts.text_length, show.approval_hint(self._texts, preview))
        asked = await self._approvals.request(db, notice, member, pages, previewed)
        if asked is None:
            return Confirmation("waiting")
        self._database.after_commit(db, self._ring_agenda)
        return Confirmation("requested", asked=asked[0], until=asked[1])

    async def repeated(self, db: AsyncConnection, notice: Row[Any], *, waiting: bool = True) -> Repetition | None:
        """The notice that a draft would say once more to the same people; None if it repeats nothing."""
        planned, now = await self._schedules.find(db, notice.id), self._clock.now()
        ready = planned.moments[0] if planned is not None and planned.moments else now
        goes_out = goes_out_at(self._settings.quiet, notice.kind, ready)
        return await repetition.find(db, notice, goes_out, now, self._settings.quiet, waiting=waiting)

    async def approve(
        self, db: AsyncConnection, request_id: int, member: Member, previewed: str, *, repeats: int = 0
    ) -> Confirmation:
        """The second person agrees to what they were shown: it is sent. Raises `Refused`, also for one's own notice.

        `repeats`: they have seen that it repeats the notice of this number.
        """
        request = await self._approvals.find(db, request_id, member, "approve")
        notice = await notices.find(db, request.broadcast_id)
        if notice.state == "cancelled":
            await self._check(db, notice.id)
        if notice.state != "draft":
            return Confirmation("cancelled" if notice.state == "cancelled" else "already")
        if not self._approvals.is_open(request):
            return Confirmation("already")
        await self._approvals.require_author(db, request)
        await self._check(db, notice.id)
        if await self._fingerprint(db, notice) != previewed:
            return await self._changed(db, notice)
        repeated = await self.repeated(db, notice, waiting=False)
        if repeated is not None and repeated.id > repeats:
            return Confirmation("warned", repeats=repeated)
        if not await self._approvals.decide(db, request, member, "approved"):
            return Confirmation("already")
        confirmation = await self._release(db, notice, member)
        await self._approvals.tell_approved(db, request, member, self._outcome(notice.id, confirmation))
        await self._approvals.tell_others(db, request, member, self._for_others(notice.id, member, confirmation))
        return confirmation

    def _outcome(self, number: int, confirmation: Confirmation) -> str:
        """What came of an approval, for whoever had asked for it."""
        values = {"id": number, "recipients": confirmation.recipients}
        if confirmation.outcome == "scheduled":
            assert confirmation.held_until is not None
            return self._texts("schedule.planned", **values, time=shown(confirmation.held_until, self._texts.language))
        said = self._texts("broadcast.sent", **values)
        if confirmation.held_until is not None:
            said += "\n" + self._texts("quiet.sent", id=number, time=show.moment(confirmation.held_until))
        return said

    def _for_others(self, number: int, member: Member, confirmation: Confirmation) -> str:
        """What came of an approval, for the others who were asked for it."""
        values = {"id": number, "name": member.name}
        if confirmation.outcome == "scheduled":
            return self._texts("approval.others_scheduled", **values)
        if confirmation.held_until is not None:
            return self._texts("approval.others_held", **values, time=show.moment(confirmation.held_until))
        return self._texts("approval.others_sent", **values)

    async def send(self, db: AsyncConnection, notice: Row[Any], member: Member) -> Confirmation:
        """Send a draft now, once, whoever else does it at the same time."""
        broadcast_id, audience = notice.id, AUDIENCE.validate_json(notice.audience)
        now = self._clock.now()
        await self._check(db, broadcast_id)
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
        if recipients == 0:
            raise Refused("refused.nobody_left", id=broadcast_id)
        message = self._wording.notice(
            broadcast_id, notice.kind, notice.text, question_of(notice), files.files_of(notice), at=goes_out
        )
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
        self._database.after_commit(db, self._ring_reminders)
        await self._diary.note(db, member, "sent", broadcast_id, {"kind": notice.kind, "recipients": recipients})
        return Confirmation("sent", recipients, notice.kind, goes_out if goes_out > now else None)

    def on_release(self, hook: ReleaseHook) -> None:
        """Call `hook` in the transaction in which a notice is sent."""
        self._release_hooks.append(hook)

    def on_check(self, hook: CheckHook) -> None:
        """Call `hook` before somebody is asked to approve a notice, and again in the transaction that sends it."""
        self._check_hooks.append(hook)

    async def _check(self, db: AsyncConnection, broadcast_id: int) -> None:
        for hook in self._check_hooks:
            await hook(db, broadcast_id)

    async def _send_alone(self, db: AsyncConnection, notice: Row[Any], member: Member) -> Confirmation:
        if await self._schedules.find(db, notice.id) is not None:
            raise Refused("schedule.not_alone")  # what can wait for its hour can wait for a second person
        if not self._approvals.may_send_alone(notice.kind, member):
            raise Forbidden(
                "refused.not_alone",
                actor=member.code,
                action="broadcast.send_alone",
                subject=f"broadcast:{notice.id}",
            )
        confirmation = await self._release(db, notice, member)
        if confirmation.outcome == "sent":
            await self._approvals.withdraw(db, notice.id)
            asked = await self._reviews.ask(db, notice, member, confirmation.recipients)
            self._database.after_commit(db, self._ring_agenda)
            return replace(confirmation, asked=asked, alone=True)
        return confirmation

    async def _release(self, db: AsyncConnection, notice: Row[Any], member: Member) -> Confirmation:
        """Send a draft, or let its schedule begin, once everything is right with it."""
        planned = await self._schedules.find(db, notice.id)
        if planned is None:
            return await self.send(db, notice, member)
        recipients = await self._schedules.activate(db, notice, member, planned)
        self._database.after_commit(db, self._ring_agenda)
        return Confirmation("scheduled", recipients, notice.kind, planned.moments[0])

    async def _changed(self, db: AsyncConnection, notice: Row[Any]) -> Confirmation:
        """Others would get it now. Raises `Refused` if nobody is left: that is nothing to look at and confirm."""
        if (await self._drafts.preview(db, notice.id)).recipients == 0:
            raise Refused("refused.nobody_left", id=notice.id)
        return Confirmation("changed")

    async def _fingerprint(self, db: AsyncConnection, notice: Row[Any]) -> str:
        audience = AUDIENCE.validate_json(notice.audience)
        people = await fanout.fingerprint(db, audience, notice.audience_key, tuple(self._adapters))
        return notices.fingerprint(people, notice.text)
