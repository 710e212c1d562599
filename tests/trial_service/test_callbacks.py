"""What a bot is told is told until it is taken, in order, and survives the service."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from bot.clock import ManualClock
from tests.trial_service.conftest import ADMIN, City
from trial.service import REHEARSAL, ChatService
from trial.service.callbacks import wait_after


async def test_an_event_is_sent_again_with_growing_pauses_until_it_is_taken(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    city.receiver.statuses = [500, 302]
    pair = (await alice.post("/v1/pairs", {"user_id": bot.id}))["room_id"]
    await city.quiet()
    assert len(city.receiver.requests) == 1
    await alice.say(pair, "まだ？")
    await city.quiet()
    assert len(city.receiver.requests) == 1, "what is new waits behind what is being tried again"
    city.clock.advance(timedelta(seconds=1))
    await city.quiet()
    city.clock.advance(timedelta(seconds=1.9))
    await city.quiet()
    assert len(city.receiver.requests) == 2
    city.clock.advance(timedelta(seconds=0.1))
    await city.quiet()
    assert [event["event_id"] for event in city.receiver.events] == ["e1", "e2"]
    assert {request["events"][0]["event_id"] for request in city.receiver.requests} == {"e1"}


async def test_a_bot_that_is_silent_for_hours_gets_everything_and_after_a_day_it_is_given_up(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    city.receiver.statuses = [503] * 1_000
    pair = (await alice.post("/v1/pairs", {"user_id": bot.id}))["room_id"]
    await city.quiet()
    for _ in range(23):
        city.clock.advance(timedelta(hours=1))
        await city.quiet()
    assert len(city.receiver.requests) == 24, "not given up for 23 hours"
    city.clock.advance(timedelta(hours=1))
    await city.quiet()
    city.receiver.statuses = []
    await alice.say(pair, "おはよう")
    city.clock.advance(timedelta(minutes=5))
    await city.quiet()
    assert [event["type"] for event in city.receiver.events] == ["message"]


async def test_a_bot_that_has_moved_is_told_at_once_what_its_old_address_did_not_take(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    assert (await city.admin.put(f"/v1/admin/bots/{bot.id}", {"callback_url": "http://127.0.0.1:1/"})).status == 204
    await alice.post("/v1/pairs", {"user_id": bot.id})
    await city.quiet()
    assert city.receiver.events == []
    moved = await city.admin.put(f"/v1/admin/bots/{bot.id}", {"callback_url": city.receiver.url})
    assert moved.status == 204
    await city.quiet()
    assert [event["type"] for event in city.receiver.events] == ["joined"]
    assert (await city.admin.put("/v1/admin/bots/b99", {"callback_url": city.receiver.url})).status == 404


async def test_a_request_carries_at_most_100_events_and_the_order_is_kept(city: City) -> None:
    bot = await city.bot()
    (alice,) = await city.join("alice")
    city.receiver.statuses = [500]
    sent = []
    for n in range(230):
        answer = await bot.post("/bot/v1/messages", {"user_id": alice.id, "text": str(n)})
        sent.append(answer["message_id"])
    await alice.read(answer["room_id"], sent[-1])
    await city.quiet()
    city.clock.advance(timedelta(seconds=1))
    await city.quiet()
    assert [len(request["events"]) for request in city.receiver.requests] == [100, 100, 100, 30]
    assert [event["message_id"] for event in city.receiver.told("read")] == sent


async def test_what_was_not_taken_when_the_service_died_is_sent_by_the_next_one(
    city: City, clock: ManualClock, tmp_path: Path
) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    city.receiver.statuses = [500]
    await alice.post("/v1/pairs", {"user_id": bot.id})
    await city.quiet()
    await city.service.stop()
    assert city.service.activity.is_idle
    again = ChatService(
        database=tmp_path / "service.sqlite3",
        files=tmp_path / "files",
        clock=clock,
        admin_token=ADMIN,
        password_cost=REHEARSAL,
    )
    await again.start()
    await again.activity.idle()
    assert [event["event_id"] for event in city.receiver.events] == ["e1"]
    await again.stop()
    await again.stop()


def test_pauses_double_from_one_second_to_five_minutes_and_cover_much_more_than_an_hour() -> None:
    pauses = [wait_after(failures).total_seconds() for failures in range(1, 12)]
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert wait_after(10_000) == timedelta(minutes=5)


async def test_a_database_that_cannot_record_what_was_taken_loses_nothing(city: City, tmp_path: Path) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    with closing(sqlite3.connect(tmp_path / "service.sqlite3", isolation_level=None)) as db:
        db.execute("CREATE TRIGGER full BEFORE DELETE ON callbacks BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        await alice.post("/v1/pairs", {"user_id": bot.id})
        await city.quiet()
        db.execute("DROP TRIGGER full")
        city.clock.advance(timedelta(seconds=1))
        await city.quiet()
        assert [event["event_id"] for event in city.receiver.events] == ["e1", "e1"]
        assert db.execute("SELECT COUNT(*) FROM callbacks").fetchone() == (0,)


class TestABotThatNeverAnswers:
    @pytest.fixture
    def callback_time_limit(self) -> float:
        return 0.05

    async def test_is_left_alone_after_the_time_limit_and_tried_again(self, city: City) -> None:
        (alice,) = await city.join("alice")
        bot = await city.bot()
        city.receiver.silent = True
        await alice.post("/v1/pairs", {"user_id": bot.id})
        await city.quiet()
        assert (len(city.receiver.requests), city.receiver.events) == (1, [])
        city.receiver.silent = False
        city.clock.advance(timedelta(seconds=1))
        await city.quiet()
        assert [event["event_id"] for event in city.receiver.events] == ["e1"]
