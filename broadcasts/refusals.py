"""What a refusal says of the address, and of us: which address is passed by from now on, and what administrators learn.

An adapter may say that it is the address (`Rejected.gone`): nobody is there, or they will not have us. That counts only
where the platform has taken the same message for somebody else. One that refuses everybody has something against our
token, our right or our text, and would make all staff unreachable by one mistake in the settings. There administrators
are told, once a day, and people are led to their next address all the same: what they must know cannot wait for a mend.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Row, Text, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock, to_tokyo
from bot.directory import ADMINISTRATOR, HEADQUARTERS
from bot.messages import Priority
from bot.outbox import Outbox
from bot.storage import Database
from bot.tables import addresses, attempts, deliveries
from broadcasts.audience import EVERYONE
from broadcasts.detours import DEAD, FROM, IDS, LIMIT, NOW, REFUSED, REPLACED, TARGETS
from broadcasts.rights import holders
from broadcasts.tables import broadcast_messages, rooms
from broadcasts.telling import tell
from broadcasts.wording import Wording

log = structlog.get_logger(__name__)

MANY = 5
"""Refusals of one message from which on they may be no matter of single people."""


class Refusals:
    """Draws the conclusions, in the transaction that moves what was refused; `adapters` are the chats."""

    def __init__(self, outbox: Outbox, adapters: Sequence[str], clock: Clock, wording: Wording) -> None:
        self._outbox = outbox
        self._adapters = sorted(adapters)
        self._clock = clock
        self._wording = wording

    async def conclude(
        self, db: AsyncConnection, alike: Sequence[Row[Any]], adapter: str, working: Sequence[str], now: datetime
    ) -> bool:
        """Note which addresses of these deliveries, that say the same, are gone; whether a room is among them."""
        here = {"from": adapter, "ids": [row.id for row in alike]}
        if await db.scalar(_TAKEN, {"from": adapter, "topic": alike[0].topic, "limit": 1}):
            marked = await db.execute(_MARK, {**here, "targets": list(working), "now": now})
            if marked.rowcount:
                log.warning("refusals.address_gone", adapter=adapter, addresses=marked.rowcount)
        aside = await db.execute(_PUT_ASIDE, {**here, "now": now})
        return aside.rowcount > 0

    async def warn(self, db: AsyncConnection, first: Row[*tuple[Any, ...]], adapter: str) -> None:
        """Tell administrators if the platform refuses the message of a delivery to more than it takes it for."""
        warning = await self._warning(db, first, adapter)
        if warning is None:
            return
        refused, people, key = warning
        reason = await db.scalar(_REASON, {"id": first.id}) or ""
        message = self._wording.many_refused(adapter, first.broadcast_id, refused, reason)
        # Not as an answer: should their own address refuse it as well, it goes on to the next like the notice.
        how: dict[str, Any] = {"key": key, "now": self._clock.now(), "priority": Priority.NOTICE}
        await tell(db, self._outbox, self._adapters, people, [message], **how)
        log.error("refusals.nearly_everybody", adapter=adapter, broadcast=first.broadcast_id, refused=refused)

    async def look(self, database: Database, adapter: str, since: datetime) -> None:
        """Warn of what was refused to many who have no other address, too."""
        async with database.snapshot() as db:
            found = (await db.execute(_LEFT, {"from": adapter, "since": since, "limit": MANY})).all()
            due = [first for first in found if await self._warning(db, first, adapter) is not None]
        if due:
            async with database.transaction() as db:
                await self.warn(db, due[0], adapter)  # there is one a day

    async def _warning(
        self, db: AsyncConnection, first: Row[*tuple[Any, ...]], adapter: str
    ) -> tuple[int, list[int], str] | None:
        """(refused, whom to tell, the word's key), if it is time to tell."""
        of_message = {"from": adapter, "topic": first.topic}
        refused = await db.scalar(_REFUSED, of_message) or 0
        if refused < MANY or (await db.scalar(_TAKEN, {**of_message, "limit": refused}) or 0) >= refused:
            return None
        people = await self._administrators(db)
        key = f"refused:{adapter}:{to_tokyo(self._clock.now()).date().isoformat()}"
        if not people or await db.scalar(_TOLD, {"keys": [f"{key}:0:{person}" for person in people]}) is not None:
            return None
        return refused, people, key

    async def _administrators(self, db: AsyncConnection) -> list[int]:
        for role in (ADMINISTRATOR, HEADQUARTERS):
            if people := await holders(db, frozenset({role}), EVERYONE):
                return people
        return []


# ------------------------------------------------------------ statements built once

_gone = select(attempts.c.id).where(attempts.c.delivery_id == deliveries.c.id, attempts.c.outcome == "gone").exists()
_others = addresses.alias("others")


def _gone_addresses(kind: str) -> Any:
    return select(deliveries.c.address).where(deliveries.c.id.in_(IDS), deliveries.c.kind == kind, _gone)


# The last word of what was refused there last.
_why = (
    select(attempts.c.reason)
    .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
    .where(
        deliveries.c.id.in_(IDS),
        deliveries.c.adapter == addresses.c.adapter,
        deliveries.c.address == addresses.c.address,
        attempts.c.outcome == "gone",
    )
    .order_by(attempts.c.id.desc())
    .limit(1)
    .correlate(addresses)
    .scalar_subquery()
)
_MARK = (
    update(addresses)
    .where(
        addresses.c.adapter == FROM,
        addresses.c.reachable,  # what was noted first stands
        addresses.c.address.in_(_gone_addresses("person")),
        # An only address stays: a vain try costs less than none.
        select(_others.c.member_id)
        .where(
            _others.c.member_id == addresses.c.member_id,
            _others.c.adapter != addresses.c.adapter,
            _others.c.adapter.in_(TARGETS),
            _others.c.reachable,
        )
        .exists(),
    )
    .values(reachable=False, unreachable_since=NOW, unreachable_reason=_why)
)
_PUT_ASIDE = (
    update(rooms)
    .where(rooms.c.adapter == FROM, rooms.c.changing_until.is_(None), rooms.c.platform_id.in_(_gone_addresses("room")))
    .values(changing_until=NOW)
)
"""No notice uses a room that is refused until the keeper has seen to it."""

_of_message = select(deliveries.c.id).where(
    deliveries.c.topic == bindparam("topic", type_=Text), deliveries.c.adapter == FROM, deliveries.c.action == "send"
)
_REFUSED = select(func.count()).select_from(_of_message.where(deliveries.c.state.in_((DEAD, REPLACED))).subquery())
_TAKEN = select(func.count()).select_from(_of_message.where(deliveries.c.state == "sent").limit(LIMIT).subquery())
"""How many deliveries of the message the platform has taken, counted up to `limit`."""
_LEFT = (
    select(deliveries.c.topic, broadcast_messages.c.broadcast_id, func.min(deliveries.c.id).label("id"))
    .join(broadcast_messages, broadcast_messages.c.message_id == deliveries.c.message_id)
    .where(REFUSED)
    .group_by(deliveries.c.topic, broadcast_messages.c.broadcast_id)
    .having(func.count() >= LIMIT)
)
"""Messages of notices that were refused at least `limit` times where there was no other way."""
_REASON = (
    select(attempts.c.reason).where(attempts.c.delivery_id == bindparam("id")).order_by(attempts.c.id.desc()).limit(1)
)
_TOLD = select(deliveries.c.id).where(deliveries.c.key.in_(bindparam("keys", expanding=True))).limit(1)
