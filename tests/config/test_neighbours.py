"""What another process put into the database is found within seconds, and sent once."""

from __future__ import annotations

from datetime import timedelta

from bot.activity import Activity
from bot.clock import ManualClock
from bot.outbox import Outbox
from bot.storage import Database
from bot.texts import Texts
from broadcasts.service import Broadcasts
from config.neighbours import LOOK_EVERY, Neighbours
from tests.broadcasts.support import START, city_hall, staff


async def test_a_notice_that_a_command_queued_is_sent_and_reminded_of_by_the_running_bot(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        # The command: the same services on the same database, never started.
        adapters = {"chat": hall.platform}
        parts = (ManualClock(START), Activity(), Texts("broadcasts"))
        command = Broadcasts(database, Outbox(database, adapters, *parts[:2]), adapters, *parts)
        chief = await hall.member("hq")
        async with database.transaction() as db:
            number = await command.draft(db, chief, "本文")
            seen = await command.preview(db, number)
            assert (await command.confirm(db, number, chief, seen.fingerprint)).outcome == "sent"
        await hall.quiet()
        assert hall.platform.copies(f"broadcast:{number}") == {}
        neighbours = Neighbours([hall.outbox.ring, hall.broadcasts.look_again], hall.clock, hall.activity)
        await neighbours.start()
        await hall.advance(LOOK_EVERY)
        assert set(hall.platform.copies(f"broadcast:{number}").values()) == {1}
        await hall.advance(timedelta(minutes=16))
        assert set(hall.platform.copies(f"reminder:{number}:1").values()) == {1}
        await neighbours.stop()
        await neighbours.stop()
