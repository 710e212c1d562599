"""Where a notice stands: right at every moment, and cheap to ask however many people it went to."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage import Database
from bot.tables import deliveries
from broadcasts import report
from broadcasts.audience import Departments
from tests.broadcasts.support import Hall, city_hall, staff


class Counted:
    """A connection that counts the statements it is given."""

    def __init__(self, db: AsyncConnection) -> None:
        self._db = db
        self.statements = 0

    async def execute(self, *given: Any) -> Any:
        self.statements += 1
        return await self._db.execute(*given)

    async def scalar(self, *given: Any) -> Any:
        self.statements += 1
        return await self._db.scalar(*given)


async def requeue(hall: Hall, kind: str, number: int) -> None:
    """As if the outbox had not yet come to the deliveries of a kind."""
    here = (deliveries.c.topic == f"broadcast:{number}", deliveries.c.kind == kind)
    async with hall.database.transaction() as db:
        await db.execute(update(deliveries).where(*here).values(state="queued"))


async def test_what_waits_in_the_outbox_is_counted_in_people_by_room_and_by_pair_talk(database: Database) -> None:
    async with city_hall(database, staff(9)) as hall:
        everyone = await hall.send()
        await hall.quiet()
        assert (await hall.broadcasts.status(everyone)).waiting == 0
        some = await hall.send(audience=Departments(ids=(1, 2)))
        await hall.quiet()
        await hall.outbox.stop()  # what is queued again shall stay so
        for number, kind in ((everyone, "room"), (some, "person")):
            await requeue(hall, kind, number)
            status = await hall.broadcasts.status(number)
            assert status.waiting == status.recipients > 0
        async with hall.database.transaction() as db:
            await db.execute(update(deliveries).where(deliveries.c.kind == "room").values(state="sending"))
        assert (await hall.broadcasts.status(everyone)).waiting == 9


async def test_a_status_asks_as_much_of_the_database_for_many_people_as_for_few(database: Database) -> None:
    async with city_hall(database, staff(40)) as hall:
        few = await hall.send(audience=Departments(ids=(1,)))
        many = await hall.send()
        await hall.quiet()
        statements = []
        for number in (few, many):
            async with database.snapshot() as db:
                counted = Counted(db)
                status = await report.status(cast("AsyncConnection", counted), number)
            assert status is not None
            assert (status.read, status.unread) == (0, status.recipients)
            statements.append(counted.statements)
        assert statements[0] == statements[1] <= 5
