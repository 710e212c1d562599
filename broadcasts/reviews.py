"""What the duty officer sent alone is looked at afterwards: administrators at once, a second person in their own time.

A review stays open until somebody has made it, and is asked for again every working morning: the emergency was at two
in the night, and whoever was asked then has slept since. How it is decided is in `approval`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.adapter import Adapter
from bot.clock import TOKYO, Clock, to_tokyo
from bot.directory import ADMINISTRATOR, Member
from bot.messages import Message, Priority
from bot.open_days import is_closed
from bot.outbox import Outbox
from bot.tables import members
from bot.texts import Texts
from broadcasts import audience_words, rights
from broadcasts.approval import review_button
from broadcasts.audience import AUDIENCE, EVERYONE
from broadcasts.drafting_tables import broadcast_approvals
from broadcasts.notices import find
from broadcasts.questions import question_of
from broadcasts.requests import insert_request, others
from broadcasts.show import audience, pages
from broadcasts.telling import paged, tell
from broadcasts.wording import Wording

MORNING = time(9)
"""By the wall clock in Japan, when a review is asked for again."""
SOONEST = timedelta(hours=3)
"""Nobody is asked again so soon after they were asked."""

_reviews = broadcast_approvals.c


class Reviews:
    """Asks for reviews, and asks again."""

    def __init__(
        self, outbox: Outbox, adapters: Mapping[str, Adapter], clock: Clock, texts: Texts, wording: Wording
    ) -> None:
        self._outbox = outbox
        self._adapters = tuple(adapters)
        self._limit = min((each.capabilities.text_length for each in adapters.values()), default=0)
        self._clock = clock
        self._wording = wording
        self._texts = texts

    async def ask(self, db: AsyncConnection, notice: Row[Any], officer: Member, recipients: int) -> int:
        """The duty officer has sent alone: tell the administrators at once and ask for a review; how many are asked."""
        now = self._clock.now()
        number = await insert_request(db, notice.id, "review", officer, now, next_morning(now))
        subject = f"broadcast:{notice.id}"
        details = {"recipients": recipients}
        await audit.append(
            db, self._clock, actor=officer.code, action="broadcast.sent_alone", subject=subject, details=details
        )
        values = {
            "id": notice.id,
            "author": officer.name,
            "recipients": recipients,
            "audience": await self._audience(db, notice),
            "text": self._shown(notice),
        }
        reviewers = await others(db, notice, officer.id)
        said = self._texts("approval.sent_alone", **values)
        if not reviewers:
            said += "\n\n" + self._texts("approval.no_reviewer", id=notice.id)
        told = [Message(text=page) for page in self._pages(said)]
        await self._tell(db, await self._administrators(db), told, f"alone:{number}")
        wanted = self._texts("approval.review_request", **values)
        await self._tell(db, reviewers, self._with_button(wanted, number), f"review:{number}")
        return len(reviewers)

    async def again(self, db: AsyncConnection, review: Row[Any]) -> list[Message]:
        """A review that nobody has made yet, as it is asked for again; the last message has the button."""
        notice = await find(db, review.broadcast_id)
        name = await db.scalar(select(members.c.name).where(members.c.id == review.requested_by))
        said = self._texts(
            "approval.review_again",
            id=notice.id,
            author=name,
            time=f"{to_tokyo(review.requested_at):%m月%d日 %H:%M}",
            audience=await self._audience(db, notice),
            text=self._shown(notice),
        )
        return self._with_button(said, review.id)

    async def next_due(self, db: AsyncConnection) -> datetime | None:
        """When the next review is asked for again; None if none is open."""
        found: datetime | None = await db.scalar(select(func.min(_reviews.expires_at)).where(*_OPEN))
        return found

    async def do_due(self, db: AsyncConnection) -> None:
        """Ask again, once each morning, however many mornings nothing ran and however many look at the same time."""
        now = self._clock.now()
        due = await db.execute(
            update(broadcast_approvals)
            .where(*_OPEN, _reviews.expires_at <= now)
            .values(expires_at=next_morning(now))
            .returning(*_reviews)
        )
        for review in due.all():
            notice = await find(db, review.broadcast_id)
            reviewers = await others(db, notice, review.requested_by)
            key = f"review:{review.id}:{now.timestamp():.0f}"
            if reviewers:
                await self._tell(db, reviewers, await self.again(db, review), key, Priority.NOTICE)
            else:
                said = Message(text=self._texts("approval.no_reviewer", id=notice.id))
                await self._tell(db, await self._administrators(db), [said], key, Priority.NOTICE)

    def _pages(self, said: str) -> list[str]:
        """A notice may be as long as a message can be; what is said about it comes on top."""
        return pages(said.split("\n"), self._limit)

    def _with_button(self, said: str, number: int) -> list[Message]:
        return paged(self._pages(said), [review_button(self._texts, number)])

    def _shown(self, notice: Row[Any]) -> str:
        """The notice as people have it, with its question."""
        return self._wording.notice(notice.id, notice.kind, notice.text, question_of(notice), at=notice.sent_at).text

    async def _audience(self, db: AsyncConnection, notice: Row[Any]) -> str:
        return audience(self._texts, *await audience_words.in_words(db, AUDIENCE.validate_json(notice.audience)))

    async def _administrators(self, db: AsyncConnection) -> list[int]:
        return await rights.holders(db, frozenset({ADMINISTRATOR}), EVERYONE)

    async def _tell(
        self,
        db: AsyncConnection,
        people: Sequence[int],
        said: Sequence[Message],
        key: str,
        priority: Priority = Priority.EMERGENCY,
    ) -> None:
        now = self._clock.now()
        await tell(db, self._outbox, self._adapters, people, said, key=key, now=now, priority=priority)


_OPEN = (_reviews.purpose == "review", _reviews.state == "waiting")


def next_morning(now: datetime) -> datetime:
    """Nine o'clock on a day on which the city hall is open, and not in a moment."""
    moment = datetime.combine(to_tokyo(now).date(), MORNING, TOKYO)
    while moment < now + SOONEST or is_closed(moment.date()):
        moment += timedelta(days=1)
    return moment
