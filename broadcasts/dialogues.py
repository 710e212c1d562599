"""One question at a time to one person in pair talk, remembered in the database: a restart loses nothing.

A person has at most one dialogue; a new one takes the place of the old.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.storage import Database
from broadcasts.drafting_tables import dialogues

FORGOTTEN_AFTER = timedelta(hours=12)
"""After this, what somebody writes is no answer to yesterday's question."""

_FIND = select(dialogues.c.topic, dialogues.c.state, dialogues.c.asked_at).where(
    dialogues.c.member_id == bindparam("member_id")
)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Where a person stands: `topic` says whose question it is, `state` is that one's own."""

    topic: str
    state: dict[str, Any]


class Dialogues:
    """Begins, finds and ends them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, db: AsyncConnection, member_id: int, topic: str, state: dict[str, Any]) -> None:
        """Ask, or ask the next question: the person's next plain message is the answer."""
        await self.end(db, member_id)
        await db.execute(
            insert(dialogues).values(
                member_id=member_id, topic=topic, state=orjson.dumps(state).decode(), asked_at=self._clock.now()
            )
        )

    async def find(self, member_id: int) -> Dialogue | None:
        """The question that waits for this person's answer, or None; asked of every plain message, so it only looks."""
        async with self._database.snapshot() as db:
            row = (await db.execute(_FIND, {"member_id": member_id})).first()
        if row is None or row.asked_at + FORGOTTEN_AFTER < self._clock.now():
            return None
        return Dialogue(row.topic, orjson.loads(row.state))

    async def end(self, db: AsyncConnection, member_id: int) -> bool:
        """Stop waiting; False if nothing was asked."""
        return (await db.execute(delete(dialogues).where(dialogues.c.member_id == member_id))).rowcount > 0
