"""Reminders: unread only, at an even distance, at most so many, none twice."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.activity import Activity
from bot.clock import TOKYO
from bot.outbox import Outbox
from bot.storage import Database
from bot.tables import deliveries
from bot.texts import Texts
from broadcasts.reminders import ReminderPolicy, next_due
from broadcasts.service import Broadcasts, BroadcastSettings
from tests.broadcasts.support import city_hall, staff

MINUTE = timedelta(minutes=1)


@given(
    interval=st.integers(1, 90),
    at_most=st.integers(0, 6),
    delays=st.lists(st.integers(0, 300), min_size=10, max_size=10),
)
def test_rounds_keep_their_distance_and_end_however_late_the_process_wakes(
    interval: int, at_most: int, delays: list[int]
) -> None:
    policy = ReminderPolicy(interval=interval * MINUTE, at_most=at_most)
    sent = datetime(2023, 10, 2, 9, tzinfo=TOKYO)
    rounds: list[datetime] = []
    due = policy.next_round(sent, 0)
    while due is not None:
        rounds.append(due + delays[len(rounds)] * MINUTE)
        due = policy.next_round(rounds[-1], len(rounds))
    assert len(rounds) == at_most
    moments = [sent, *rounds]
    assert all(later - earlier >= policy.interval for earlier, later in itertools.pairwise(moments))


@pytest.mark.parametrize("wrong", [{"interval": timedelta(0)}, {"at_most": -1}])
def test_a_schedule_that_makes_no_sense_is_refused_with_a_sentence(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ReminderPolicy(**wrong)  # type: ignore[arg-type] # wrong on purpose


async def test_the_unread_are_reminded_every_15_minutes_four_times_and_no_more(database: Database) -> None:
    async with city_hall(database, staff(6)) as hall:
        number = await hall.send("参集してください。", kind="emergency")
        await hall.advance(14 * MINUTE)
        for code in ("hq", "001", "002"):
            await hall.read(code, reference=f"broadcast:{number}")
        assert len(hall.platform.copies(f"reminder:{number}:1")) == 0
        await hall.advance(MINUTE)
        assert hall.platform.copies(f"reminder:{number}:1") == {"u-003": 1, "u-004": 1, "u-005": 1}
        first = next(each for each in hall.platform.screens["u-003"] if each.reference == f"reminder:{number}:1")
        assert first.room is None
        assert first.text.startswith("【緊急】")
        assert "参集してください。" in first.text
        await hall.advance(timedelta(hours=1, minutes=30))
        for round_ in (2, 3, 4):
            assert len(hall.platform.copies(f"reminder:{number}:{round_}")) == 3
        assert not hall.platform.copies(f"reminder:{number}:5")
        assert (await hall.broadcasts.status(number)).reminders == 4


async def test_reading_a_reminder_is_reading_the_notice_and_ends_the_reminders(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        number = await hall.send()
        await hall.advance(16 * MINUTE)
        await hall.read("001", reference=f"reminder:{number}:1")
        await hall.advance(15 * MINUTE)
        assert "u-001" not in hall.platform.copies(f"reminder:{number}:2")
        assert (await hall.broadcasts.status(number)).read == 1


async def test_when_all_have_read_no_further_round_is_counted(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        number = await hall.send()
        await hall.advance(MINUTE)
        for code in ("hq", "001", "002"):
            await hall.read(code, reference=f"broadcast:{number}")
        await hall.advance(timedelta(hours=1))
        assert (await hall.broadcasts.status(number)).reminders == 0
        async with database.snapshot() as db:
            assert await next_due(db) is None


async def test_a_drill_says_so_in_its_reminders_too(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        await hall.send(kind="drill")
        await hall.advance(timedelta(hours=2))
        assert {each.message.text[:4] for each in hall.platform.deliveries} == {"【訓練】"}


async def test_after_an_outage_nobody_gets_the_notice_and_four_reminders_at_once(database: Database) -> None:
    async with city_hall(database, staff(6)) as hall:
        hall.platform.down = True
        number = await hall.send()
        await hall.advance(40 * MINUTE)
        hall.platform.down = False
        await hall.advance(timedelta(minutes=30))
        seen = hall.platform.screens["u-001"]
        assert seen[0].reference == f"broadcast:{number}"
        assert set(hall.platform.copies(f"broadcast:{number}").values()) == {1}
        async with database.snapshot() as db:
            topics = list(await db.scalars(select(deliveries.c.topic)))
        assert f"reminder:{number}:1" not in topics


async def test_a_process_that_slept_sends_one_round_and_two_processes_send_one(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        number = await hall.send()
        await hall.quiet()
        await hall.broadcasts.stop()
        hall.clock.advance(timedelta(hours=2))
        outbox = Outbox(database, {"chat": hall.platform}, hall.clock, Activity())
        twin = Broadcasts(
            database, outbox, {"chat": hall.platform}, hall.clock, hall.activity, Texts("broadcasts"), None
        )
        await hall.broadcasts.start()
        await twin.start()
        await hall.quiet()
        await twin.stop()
        hall.outbox.ring()
        await hall.quiet()
        assert set(hall.platform.copies(f"reminder:{number}:1").values()) == {1}
        assert not hall.platform.copies(f"reminder:{number}:2")
        await hall.advance(15 * MINUTE)
        assert len(hall.platform.copies(f"reminder:{number}:2")) == 3


async def test_no_reminders_where_the_city_wants_none(database: Database) -> None:
    quiet = BroadcastSettings(reminders=ReminderPolicy(at_most=0))
    async with city_hall(database, staff(3), settings=quiet) as hall:
        await hall.send()
        await hall.advance(timedelta(hours=1))
        assert len(hall.platform.deliveries) == 1
