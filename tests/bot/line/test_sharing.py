"""Those who share a multicast stay together until it is known what became of it, on both databases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from bot.activity import Activity
from bot.adapter import Delivery
from bot.adapters.line import Line
from bot.clock import ManualClock
from bot.messages import Address, Message, Priority
from bot.outbox import Outbox
from bot.outbox.retry import RetryPolicy
from bot.outbox.store import Claimed, Store
from bot.storage import Database
from bot.tables import deliveries, messages
from bot.testing.blank import blank_database
from bot.testing.fakes import FakeLine
from tests.bot.line.support import START, adapter_for, reply_token

LEASE = timedelta(seconds=60)


class Post:
    """An outbox on LINE, and notices to put into it."""

    def __init__(self, database: Database, line: FakeLine, adapter: Line, clock: ManualClock) -> None:
        self.database, self.line, self.adapter, self.clock = database, line, adapter, clock
        self.activity = Activity()
        self.store = Store("line", is_sqlite=database.is_sqlite)
        self.message_id: int | None = None
        self.names: list[str] = []

    async def put(self, *names: str, priority: Priority = Priority.NOTICE, text: str = "お知らせ") -> None:
        """One notice for these people: one message, a delivery each. More people for the same one come the same way."""
        now = self.clock.now()
        async with self.database.transaction() as db:
            if self.message_id is None or text != "お知らせ":
                stored = await db.execute(
                    insert(messages).values(body=Message(text=text).model_dump_json(), created_at=now)
                )
                assert stored.inserted_primary_key is not None
                self.message_id = stored.inserted_primary_key[0]
            await db.execute(
                insert(deliveries),
                [
                    {
                        "key": f"{text}:{name}",
                        "message_id": self.message_id,
                        "adapter": "line",
                        "kind": "person",
                        "address": self.line.person(name),
                        "priority": int(priority),
                        "due_at": now,
                        "created_at": now,
                    }
                    for name in names
                ],
            )
        self.names += names

    async def claim(self, limit: int = 1_000, share: int = 500) -> list[Claimed]:
        now = self.clock.now()
        async with self.database.transaction() as db:
            return await self.store.claim(db, limit, now, now + LEASE, share=share)

    @asynccontextmanager
    async def sending(self, policy: RetryPolicy | None = None) -> AsyncIterator[Outbox]:
        """A process that sends, until the block ends."""
        outbox = Outbox(
            self.database,
            {"line": self.adapter},
            self.clock,
            self.activity,
            policy,
            random=Random(1),
            poll=timedelta(hours=6),
        )
        await outbox.start()
        await self.activity.idle()
        yield outbox
        await outbox.stop()

    async def die(self) -> None:
        """Claim and send what is due, and be gone before any of it is written down."""
        calls: defaultdict[str, list[Delivery]] = defaultdict(list)
        for each in await self.claim():
            calls[each.delivery.shared_call or each.delivery.key].append(each.delivery)
        for batch in calls.values():
            await self.adapter.send(batch)

    async def advance(self, duration: timedelta) -> None:
        end = self.clock.now() + duration
        while (due := self.clock.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            await self.activity.idle()
        self.clock.advance_to(end)
        await self.activity.idle()

    async def states(self) -> set[str]:
        async with self.database.snapshot() as db:
            return set(await db.scalars(select(deliveries.c.state)))

    def copies(self) -> dict[str, int]:
        return {name: len(self.line.seen(self.line.person(name))) for name in self.names}

    def multicasts(self) -> list[int]:
        """How many people each accepted multicast went to."""
        return [
            len(call.body["to"]) for call in self.line.calls if call.path == "message/multicast" and call.status == 200
        ]


@pytest.fixture
async def post(database: Database, line: FakeLine, adapter: Line, clock: ManualClock) -> Post:
    return Post(database, line, adapter, clock)


def people(number: int) -> list[str]:
    return [f"p{each}" for each in range(number)]


async def test_1200_people_are_three_calls(post: Post) -> None:
    await post.put(*people(1_200))
    async with post.sending():
        assert sorted(post.multicasts()) == [200, 500, 500]
    assert set(post.copies().values()) == {1}
    assert await post.states() == {"sent"}


async def test_a_crash_between_the_call_and_its_record_doubles_nothing_though_more_have_joined(
    post: Post, adapter: Line
) -> None:
    await post.put(*people(5))
    batch = [each.delivery for each in await post.claim()]
    await adapter.send(batch)  # and the process is gone before anything is written down
    await post.put("late1", "late2")
    post.clock.advance(LEASE)
    async with post.sending():
        pass
    assert post.copies() == dict.fromkeys(post.names, 1)
    assert post.multicasts() == [5, 2]
    assert await post.states() == {"sent"}


async def test_a_crash_before_the_call_leaves_nobody_out(post: Post) -> None:
    await post.put(*people(5))
    await post.claim()
    post.clock.advance(LEASE)
    async with post.sending():
        pass
    assert post.copies() == dict.fromkeys(post.names, 1)


async def test_those_who_are_left_of_a_call_still_go_under_its_name(post: Post) -> None:
    await post.put(*people(5))
    post.line.behave("acted", times=1)
    async with post.sending():
        async with post.database.transaction() as db:  # the first of them, who gave the call its name, is out
            first = select(deliveries.c.id).order_by(deliveries.c.id).limit(1).scalar_subquery()
            await db.execute(update(deliveries).where(deliveries.c.id == first).values(state="cancelled"))
        await post.advance(timedelta(minutes=1))
    assert post.copies() == dict.fromkeys(post.names, 1)
    assert await post.states() == {"sent", "cancelled"}


async def test_a_call_is_not_parted_by_a_limit_nor_by_a_second_process(post: Post) -> None:
    await post.put(*people(5))
    first = await post.claim()
    async with post.database.transaction() as db:
        await post.store.release(db, first)
    again = await post.claim(limit=2)
    assert [each.delivery.id for each in again] == [each.delivery.id for each in first]
    assert await post.claim() == []
    assert len({each.delivery.shared_call for each in again}) == 1


async def test_what_was_tried_alone_never_joins_a_call(post: Post) -> None:
    await post.put("first")
    post.line.behave("acted", times=1)
    async with post.sending():
        await post.put("second", "third")
        await post.advance(timedelta(minutes=1))
    assert post.copies() == dict.fromkeys(post.names, 1)


async def test_a_multicast_that_line_refuses_is_sent_to_each_alone(post: Post) -> None:
    await post.put(*people(3))
    post.line.behave("refusing", times=1)
    async with post.sending():
        await post.advance(timedelta(minutes=1))
    assert post.copies() == dict.fromkeys(post.names, 1)
    assert post.multicasts() == []
    assert await post.states() == {"sent"}


async def test_dead_ones_come_back_together(post: Post) -> None:
    await post.put(*people(3))
    post.line.behave("broken")
    async with post.sending(RetryPolicy(term=timedelta(hours=2))) as outbox:
        await post.advance(timedelta(hours=6))
        dead = await outbox.dead()
        assert len(dead) == 3
        post.line.behave("well")
        assert await outbox.replay([dead[0].id]) == 3
        await post.advance(timedelta(minutes=1))
    assert post.copies() == dict.fromkeys(post.names, 1)
    assert await post.states() == {"sent"}


async def test_an_emergency_to_all_overtakes_as_one_call(post: Post) -> None:
    await post.put(*people(1_100))
    first = await post.claim(limit=1_000)
    assert len({each.delivery.shared_call for each in first}) == 2
    await post.put(*people(40), priority=Priority.EMERGENCY, text="緊急")
    now = post.clock.now()
    async with post.database.transaction() as db:
        urgent = await post.store.claim(db, 500, now, now + LEASE, below=Priority.NOTICE, share=500)
    assert len(urgent) == 40
    assert {each.delivery.shared_call for each in urgent} == {urgent[0].delivery.key}


TROUBLES = ["well", "cut", "broken", "acted", "acted_broken", "busy", "gibberish"]


@asynccontextmanager
async def fresh_post(folder: Path, troubles: list[str]) -> AsyncIterator[Post]:
    """A LINE that treats the calls that are made to it like this, one after the other, and then well."""
    clock = ManualClock(START)
    database = await blank_database(folder / "outbox.sqlite3")
    async with FakeLine(clock) as line:
        adapter = adapter_for(line, clock)
        await adapter.open()
        left = list(troubles)

        def next_trouble(path: str = "message") -> None:
            if "quota" not in path:
                line.behave(left.pop(0) if left else "well")  # type: ignore[arg-type]  # one of TROUBLES

        next_trouble()
        line.on_call = next_trouble
        yield Post(database, line, adapter, clock)
        await adapter.close()
    await database.close()


@settings(max_examples=25, deadline=None)
@given(
    troubles=st.lists(st.sampled_from(TROUBLES), max_size=6),
    rounds=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=3),
)
async def test_whatever_the_line_does_and_whenever_the_bot_dies_everybody_sees_a_notice_once(
    troubles: list[str], rounds: list[tuple[int, bool]]
) -> None:
    with TemporaryDirectory() as folder:
        async with fresh_post(Path(folder), troubles) as post:
            for number, (size, dies) in enumerate(rounds):
                await post.put(*(f"{number}-{each}" for each in range(size)))
                if dies:
                    await post.die()
                async with post.sending():
                    await post.advance(timedelta(seconds=1))
            async with post.sending():
                await post.advance(timedelta(minutes=10))
            assert await post.states() == {"sent"}
            assert post.copies() == dict.fromkeys(post.names, 1)


@settings(max_examples=40, deadline=None)
@given(
    troubles=st.lists(st.sampled_from(TROUBLES), max_size=5),
    age=st.integers(0, 70),
    dies=st.booleans(),
    pause=st.integers(0, 70),
)
async def test_whatever_happens_to_an_answer_it_is_never_there_twice_and_what_counts_as_sent_is_there(
    troubles: list[str], age: int, dies: bool, pause: int
) -> None:
    with TemporaryDirectory() as folder:
        async with fresh_post(Path(folder), troubles) as post:
            alice = post.line.person("alice")
            token = reply_token(post.line, alice)
            post.clock.advance(timedelta(seconds=age))
            outbox = Outbox(post.database, {"line": post.adapter}, post.clock, post.activity)
            async with post.database.transaction() as db:
                where, what = Address(adapter="line", kind="person", id=alice), Message(text="はい")
                await outbox.enqueue(db, where, what, key="reply:1", reply_token=token)
            if dies:
                await post.die()
                post.clock.advance(timedelta(seconds=pause))
            async with post.sending():
                await post.advance(timedelta(minutes=10))
            [state] = await post.states()
            copies = len(post.line.seen(alice))
            assert copies <= 1
            assert state == "dead" or copies == 1
            assert state == "sent" or troubles or dies
