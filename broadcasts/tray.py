"""Files that somebody has given to the bot for the notice that they make next; a restart loses nothing.

They wait beside whatever the person is asked meanwhile, so they may come before a template's first question or in the
middle of it.
"""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.messages import Attachment
from bot.storage import Database
from broadcasts import files
from broadcasts.dialogues import FORGOTTEN_AFTER
from broadcasts.drafting_tables import waiting_files

_FIND = select(waiting_files.c.attachments, waiting_files.c.given_at).where(
    waiting_files.c.member_id == bindparam("member_id")
)


class Tray:
    """Puts files down, finds them, and clears them away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, member_id: int) -> tuple[Attachment, ...]:
        """The files that wait for this person's next notice; what is older than half a day was for another."""
        async with self._database.snapshot() as db:
            row = (await db.execute(_FIND, {"member_id": member_id})).first()
        if row is None or row.given_at + FORGOTTEN_AFTER < self._clock.now():
            return ()
        return files.read(row.attachments)

    async def put(self, db: AsyncConnection, member_id: int, attachments: tuple[Attachment, ...]) -> None:
        """These wait from now on, in the place of those that did."""
        await self.clear(db, member_id)
        if attachments:
            row = {"member_id": member_id, "attachments": files.column(attachments), "given_at": self._clock.now()}
            await db.execute(insert(waiting_files).values(row))

    async def clear(self, db: AsyncConnection, member_id: int) -> None:
        """A notice has them, or nobody wants them: they wait for no other."""
        await db.execute(delete(waiting_files).where(waiting_files.c.member_id == member_id))
