"""Those who may approve a notice are asked once more, when half of the time until their request expires has passed.

Its row says when, and is emptied by whoever sends it: nobody is asked a third time, by another process or after a
restart. What is asked for is shown as it stands now, with the buttons that send exactly that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.errors import Refused
from bot.texts import Texts
from broadcasts import notices, rights, show
from broadcasts.approval import Approvals
from broadcasts.drafting_tables import broadcast_approvals
from broadcasts.drafts import Drafts
from broadcasts.quiet import QuietHours, goes_out_at
from broadcasts.requests import find_request

_approvals = broadcast_approvals.c


class AskingAgain:
    """An entry of the agenda; it comes after the one that lets requests expire."""

    def __init__(
        self, approvals: Approvals, drafts: Drafts, clock: Clock, texts: Texts, quiet: QuietHours | None
    ) -> None:
        self._approvals = approvals
        self._drafts = drafts
        self._clock = clock
        self._texts = texts
        self._quiet = quiet

    async def next_due(self, db: AsyncConnection) -> datetime | None:
        """When a request is made again next; None if none is."""
        found: datetime | None = await db.scalar(select(func.min(_approvals.ask_again_at)).where(*_OPEN))
        return found

    async def do_due(self, db: AsyncConnection) -> None:
        """Ask again for everything that has waited for half of its time, unless the night holds it."""
        now = self._clock.now()
        won = await db.scalars(
            update(broadcast_approvals)
            .where(*_OPEN, _approvals.ask_again_at <= now, _approvals.expires_at > now)
            .values(ask_again_at=None)
            .returning(_approvals.id)
        )
        for number in sorted(won.all()):
            request = await find_request(db, number)
            assert request is not None
            morning = goes_out_at(self._quiet, request.kind, now)
            if morning > now:
                await self._put_off(db, request, morning)
            else:
                await self._ask(db, request)

    async def _put_off(self, db: AsyncConnection, request: Row[Any], morning: datetime) -> None:
        """Wait in the row and not in the outbox, because somebody may decide during the night."""
        if morning < request.expires_at:
            await db.execute(
                update(broadcast_approvals).where(_approvals.id == request.id).values(ask_again_at=morning)
            )

    async def _ask(self, db: AsyncConnection, request: Row[Any]) -> None:
        notice = await notices.find(db, request.broadcast_id)
        author = await rights.author(db, request.requested_by)
        if notice.state != "draft" or author is None:
            return
        try:
            await self._approvals.require_author(db, request)
        except Refused:
            return  # 承認する would be refused: there is nothing to hurry anybody for
        preview = await self._drafts.preview(db, notice.id)
        pages = show.preview(self._texts, preview, self._drafts.text_length, show.approval_hint(self._texts, preview))
        await self._approvals.ask_again(db, request, notice, author, pages, preview.fingerprint)


_OPEN = (_approvals.purpose == "approval", _approvals.state == "waiting")
