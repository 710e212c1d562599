"""The whole bot at a LINE WORKS: callbacks in over HTTP, answers out, and the pace of a notice to everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from bot import Bot, Context, Router
from bot.activity import Activity
from bot.clock import ManualClock
from bot.errors import InboxUnavailable
from bot.events import ButtonPressed, Event, MessageReceived
from bot.inbox import SqliteInbox
from bot.messages import Button, Message
from bot.outbox import Outbox
from bot.serving import serving
from bot.storage import Database
from bot.tables import deliveries, messages
from bot.testing.fakes import FakeLineWorks
from bot.testing.fakes.lineworks import Fault
from tests.bot.lineworks.support import START, bot_at, opened, running
from tests.databases import Kind, empty_database

MEMBERS = 350


def router() -> Router:
    router = Router()

    @router.command("点呼", help="")
    async def call(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("無事ですか", (Button(label="無事", data="safety:safe"),))

    @router.button("safety")
    async def answered(ctx: Context[ButtonPressed]) -> None:
        await ctx.reply(f"{ctx.event.sender}: {ctx.arguments}")

    return router


class Desk:
    """A running bot, its log, and the LINE WORKS that it is at."""

    def __init__(self, works: FakeLineWorks, clock: ManualClock, inbox: SqliteInbox) -> None:
        self.works = works
        self.clock = clock
        self.inbox = inbox
        self.activity = Activity()

    async def advance(self, duration: timedelta) -> None:
        """Let time pass, stopping at each moment that somebody waits for."""
        await self.activity.idle()
        end = self.clock.now() + duration
        while (due := self.clock.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            await self.activity.idle()
        self.clock.advance_to(end)
        await self.activity.idle()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = ManualClock(START)
    async with AsyncExitStack() as parts:
        works = await parts.enter_async_context(FakeLineWorks(clock))
        database = await parts.enter_async_context(empty_database("sqlite", tmp_path))
        inbox = SqliteInbox(tmp_path / "inbox.sqlite3", clock, durability="process")
        await inbox.open()
        parts.push_async_callback(inbox.close)
        desk = Desk(works, clock, inbox)
        bot = Bot(router(), [bot_at(works)], database=database, inbox=inbox, clock=clock, activity=desk.activity)
        await parts.enter_async_context(bot)
        port = await parts.enter_async_context(serving(bot.web_server(), "127.0.0.1", 0))
        works.callback_url = f"http://127.0.0.1:{port}/webhooks/lineworks"
        yield desk


async def test_somebody_asks_and_presses_a_button(desk: Desk) -> None:
    assert await desk.works.say("u1", "/点呼") == 200
    await desk.advance(timedelta(seconds=1))
    [question] = desk.works.messages
    assert (question.kind, question.to, question.text) == ("users", "u1", "無事ですか")
    assert await desk.works.press("u1", question.content["actions"][0]) == 200
    await desk.advance(timedelta(seconds=1))
    assert desk.works.texts()[1:] == ["u1: safe"]


async def test_the_same_callback_twice_is_one_event(desk: Desk) -> None:
    document = desk.works.event("message", "u1", content={"type": "text", "text": "/点呼"})
    assert [await desk.works.post(document) for _ in range(2)] == [200, 200]
    await desk.advance(timedelta(seconds=2))
    assert len(desk.works.messages) == 1


async def test_a_callback_of_somebody_else_is_turned_away(desk: Desk) -> None:
    desk.works.bot_secret = "guessed"
    assert await desk.works.say("u1", "/点呼") == 401
    await desk.advance(timedelta(seconds=1))
    assert desk.works.messages == []


async def test_while_the_log_is_broken_it_says_so_although_nothing_comes_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(events: Sequence[Event]) -> int:
        raise InboxUnavailable("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(desk.inbox, "append", full)
        assert await desk.works.say("u1", "/点呼") == 503
    assert len(desk.works.lost) == 1, "The platform counts it as failed and forgets it."
    assert await desk.works.say("u1", "/点呼") == 200
    await desk.advance(timedelta(seconds=1))
    assert len(desk.works.messages) == 1


async def test_an_answer_whose_fate_is_unknown_comes_again_and_says_so(desk: Desk) -> None:
    desk.works.faults.append("act_then_cut")
    await desk.works.say("u1", "/点呼")
    await desk.advance(timedelta(seconds=5))
    first, second = desk.works.texts()
    assert first == "無事ですか"
    assert second.startswith("【再送】")
    assert second.endswith(first)


async def test_an_answer_that_surely_did_not_arrive_comes_again_as_it_was(desk: Desk) -> None:
    desk.works.faults.append("busy")
    await desk.works.say("u1", "/点呼")
    await desk.advance(timedelta(seconds=10))
    assert desk.works.texts() == ["無事ですか"]


# ---------------------------------------------------------------- a notice to all


async def queue_for_all(database: Database, count: int = MEMBERS) -> None:
    seen = Button(label="読みました", data="broadcast:read:1")
    text = Message(text="訓練です", buttons=(seen,), reference="broadcast:1")
    async with database.transaction() as db:
        await db.execute(insert(messages).values(id=1, body=text.model_dump_json(), created_at=START))
        rows = [
            {
                "key": f"broadcast:1:{number}",
                "message_id": 1,
                "adapter": "lineworks",
                "kind": "person",
                "address": f"u{number}",
                "priority": 20,
                "due_at": START,
                "created_at": START,
            }
            for number in range(count)
        ]
        await db.execute(insert(deliveries), rows)


@asynccontextmanager
async def sending(
    database: Database, works: FakeLineWorks, clock: ManualClock, processes: int, **options: int
) -> AsyncIterator[Activity]:
    """So many processes with an outbox and an adapter of their own."""
    activity = Activity()
    async with AsyncExitStack() as parts:
        for _ in range(processes):
            bot = await parts.enter_async_context(opened(works, **options))
            outbox = Outbox(database, {"lineworks": bot}, clock, activity)
            await outbox.start()
            parts.push_async_callback(outbox.stop)
        yield activity


@pytest.mark.parametrize("processes", [1, 2])
async def test_350_people_get_a_notice_below_240_a_minute_without_one_429(tmp_path: Path, processes: int) -> None:
    """However many processes send: the limit is one for all of them together."""
    clock = ManualClock(START)
    kind: Kind = "sqlite" if processes == 1 else "postgresql"
    async with (
        empty_database(kind, tmp_path) as database,
        running(clock) as (works, _),
    ):
        await queue_for_all(database)
        async with sending(database, works, clock, processes) as activity:
            await activity.idle()
            while len(works.messages) < MEMBERS:
                due = clock.next_due()
                assert due is not None
                assert due < START + timedelta(minutes=3)
                clock.advance_to(due)
                await activity.idle()
        assert sorted(message.to for message in works.messages) == sorted(f"u{number}" for number in range(MEMBERS))
        assert works.count(429) == 0
        took = works.messages[-1].sent_at - START
        assert timedelta(seconds=88) <= took <= timedelta(seconds=100), took


async def test_a_notice_that_takes_hours_leaves_the_platform_half_of_every_half_hour(tmp_path: Path) -> None:
    clock = ManualClock(START)
    works = FakeLineWorks(clock, requests_per_minute=12)
    async with empty_database("sqlite", tmp_path) as database, works:
        await queue_for_all(database, 250)
        async with sending(database, works, clock, 1, requests_per_minute=12) as activity:
            await activity.idle()
            while len(works.messages) < 250:
                due = clock.next_due()
                assert due is not None
                assert due < START + timedelta(hours=2)
                clock.advance_to(due)
                await activity.idle()
    assert works.count(429) == 0
    assert works.busiest_half_hour <= 12 * 30 / 2
    assert works.messages[89].sent_at - START <= timedelta(minutes=8), "At first it goes at nearly the full rate."


async def test_with_a_bad_line_each_of_350_has_it_and_every_second_copy_says_so(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with empty_database("sqlite", tmp_path) as database, running(clock) as (works, _):
        await queue_for_all(database)
        calm: tuple[Fault, ...] = ("well",) * 12
        works.faults.extend((*calm, "act_then_cut", "well", "cut", "broken", "well", "busy") * 10)
        async with sending(database, works, clock, 1) as activity:
            await activity.idle()
            end = START + timedelta(minutes=30)
            while len({message.to for message in works.messages}) < MEMBERS or works.faults:
                due = clock.next_due()
                assert due is not None
                assert due < end
                clock.advance_to(due)
                await activity.idle()
        copies: dict[str, list[str]] = {}
        for message in works.messages:
            copies.setdefault(message.to, []).append(message.text)
        assert len(copies) == MEMBERS
        assert any(len(texts) == 2 for texts in copies.values())
        assert all(text.startswith("【再送】") for texts in copies.values() for text in texts[1:])
