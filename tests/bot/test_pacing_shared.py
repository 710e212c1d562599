"""The pace of several processes at one platform: over real PostgreSQL, two outboxes, one clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.adapter import Delivery, Outcome, Retry, Sent
from bot.clock import ManualClock
from bot.messages import Priority
from bot.outbox.pacing import ALLOWANCE, SharedPacer
from bot.storage import Database
from bot.tables import paces
from tests.bot.test_outbox import START, Office, Post
from tests.bot.test_outbox_shared import fill
from tests.databases import empty_database

SECOND = timedelta(seconds=1)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with empty_database("postgresql", tmp_path) as database:
        yield database


def two_processes(database: Database, rate: float, sustained: float | None = None) -> tuple[Office, Office]:
    """Two outboxes under one clock."""
    one = Office(database, Post(rate=rate, sustained=sustained))
    two = Office(database, Post(rate=rate, sustained=sustained))
    two.clock, two.activity = one.clock, one.activity
    two.outbox = two.new_outbox()
    return one, two


async def test_two_processes_together_keep_the_rate_of_one(database: Database) -> None:
    await fill(database, 120)
    one, two = two_processes(database, rate=4)
    moments: list[datetime] = []

    def answer(delivery: Delivery) -> Outcome:
        moments.append(one.clock.now())
        return Sent("m")

    for office in (one, two):
        office.adapter.answers = answer
        await office.outbox.start()
    await one.activity.idle()
    await one.advance(timedelta(seconds=40))
    assert len(moments) == 120
    assert min(len(one.adapter.sent), len(two.adapter.sent)) > 20, "Both take part."
    assert all(later - earlier >= timedelta(seconds=0.25) for earlier, later in pairwise(moments))
    assert moments[-1] - moments[0] <= timedelta(seconds=35), "And the rate is used."
    await one.outbox.stop()
    await two.outbox.stop()


async def test_rights_are_booked_once_however_many_ask_at_one_moment(database: Database) -> None:
    clock = ManualClock(START)
    pacers = [SharedPacer(database, "post", clock, rate=10) for _ in range(3)]
    await asyncio.gather(*(pacer.prepare(10) for pacer in pacers))
    taken = []
    for _ in range(400):
        taken += [clock.now() for pacer in pacers if pacer.take()]
        clock.advance(timedelta(milliseconds=10))
    assert len(taken) == 30
    assert all(later - earlier >= timedelta(milliseconds=90) for earlier, later in pairwise(taken))


async def test_a_right_that_nobody_used_in_time_is_no_right_any_more(database: Database) -> None:
    clock = ManualClock(START)
    pacer = SharedPacer(database, "post", clock, rate=4)
    await pacer.prepare(4)
    clock.advance(timedelta(minutes=5))
    assert not pacer.take()
    await pacer.prepare(4)
    assert [pacer.take(), pacer.take()] == [True, False]


async def test_a_pause_books_nothing_and_ends(database: Database) -> None:
    clock = ManualClock(START)
    pacer = SharedPacer(database, "post", clock, rate=4)
    pacer.pause(START + 10 * SECOND)
    pacer.pause(START + 5 * SECOND)
    await pacer.prepare(4)
    assert (pacer.next_at, pacer.take()) == (START + 10 * SECOND, False)
    clock.advance(10 * SECOND)
    await pacer.prepare(4)
    assert (pacer.next_at, pacer.take()) == (None, True)


async def test_a_row_from_a_clock_that_was_wrong_stops_nobody(database: Database) -> None:
    clock = ManualClock(START)
    pacer = SharedPacer(database, "post", clock, rate=1)
    await pacer.prepare(1)
    async with database.transaction() as db:
        await db.execute(update(paces).values(next_at=START + timedelta(days=400)))
    clock.advance(10 * SECOND)
    await pacer.prepare(1)
    assert pacer.take()


async def test_an_emergency_is_not_held_back_by_what_is_sustained(database: Database) -> None:
    clock = ManualClock(START)
    pacer = SharedPacer(database, "post", clock, rate=4, sustained=2)

    async def take_for(seconds: int, *, urgent: bool) -> int:
        taken = 0
        for _ in range(seconds * 4):
            await pacer.prepare(4, urgent=urgent)
            taken += pacer.take(urgent=urgent)
            clock.advance(SECOND / 4)
        return taken

    assert await take_for(20, urgent=False) == pytest.approx(80, abs=4)
    async with database.transaction() as db:  # as if that had gone on for some minutes
        await db.execute(update(paces).values(settled_at=clock.now() + ALLOWANCE))
    await take_for(5, urgent=False)
    assert await take_for(30, urgent=False) == pytest.approx(40, abs=3), "Two thirds of two a second."
    await take_for(3, urgent=True)  # the slow rights that were booked already
    assert await take_for(20, urgent=True) == pytest.approx(80, abs=4)


async def test_a_platform_that_is_tired_rests_the_process_and_then_goes_on(database: Database) -> None:
    office = Office(database, Post(rate=4))
    for _ in range(8):
        await office.put("訓練")
    tired = iter([Retry("Too many.", after=timedelta(seconds=20))])
    office.adapter.answers = lambda _: next(tired, Sent("m"))
    await office.outbox.start()
    await office.activity.idle()
    await office.advance(19 * SECOND)
    assert len(office.adapter.sent) == 1
    await office.put("first", priority=Priority.EMERGENCY)
    await office.activity.idle()
    await office.advance(10 * SECOND)
    assert len(office.adapter.sent) == 10
    assert office.adapter.texts[1] == "first"
    await office.outbox.stop()
