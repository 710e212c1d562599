"""Reads: the earliest counts, once, in any order, however often and however early they come."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from bot.adapter import Capabilities
from bot.storage import Database
from broadcasts import receipts
from broadcasts.reminders import ReminderPolicy
from broadcasts.service import BroadcastSettings
from broadcasts.tables import broadcast_recipients, early_reads
from tests.broadcasts.support import Platform, city_hall, staff
from tests.databases import empty_database

MINUTE = timedelta(minutes=1)


async def read_at(database: Database) -> list[datetime | None]:
    async with database.snapshot() as db:
        rows = await db.scalars(select(broadcast_recipients.c.read_at).order_by(broadcast_recipients.c.member_id))
        return list(rows)


async def test_a_read_in_a_room_counts_for_the_reader_alone(database: Database) -> None:
    async with city_hall(database, staff(10)) as hall:
        number = await hall.send()
        await hall.advance(MINUTE)
        await hall.read("001", reference=f"broadcast:{number}")
        status = await hall.broadcasts.status(number)
        assert (status.recipients, status.read, status.unread) == (10, 1, 9)
        unread = await hall.broadcasts.unread(number)
        assert "職員001" not in {each.name for each in unread}
        assert len(unread) == 9


async def test_the_same_read_twice_is_one_and_the_earliest_time_stays(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        number = await hall.send()
        await hall.advance(10 * MINUTE)
        now = hall.clock.now()
        for at in (now, now - 5 * MINUTE, now + MINUTE, now - 5 * MINUTE):
            await hall.read("001", reference=f"broadcast:{number}", at=at)
        assert (await hall.broadcasts.status(number)).read == 1
        assert now - 5 * MINUTE in await read_at(database)


async def test_a_read_that_overtakes_the_record_of_its_message_is_counted_when_the_record_comes(
    database: Database,
) -> None:
    async with city_hall(database, staff(3)) as hall:
        early = hall.read_event("001", "m1")  # the id that the platform is about to give
        await hall.reads(early, early)
        number = await hall.send()
        await hall.quiet()
        assert (await hall.broadcasts.status(number)).read == 1
        async with database.snapshot() as db:
            assert await db.scalar(select(func.count()).select_from(early_reads)) == 0


async def test_reads_of_strangers_and_of_other_messages_change_nothing_and_are_forgotten(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        number = await hall.send()
        await hall.quiet()
        stranger = hall.read_event("nobody", "m1")
        await hall.reads(stranger, hall.read_event("001", "some other bot's"))
        assert (await hall.broadcasts.status(number)).read == 0
        await hall.send()
        hall.clock.advance(timedelta(days=1, hours=1))  # at one go: nothing is watched in between
        await hall.quiet()
        async with database.snapshot() as db:
            assert await db.scalar(select(func.count()).select_from(early_reads)) == 0
        await hall.reads()


async def test_a_few_reads_never_walk_through_all_deliveries_that_there_ever_were(tmp_path: Path) -> None:
    async with empty_database("sqlite", tmp_path) as database, database.snapshot() as db:
        for statement in (receipts._APPLY, receipts._APPLY_TO_CORRECTIONS["sqlite"], receipts._CLEAR):
            sql = str(statement.compile(dialect=database.engine.dialect, compile_kwargs={"literal_binds": True}))
            plan = [row.detail for row in await db.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
            assert "SCAN early_reads" in plan
            assert "SCAN deliveries" not in plan


async def test_ten_thousand_reads_at_once_are_all_counted(database: Database) -> None:
    platform = Platform(capabilities=Capabilities(room_size=350, native_receipts=True))
    never = BroadcastSettings(reminders=ReminderPolicy(at_most=0))
    async with city_hall(database, staff(250), platform=platform, settings=never) as hall:
        numbers = [await hall.send(f"{each}通目") for each in range(40)]
        await hall.quiet()
        events = [
            hall.read_event(person.removeprefix("u-"), seen.message_id)
            for person, screen in platform.screens.items()
            for seen in screen
        ]
        assert len(events) == 10_000
        await hall.reads(*events)
        for number in numbers:
            assert (await hall.broadcasts.status(number)).unread == 0


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_in_any_order_and_number_the_earliest_read_of_each_person_stays(data: st.DataObject) -> None:
    reads = data.draw(
        st.lists(st.tuples(st.sampled_from(["hq", "001", "002"]), st.integers(0, 50)), min_size=1, max_size=12)
    )
    batches = data.draw(st.integers(1, 4))

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with empty_database("sqlite", Path(folder)) as database, city_hall(database, staff(3)) as hall:
                number = await hall.send()
                await hall.quiet()
                start = hall.clock.now()
                events = [hall.read_event(code, "m1", start + minute * MINUTE) for code, minute in reads]
                for offset in range(batches):
                    await hall.reads(*events[offset::batches])
                earliest = {
                    code: start + MINUTE * min(minute for reader, minute in reads if reader == code)
                    for code, _ in reads
                }
                assert [each for each in await read_at(database) if each] == [
                    earliest[code] for code in ("hq", "001", "002") if code in earliest
                ]
                assert (await hall.broadcasts.status(number)).read == len(earliest)

    asyncio.run(run())
