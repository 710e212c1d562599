"""What every step of a notice asks first and writes last: its row, the right of whoever acts, and the audit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import Clock
from bot.directory import Member
from bot.errors import Refused
from broadcasts import rights
from broadcasts.audience import AUDIENCE
from broadcasts.tables import broadcasts


async def find(db: AsyncConnection, broadcast_id: int) -> Row[Any]:
    """A notice's row. Raises `Refused` if there is none of that number."""
    found = (await db.execute(_BY_ID, {"id": broadcast_id})).first()
    if found is None:
        raise Refused("refused.no_such", id=broadcast_id)
    return found


async def require_sender(db: AsyncConnection, member: Member, action: str, notice: Row[Any]) -> None:
    """Raise `Forbidden` unless the member may send to this notice's audience."""
    audience = AUDIENCE.validate_json(notice.audience)
    await rights.require(db, member, rights.SENDERS, audience, action=action, broadcast_id=notice.id)


def fingerprint(people: str, text: str) -> str:
    """Names exactly this text to exactly these people (`fanout.fingerprint`): what somebody has looked at."""
    return hashlib.sha256(f"{people}\n{text}".encode()).hexdigest()[:16]


class Diary:
    """Writes what people do with notices into the audit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def note(
        self,
        db: AsyncConnection,
        member: Member,
        action: str,
        broadcast_id: int,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """A member has done something with a notice."""
        subject = f"broadcast:{broadcast_id}"
        action = f"broadcast.{action}"
        await audit.append(db, self._clock, actor=member.code, action=action, subject=subject, details=details)


_BY_ID = select(broadcasts).where(broadcasts.c.id == bindparam("id"))
