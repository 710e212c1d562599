"""Two people for one notice: requests to approve, and what is decided on them and on reviews (`reviews`).

A request is a row that waits. Whoever moves it out of `waiting` has decided; everybody else, and every repetition,
finds it decided. Nobody approves or reviews their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.adapter import Adapter
from bot.clock import Clock
from bot.directory import DUTY_OFFICER, HEADQUARTERS, Member
from bot.errors import Forbidden, Refused
from bot.messages import Button, Message, Priority
from bot.outbox import Outbox
from bot.tables import members
from bot.texts import Texts
from broadcasts import rights
from broadcasts.asking import Asking
from broadcasts.audience import AUDIENCE
from broadcasts.drafting_tables import broadcast_approvals
from broadcasts.kinds import PRIORITIES, Kind
from broadcasts.quiet import QuietHours, goes_out_at
from broadcasts.requests import find_request, insert_request, others, were_asked
from broadcasts.telling import tell

Decision = Literal["approved", "returned"]

_approvals = broadcast_approvals.c


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """Which kinds of notice need a second person, from the headquarters and from everybody else who may send."""

    headquarters: frozenset[Kind] = frozenset()
    others: frozenset[Kind] = frozenset({"emergency"})
    expires_after: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if self.expires_after <= timedelta(0):
            raise ValueError("A request for approval must stand for longer than nothing, such as 24 hours.")


class Approvals:
    """Asks, decides and announces; what follows from a decision is for `Broadcasts`."""

    def __init__(
        self,
        outbox: Outbox,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        texts: Texts,
        policy: ApprovalPolicy,
        quiet: QuietHours | None = None,
    ) -> None:
        self._outbox = outbox
        self._adapters = dict(adapters)
        self._clock = clock
        self._texts = texts
        self._policy = policy
        self._quiet = quiet
        self._asking = Asking(outbox, adapters, clock, texts)

    def needed(self, kind: Kind, author: Member) -> bool:
        """Whether a notice of this kind by this member waits for a second person."""
        return kind in (self._policy.headquarters if HEADQUARTERS in author.roles else self._policy.others)

    def may_send_alone(self, kind: Kind, member: Member) -> bool:
        """Whether this member may pass over the approval: the duty officer, in an emergency."""
        return kind == "emergency" and DUTY_OFFICER in member.roles

    # ------------------------------------------------------------------ ask

    async def request(
        self, db: AsyncConnection, notice: Row[Any], author: Member, pages: Sequence[str], seen: str
    ) -> tuple[int, datetime] | None:
        """Ask those who may approve: how many, and until when it stands; None if they are asked already.

        `pages` is the preview, `seen` its fingerprint. Raises `Refused` if there is nobody but the author who may.
        """
        now = self._clock.now()
        asked = await others(db, notice, author.id)
        if not asked:
            raise Refused("refused.no_approver")
        if await self._waiting(db, notice.id, "approval") is not None:
            return None
        expires_at = now + self._policy.expires_after
        again = now + self._policy.expires_after / 2
        number = await insert_request(db, notice.id, "approval", author, now, expires_at, again)
        await self._note(db, author.code, "approval_requested", notice.id, {"asked": len(asked)})
        await self._asking.ask(db, asked, number, notice, author, pages, seen, expires_at)
        return len(asked), expires_at

    async def ask_again(
        self, db: AsyncConnection, request: Row[Any], notice: Row[Any], author: Member, pages: Sequence[str], seen: str
    ) -> None:
        """The same message once more, to all who may decide by now."""
        asked = await others(db, notice, author.id)
        if not asked:
            return
        await self._note(db, "kairanban", "approval_asked_again", notice.id, {"asked": len(asked)})
        await self._asking.ask(db, asked, request.id, notice, author, pages, seen, request.expires_at, again=True)

    async def waits(self, db: AsyncConnection, broadcast_id: int) -> bool:
        """Whether somebody is asked to approve this notice."""
        return await self._waiting(db, broadcast_id, "approval") is not None

    def buttons(self, number: int, seen: str) -> tuple[Button, ...]:
        """What an approver presses under a preview."""
        return self._asking.buttons(number, seen)

    # --------------------------------------------------------------- decide

    async def find(self, db: AsyncConnection, number: int, member: Member, action: str) -> Row[Any]:
        """A request that this member may decide. Raises `Refused`, `Forbidden` for their own."""
        found = await find_request(db, number)
        if found is None:
            raise Refused("refused.broken_button")
        audience = AUDIENCE.validate_json(found.audience)
        await rights.require(db, member, rights.APPROVERS, audience, action=action, broadcast_id=found.broadcast_id)
        own = member.id in {found.requested_by, found.author_id}
        if own or await _rewrote(db, member, found.broadcast_id):
            raise Forbidden(
                "refused.own",
                actor=member.code,
                action=f"broadcast.{action}",
                subject=f"broadcast:{found.broadcast_id}",
            )
        return found

    def is_open(self, request: Row[Any]) -> bool:
        """Whether a request can still be decided; a review always can, until it is made."""
        in_time: bool = request.purpose == "review" or request.expires_at > self._clock.now()
        return in_time and bool(request.state == "waiting")

    async def require_author(self, db: AsyncConnection, request: Row[Any]) -> None:
        """Whether the author still may send to these people: their right may have ended. Raises `Forbidden`."""
        author = await rights.author(db, request.author_id)
        audience = AUDIENCE.validate_json(request.audience)
        try:
            if author is None:
                raise Refused("schedule.no_author")
            await rights.require(db, author, rights.SENDERS, audience, action="approve")
        except Refused as refusal:
            raise Forbidden(
                "approval.author_may_not",
                actor=author.code if author is not None else "stranger",
                action="broadcast.approve",
                subject=f"broadcast:{request.broadcast_id}",
                id=request.broadcast_id,
                reason=self._texts(refusal.key, **refusal.values),
            ) from refusal

    async def decide(
        self, db: AsyncConnection, request: Row[Any], member: Member, decision: Decision, reason: str = ""
    ) -> bool:
        """Decide a request that still waits; False if somebody, or time, was first."""
        now = self._clock.now()
        won = await db.execute(
            update(broadcast_approvals)
            .where(
                _approvals.id == request.id,
                _approvals.state == "waiting",
                or_(_approvals.purpose == "review", _approvals.expires_at > now),
            )
            .values(state=decision, decided_by=member.id, decided_at=now, reason=reason)
        )
        if won.rowcount == 0:
            return False
        action = "reviewed" if request.purpose == "review" else decision
        await self._note(db, member.code, action, request.broadcast_id, {"reason": reason} if reason else {})
        if action != "approved":  # of that, `tell_approved` says what came of it
            said = self._texts(f"approval.told_{action}", id=request.broadcast_id, name=member.name, reason=reason)
            await self._tell_asker(db, request, said)
        if action == "returned":
            others_said = self._texts("approval.others_returned", id=request.broadcast_id, name=member.name)
            await self.tell_others(db, request, member, others_said)
        return True

    async def tell_approved(self, db: AsyncConnection, request: Row[Any], member: Member, outcome: str) -> None:
        """Tell who asked that a member has approved, and what came of it."""
        said = self._texts("approval.told_approved", id=request.broadcast_id, name=member.name, outcome=outcome)
        await self._tell_asker(db, request, said)

    async def tell_others(self, db: AsyncConnection, request: Row[Any], member: Member, said: str) -> None:
        """A member has decided: spare the others who were asked the way to a button that does nothing any more.

        That may not overtake the notice itself, nor wake anybody where the notice may not.
        """
        now = self._clock.now()
        people = [each for each in await were_asked(db, request.id) if each != member.id]
        await tell(
            db,
            self._outbox,
            tuple(self._adapters),
            people,
            [Message(text=said)],
            key=f"decided:{request.id}:others",
            now=now,
            priority=PRIORITIES[request.kind],
            due_at=goes_out_at(self._quiet, request.kind, now),
        )

    async def standing(self, db: AsyncConnection, request: Row[Any]) -> str:
        """How a request stands, as a sentence for those who come too late."""
        row = (
            await db.execute(
                select(_approvals.state, _approvals.purpose, members.c.name)
                .outerjoin(members, members.c.id == _approvals.decided_by)
                .where(_approvals.id == request.id)
            )
        ).one()
        state = "reviewed" if row.purpose == "review" and row.state == "approved" else row.state
        state = "expired" if state == "waiting" else state
        return self._texts(f"approval.already_{state}", id=request.broadcast_id, name=row.name or "")

    async def withdraw(self, db: AsyncConnection, broadcast_id: int) -> None:
        """The draft is gone: nobody needs to approve it any more."""
        await db.execute(
            update(broadcast_approvals)
            .where(
                _approvals.broadcast_id == broadcast_id, _approvals.state == "waiting", _approvals.purpose == "approval"
            )
            .values(state="withdrawn", decided_at=self._clock.now())
        )

    # --------------------------------------------------------------- expire

    async def next_due(self, db: AsyncConnection) -> datetime | None:
        """When the next request expires; None if none waits."""
        found: datetime | None = await db.scalar(select(func.min(_approvals.expires_at)).where(*_ASKED))
        return found

    async def do_due(self, db: AsyncConnection) -> None:
        """End every request whose time is over, and tell who asked."""
        now = self._clock.now()
        expired = (
            await db.execute(
                update(broadcast_approvals)
                .where(*_ASKED, _approvals.expires_at <= now)
                .values(state="expired", decided_at=now)
                .returning(_approvals.id, _approvals.broadcast_id, _approvals.requested_by)
            )
        ).all()
        for row in expired:
            await self._note(db, "kairanban", "approval_expired", row.broadcast_id, {})
            said = Message(text=self._texts("approval.told_expired", id=row.broadcast_id))
            await self._tell(db, [row.requested_by], [said], f"decided:{row.id}")

    # -------------------------------------------------------------- helpers

    async def _waiting(self, db: AsyncConnection, broadcast_id: int, purpose: str) -> int | None:
        found: int | None = await db.scalar(
            select(_approvals.id).where(
                _approvals.broadcast_id == broadcast_id, _approvals.purpose == purpose, _approvals.state == "waiting"
            )
        )
        return found

    async def _tell(self, db: AsyncConnection, people: Sequence[int], said: Sequence[Message], key: str) -> None:
        now = self._clock.now()
        await tell(db, self._outbox, tuple(self._adapters), people, said, key=key, now=now, priority=Priority.EMERGENCY)

    async def _note(
        self, db: AsyncConnection, actor: str, action: str, broadcast_id: int, details: Mapping[str, Any]
    ) -> None:
        subject = f"broadcast:{broadcast_id}"
        await audit.append(db, self._clock, actor=actor, action=f"broadcast.{action}", subject=subject, details=details)

    async def _tell_asker(self, db: AsyncConnection, request: Row[Any], said: str) -> None:
        await self._tell(db, [request.requested_by], [Message(text=said)], f"decided:{request.id}")


_ASKED = (_approvals.purpose == "approval", _approvals.state == "waiting")


def review_button(texts: Texts, number: int) -> Button:
    """What a reviewer presses."""
    return Button(label=texts("approval.reviewed_button"), data=f"approval:review:{number}", means="yes")


async def _rewrote(db: AsyncConnection, member: Member, broadcast_id: int) -> bool:
    """Whether this member has changed the text that they would approve; the audit knows."""
    written = select(audit.audit_log.c.seq).where(
        audit.audit_log.c.subject == f"broadcast:{broadcast_id}",
        audit.audit_log.c.action == "broadcast.rewritten",
        audit.audit_log.c.actor == member.code,
    )
    return await db.scalar(written.limit(1)) is not None
