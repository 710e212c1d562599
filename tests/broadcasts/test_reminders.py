"""Reminders: unread only, at an even distance, at most so many, none twice."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.activity import Activity
from bot.adapter import Delivery, Outcome
from bot.clock import TOKYO, ManualClock
from bot.outbox import Outbox
from bot.storage import Database
from bot.tables import deliveries
from bot.texts import Texts
from broadcasts.quiet import QuietHours, goes_out_at
from broadcasts.reminders import ReminderPolicy, next_due
from broadcasts.service import Broadcasts, BroadcastSettings
from tests.broadcasts.support import Platform, city_hall, staff
from tests.databases import empty_database

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


@dataclass
class Stamped(Platform):
    """The platform with a note of who saw what when."""

    seen_at: list[tuple[datetime, str, str]] = field(default_factory=list)
    clock: ManualClock | None = None

    def _send(self, delivery: Delivery) -> Outcome:
        before = {person: len(screen) for person, screen in self.screens.items()}
        outcome = super()._send(delivery)
        assert self.clock is not None
        for person, screen in self.screens.items():
            new = screen[before.get(person, 0) :]
            self.seen_at += [(self.clock.now(), person, each.reference or "") for each in new]
        return outcome


@settings(max_examples=15, deadline=None)
@given(
    interval=st.integers(7, 90),
    at_most=st.integers(0, 4),
    hour=st.integers(0, 23),
    quiet=st.booleans(),
    reads=st.lists(st.none() | st.integers(0, 600), min_size=3, max_size=3),
    naps=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200)), max_size=2),
)
def test_whenever_people_read_and_processes_sleep_nobody_is_reminded_too_often_too_soon_or_after_reading(
    interval: int, at_most: int, hour: int, quiet: bool, reads: list[int | None], naps: list[tuple[int, int]]
) -> None:
    night = QuietHours(time(22), time(7)) if quiet else None
    policy = ReminderPolicy(interval=interval * MINUTE, at_most=at_most)
    start = datetime(2023, 10, 2, hour, tzinfo=TOKYO)
    read_at = {f"u-{code}": at for code, at in zip(("hq", "001", "002"), reads, strict=True)}

    async def run() -> tuple[Stamped, datetime, int]:
        clock, platform = ManualClock(start), Stamped()
        platform.clock = clock
        async with AsyncExitStack() as parts:
            folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
            database = await parts.enter_async_context(empty_database("sqlite", folder))
            rules = BroadcastSettings(reminders=policy, quiet=night)
            running = city_hall(database, staff(3), platform=platform, settings=rules, clock=clock)
            hall = await parts.enter_async_context(running)
            number = await hall.send()
            await hall.quiet()
            sent = goes_out_at(night, "notice", start)
            await hall.advance(sent - clock.now())
            happenings: list[tuple[int, str, str]] = [
                (at, "read", person.removeprefix("u-")) for person, at in read_at.items() if at is not None
            ]
            happenings += [(at, "sleep", "") for at, _ in naps] + [(at + long, "wake", "") for at, long in naps]
            asleep = 0
            for minute, what, code in sorted(happenings):
                target = sent + minute * MINUTE
                await hall.advance(target - clock.now())
                if what == "read":
                    await hall.read(code, reference=f"broadcast:{number}")
                elif what == "sleep":
                    asleep += 1
                    if asleep == 1:
                        await hall.broadcasts.stop()
                else:
                    asleep -= 1
                    if asleep == 0:
                        await hall.broadcasts.start()
                        await hall.quiet()
            await hall.advance(timedelta(days=5))
            return platform, sent, number

    platform, sent, number = asyncio.run(run())
    for person, read in read_at.items():
        seen = [(at, reference) for at, who, reference in platform.seen_at if who == person]
        assert seen[0] == (sent.astimezone(UTC), f"broadcast:{number}")
        reminders = [(at, reference) for at, reference in seen if reference.startswith("reminder:")]
        rounds = [int(reference.rpartition(":")[2]) for _, reference in reminders]
        assert rounds == list(range(1, len(rounds) + 1))
        assert len(rounds) <= at_most
        moments = [sent, *(at for at, _ in reminders)]
        assert all(later - earlier >= policy.interval for earlier, later in itertools.pairwise(moments))
        if night is not None:
            assert all(night.release(at) == at for at in moments)
        if read is None:
            assert len(rounds) == at_most
        else:
            assert all(at <= sent + read * MINUTE for at, _ in reminders)


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
