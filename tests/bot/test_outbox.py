"""The outbox as a whole: what is enqueued is sent, once, in order, and written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.activity import Activity
from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Retry, Sent
from bot.clock import ManualClock
from bot.errors import ConfigurationError
from bot.events import Event
from bot.messages import Address, Message, Priority
from bot.outbox import Outbox, RetryPolicy, SentDelivery
from bot.outbox.store import Result, Store
from bot.storage import Database
from bot.tables import deliveries, messages
from bot.testing.blank import blank_database

START = datetime(2023, 7, 3, 0, 0, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=3, first=timedelta(seconds=10), jitter=0)


class Post:
    """An adapter that keeps what it is given; `answers` decides, `gate` holds calls back."""

    def __init__(self, name: str = "post", **capabilities: object) -> None:
        self.name = name
        self.capabilities = Capabilities(**capabilities)  # type: ignore[arg-type]  # tests name what they change
        self.calls: list[list[Delivery]] = []
        self.answers: Callable[[Delivery], Outcome] = lambda delivery: Sent(f"m{delivery.id}")
        self.gate: asyncio.Event | None = None
        self.arrived = asyncio.Semaphore(0)

    @property
    def sent(self) -> list[Delivery]:
        return [delivery for call in self.calls for delivery in call]

    @property
    def texts(self) -> list[str]:
        return [delivery.message.text for delivery in self.sent]

    def verify(self, headers: object, body: bytes) -> bool:
        return False

    def parse(self, body: bytes) -> Sequence[Event]:
        return []

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        self.calls.append(list(batch))
        self.arrived.release()
        if self.gate is not None:
            await self.gate.wait()
        return [self.answers(delivery) for delivery in batch]

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Office:
    """An outbox with everything around it."""

    def __init__(self, database: Database, adapter: Post) -> None:
        self.database = database
        self.adapter = adapter
        self.clock = ManualClock(START)
        self.activity = Activity()
        self.outbox = self.new_outbox()
        self._count = 0

    def new_outbox(self) -> Outbox:
        return Outbox(
            self.database, {self.adapter.name: self.adapter}, self.clock, self.activity, POLICY, random=Random(1)
        )

    async def put(
        self,
        text: str,
        *,
        to: str | None = None,
        priority: Priority = Priority.REPLY,
        due_at: datetime | None = None,
        topic: str | None = None,
        key: str | None = None,
    ) -> int:
        self._count += 1
        async with self.database.transaction() as db:
            return await self.outbox.enqueue(
                db,
                Address(adapter=self.adapter.name, kind="person", id=to or f"u{self._count}"),
                Message(text=text),
                key=key or f"k{self._count}",
                priority=priority,
                topic=topic,
                due_at=due_at,
            )

    async def states(self) -> dict[int, str]:
        async with self.database.snapshot() as db:
            return {row.id: row.state for row in await db.execute(select(deliveries).order_by(deliveries.c.id))}

    async def advance(self, duration: timedelta) -> None:
        """Let time pass, stopping at each moment that somebody waits for."""
        end = self.clock.now() + duration
        while (due := self.clock.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            await self.activity.idle()
        self.clock.advance_to(end)
        await self.activity.idle()


@asynccontextmanager
async def fresh_database(folder: Path) -> AsyncIterator[Database]:
    database = await blank_database(folder / f"{uuid4().hex}.db")
    yield database
    await database.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with fresh_database(tmp_path) as database:
        yield database


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    office = Office(database, Post())
    yield office
    await office.outbox.stop()
    assert office.activity.is_idle


async def test_what_is_enqueued_is_sent_after_the_commit_and_written_down(office: Office) -> None:
    await office.outbox.start()
    number = await office.put("こんにちは", to="alice", key="reply:1")
    await office.activity.idle()
    [delivery] = office.adapter.sent
    assert (delivery.key, delivery.address.id, delivery.message.text) == ("reply:1", "alice", "こんにちは")
    assert await office.states() == {number: "sent"}
    [attempt] = await office.outbox.attempts(number)
    assert (attempt.outcome, attempt.started_at) == ("sent", START)
    async with office.database.snapshot() as db:
        row = (await db.execute(select(deliveries))).one()
    assert (row.platform_id, row.attempts, row.claimed_until, row.finished_at) == (f"m{number}", 1, None, START)


async def test_nothing_is_sent_when_the_transaction_is_rolled_back(office: Office) -> None:
    await office.outbox.start()
    with pytest.raises(RuntimeError, match="handler"):
        async with office.database.transaction() as db:
            await office.outbox.enqueue(
                db, Address(adapter="post", kind="room", id="r"), Message(text="never"), key="lost"
            )
            raise RuntimeError("the handler failed")
    await office.activity.idle()
    assert office.adapter.sent == []
    assert await office.states() == {}


async def test_what_was_enqueued_before_the_start_is_sent_by_the_start(office: Office) -> None:
    await office.put("early")
    await office.outbox.start()
    await office.activity.idle()
    assert office.adapter.texts == ["early"]


async def test_an_adapter_that_is_not_running_is_named_with_those_that_are(office: Office) -> None:
    async with office.database.transaction() as db:
        with pytest.raises(ConfigurationError, match=r"'pigeon'.*running are: post"):
            await office.outbox.enqueue(
                db, Address(adapter="pigeon", kind="person", id="a"), Message(text="x"), key="k"
            )


async def test_a_key_is_taken_once(office: Office) -> None:
    await office.put("first", key="same")
    with pytest.raises(IntegrityError):
        await office.put("second", key="same")


async def test_starting_twice_is_refused(office: Office) -> None:
    await office.outbox.start()
    with pytest.raises(ConfigurationError, match="already"):
        await office.outbox.start()


async def test_deliveries_inserted_by_others_ring_the_senders(office: Office) -> None:
    await office.outbox.start()
    async with office.database.transaction() as db:
        await db.execute(insert(messages).values(id=7, body=Message(text="notice").model_dump_json(), created_at=START))
        await db.execute(
            insert(deliveries),
            [
                {
                    "key": f"broadcast:1:{number}",
                    "message_id": 7,
                    "adapter": "post",
                    "kind": "person",
                    "address": f"u{number}",
                    "priority": 20,
                    "due_at": START,
                    "created_at": START,
                }
                for number in range(600)
            ],
        )
        office.outbox.ring_after_commit(db)
    await office.activity.idle()
    assert sorted(delivery.key for delivery in office.adapter.sent) == sorted(f"broadcast:1:{n}" for n in range(600))
    assert set((await office.states()).values()) == {"sent"}


async def test_priorities_go_first_and_within_one_the_earlier(office: Office) -> None:
    for text, priority in [
        ("reminder", Priority.REMINDER),
        ("notice 1", Priority.NOTICE),
        ("notice 2", Priority.NOTICE),
        ("reply", Priority.REPLY),
        ("emergency", Priority.EMERGENCY),
    ]:
        await office.put(text, priority=priority)
    await office.outbox.start()
    await office.activity.idle()
    assert office.adapter.texts == ["emergency", "reply", "notice 1", "notice 2", "reminder"]


async def test_a_delivery_waits_for_its_moment(office: Office) -> None:
    await office.outbox.start()
    await office.put("tomorrow", due_at=START + timedelta(days=1))
    await office.activity.idle()
    assert office.adapter.sent == []
    await office.advance(timedelta(days=1))
    assert office.adapter.texts == ["tomorrow"]


async def test_a_failed_try_is_repeated_under_the_same_key_until_it_is_dead(office: Office) -> None:
    office.adapter.answers = lambda _: Retry("The platform is down.")
    await office.outbox.start()
    number = await office.put("stubborn", topic="broadcast:1")
    await office.activity.idle()
    assert len(office.adapter.sent) == 1
    await office.advance(timedelta(seconds=10))
    assert len(office.adapter.sent) == 2
    await office.advance(timedelta(seconds=19))
    assert len(office.adapter.sent) == 2
    await office.advance(timedelta(seconds=1))
    assert [(each.key, each.attempt) for each in office.adapter.sent] == [("k1", 1), ("k1", 2), ("k1", 3)]
    [dead] = await office.outbox.dead()
    assert (dead.id, dead.attempts, dead.topic, dead.reason) == (number, 3, "broadcast:1", "The platform is down.")
    assert [attempt.outcome for attempt in await office.outbox.attempts(number)] == ["retry"] * 3


async def test_a_try_without_an_answer_makes_the_later_ones_uncertain_until_one_is_sent(office: Office) -> None:
    answers: Iterator[Outcome] = iter([Retry("cut", uncertain=True), Retry("busy"), Retry("busy"), Sent("m")])
    office.adapter.answers = lambda _: next(answers)
    await office.outbox.start()
    number = await office.put("perhaps")
    await office.activity.idle()
    await office.advance(timedelta(seconds=30))
    assert set((await office.states()).values()) == {"dead"}
    await office.outbox.replay([number])
    await office.activity.idle()
    assert [each.uncertain for each in office.adapter.sent] == [False, True, True, True]
    async with office.database.snapshot() as db:
        assert await db.scalar(select(deliveries.c.claimed_until)) is None


async def test_what_is_given_back_untried_is_as_uncertain_as_it_was(office: Office) -> None:
    for text in ("one", "two"):
        await office.put(text)
    store = Store("post", is_sqlite=True)
    later = START + timedelta(seconds=60)
    async with office.database.transaction() as db:
        first, second = await store.claim(db, 2, START, later)
        failed = [Result(each, "queued", "retry", START, START, uncertain=each is first) for each in (first, second)]
        await store.record(db, failed)
        for _ in range(2):
            claimed = await store.claim(db, 2, START, later)
            assert [each.delivery.uncertain for each in claimed] == [True, False]
            await store.release(db, claimed)


async def test_a_rejected_delivery_is_dead_at_once_and_can_be_replayed(office: Office) -> None:
    office.adapter.answers = lambda _: Rejected("The bot is not in this room.")
    await office.outbox.start()
    number = await office.put("unwanted")
    await office.activity.idle()
    [dead] = await office.outbox.dead()
    assert (dead.id, dead.reason, dead.attempts) == (number, "The bot is not in this room.", 1)
    office.adapter.answers = lambda _: Sent("m")
    assert await office.outbox.replay([number, 999]) == 1
    await office.activity.idle()
    assert await office.states() == {number: "sent"}
    assert await office.outbox.dead() == []
    assert [each.key for each in office.adapter.sent] == ["k1", "k1"]


async def test_a_snooze_is_no_attempt_and_rests_the_whole_adapter(office: Office) -> None:
    tired = True
    office.adapter.answers = lambda _: Retry("Too many.", after=timedelta(minutes=5)) if tired else Sent("m")
    await office.outbox.start()
    first = await office.put("one", to="alice")
    await office.activity.idle()
    second = await office.put("two", to="bob")
    await office.activity.idle()
    assert office.adapter.texts == ["one"]
    tired = False
    await office.advance(timedelta(minutes=4, seconds=59))
    assert office.adapter.texts == ["one"]
    await office.advance(timedelta(seconds=1))
    assert sorted(office.adapter.texts) == ["one", "one", "two"]
    assert [attempt.outcome for attempt in await office.outbox.attempts(first)] == ["snooze", "sent"]
    assert await office.states() == {first: "sent", second: "sent"}
    async with office.database.snapshot() as db:
        assert set(await db.scalars(select(deliveries.c.attempts))) == {1}


async def test_a_long_rest_gives_back_what_was_claimed(database: Database) -> None:
    office = Office(database, Post(concurrency=1))
    office.adapter.answers = lambda _: Retry("Too many.", after=timedelta(hours=1))
    for text in ("one", "two", "three"):
        await office.put(text)
    await office.outbox.start()
    await office.activity.idle()
    assert office.adapter.texts == ["one"]
    assert set((await office.states()).values()) == {"queued"}
    office.adapter.answers = lambda _: Sent("m")
    await office.advance(timedelta(hours=1))
    assert sorted(office.adapter.texts[1:]) == ["one", "three", "two"]
    await office.outbox.stop()


async def test_a_crash_between_call_and_record_sends_again_with_the_same_key(office: Office) -> None:
    await office.put("once", key="broadcast:1:7")
    await office.outbox.start()
    await office.activity.idle()
    async with office.database.transaction() as db:  # as if the process had died before it wrote this down
        await db.execute(
            update(deliveries).values(state="sending", claimed_until=START + timedelta(seconds=60), finished_at=None)
        )
    await office.outbox.stop()
    office.outbox = office.new_outbox()
    await office.outbox.start()
    await office.activity.idle()
    assert [delivery.key for delivery in office.adapter.sent] == ["broadcast:1:7"] * 2
    assert [delivery.uncertain for delivery in office.adapter.sent] == [False, True]
    assert set((await office.states()).values()) == {"sent"}


async def test_hooks_see_what_was_sent_in_the_recording_transaction(office: Office) -> None:
    seen: list[SentDelivery] = []

    async def hook(db: AsyncConnection, sent: Sequence[SentDelivery]) -> None:
        states = await db.scalars(select(deliveries.c.state).where(deliveries.c.id.in_([s.delivery_id for s in sent])))
        assert set(states) == {"sent"}
        seen.extend(sent)

    office.outbox.on_sent(hook)
    await office.outbox.start()
    number = await office.put("notice", to="alice", topic="broadcast:1")
    await office.activity.idle()
    address = Address(adapter="post", kind="person", id="alice")
    assert seen == [SentDelivery(number, "post", "broadcast:1", f"m{number}", address, START)]


async def test_a_hook_that_raises_leaves_nothing_behind_and_stops_no_delivery(office: Office) -> None:
    async def hook(db: AsyncConnection, sent: Sequence[SentDelivery]) -> None:
        await db.execute(insert(messages).values(body="{}", created_at=START))
        raise RuntimeError("wrong book-keeping")

    office.outbox.on_sent(hook)
    await office.outbox.start()
    number = await office.put("notice")
    await office.activity.idle()
    assert await office.states() == {number: "sent"}
    async with office.database.snapshot() as db:
        assert await db.scalar(select(func.count()).select_from(messages)) == 1


async def test_messages_to_one_person_keep_their_order_while_one_is_tried_again(office: Office) -> None:
    failing = True
    office.adapter.answers = lambda each: (
        Retry("Not now.") if failing and each.message.text == "first" else Sent(f"m{each.id}")
    )
    await office.outbox.start()
    await office.put("first", to="alice")
    await office.put("second", to="alice")
    await office.put("other", to="bob")
    await office.put("urgent", to="alice", priority=Priority.EMERGENCY)
    await office.activity.idle()
    assert office.adapter.texts == ["first", "other", "urgent"]
    failing = False
    await office.advance(timedelta(seconds=10))
    assert office.adapter.texts == ["first", "other", "urgent", "first", "second"]


async def test_a_message_for_later_holds_nobody_back(office: Office) -> None:
    await office.outbox.start()
    await office.put("tomorrow", to="alice", due_at=START + timedelta(days=1))
    await office.put("today", to="alice")
    await office.activity.idle()
    assert office.adapter.texts == ["today"]


async def test_one_address_gets_its_messages_one_after_the_other(office: Office) -> None:
    for number in range(10):
        await office.put(str(number), to="alice")
    office.adapter.gate = asyncio.Event()
    await office.outbox.start()
    await office.adapter.arrived.acquire()
    await _pass_by()
    assert office.adapter.texts == ["0"]
    office.adapter.gate.set()
    await office.activity.idle()
    assert office.adapter.texts == [str(number) for number in range(10)]


async def test_an_emergency_overtakes_notices_that_are_claimed_already(database: Database) -> None:
    office = Office(database, Post(rate=2.0, concurrency=1))
    for number in range(10):
        await office.put(f"notice {number}", priority=Priority.NOTICE)
    await office.outbox.start()
    await office.activity.idle()
    await office.put("emergency", priority=Priority.EMERGENCY)
    await office.activity.idle()
    await office.advance(timedelta(milliseconds=500))
    assert office.adapter.texts == ["notice 0", "emergency"]
    await office.advance(timedelta(seconds=10))
    assert len(office.adapter.texts) == 11
    await office.outbox.stop()


async def test_the_rate_of_a_platform_is_kept_by_even_spacing(database: Database) -> None:
    office = Office(database, Post(rate=2.0))
    moments: list[datetime] = []

    def answer(delivery: Delivery) -> Outcome:
        moments.append(office.clock.now())
        return Sent("m")

    office.adapter.answers = answer
    for number in range(5):
        await office.put(str(number))
    await office.outbox.start()
    await office.activity.idle()
    await office.advance(timedelta(seconds=10))
    assert moments == [START + number * timedelta(milliseconds=500) for number in range(5)]
    await office.outbox.stop()


async def test_no_more_calls_are_under_way_than_the_platform_bears(database: Database) -> None:
    office = Office(database, Post(concurrency=3))
    office.adapter.gate = asyncio.Event()
    for number in range(10):
        await office.put(str(number))
    await office.outbox.start()
    for _ in range(3):
        await office.adapter.arrived.acquire()
    await _pass_by()
    assert len(office.adapter.calls) == 3
    assert not office.activity.is_idle
    office.adapter.gate.set()
    await office.activity.idle()
    assert len(office.adapter.calls) == 10
    await office.outbox.stop()


async def test_a_multicast_carries_what_says_the_same(database: Database) -> None:
    office = Office(database, Post(batch_size=3, concurrency=1))
    async with database.transaction() as db:
        for number, text in ((1, "A"), (2, "B")):
            await db.execute(
                insert(messages).values(id=number, body=Message(text=text).model_dump_json(), created_at=START)
            )
        await db.execute(
            insert(deliveries),
            [
                {
                    "key": f"k{number}",
                    "message_id": 1 + number % 2,
                    "adapter": "post",
                    "kind": "person",
                    "address": f"u{number}",
                    "priority": 20,
                    "due_at": START,
                    "created_at": START,
                }
                for number in range(8)
            ],
        )
    await office.outbox.start()
    await office.activity.idle()
    assert [[each.key for each in call] for call in office.adapter.calls] == [
        ["k0", "k2", "k4"],
        ["k1", "k3", "k5"],
        ["k6"],
        ["k7"],
    ]
    await office.outbox.stop()


async def test_stopping_finishes_what_is_under_way_and_gives_back_the_rest(database: Database) -> None:
    office = Office(database, Post(concurrency=1))
    office.adapter.gate = asyncio.Event()
    first = await office.put("first")
    second = await office.put("second")
    await office.outbox.start()
    await office.adapter.arrived.acquire()
    await _pass_by()
    assert await office.states() == {first: "sending", second: "sending"}
    stopping = asyncio.create_task(office.outbox.stop())
    await _pass_by()
    assert not stopping.done()
    office.adapter.gate.set()
    await stopping
    assert await office.states() == {first: "sent", second: "queued"}
    assert office.activity.is_idle


async def test_an_adapter_that_raises_or_answers_too_little_is_tried_again(office: Office) -> None:
    def broken(delivery: Delivery) -> Outcome:
        raise RuntimeError("a mistake")

    office.adapter.answers = broken
    await office.outbox.start()
    number = await office.put("x")
    await office.activity.idle()

    async def send(batch: Sequence[Delivery]) -> Sequence[Outcome]:
        return []

    office.adapter.send = send  # type: ignore[method-assign]  # an adapter with a mistake
    await office.advance(timedelta(seconds=10))
    reasons = [attempt.reason for attempt in await office.outbox.attempts(number)]
    assert reasons == ["The adapter raised RuntimeError.", "The adapter did not answer for every delivery."]


async def test_a_database_that_fails_for_a_while_loses_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.outbox.start()
    await office.activity.idle()
    failing = True

    async def record(self: Store, db: AsyncConnection, results: Sequence[Result]) -> None:
        if failing:
            raise OSError("the disk is full")
        await recorded(self, db, results)

    recorded = Store.record
    monkeypatch.setattr(Store, "record", record)
    number = await office.put("x")
    await office.activity.idle()
    assert await office.states() == {number: "sending"}
    failing = False
    await office.advance(timedelta(seconds=2))
    assert await office.states() == {number: "sent"}
    assert len(office.adapter.sent) == 1


async def test_taking_back_is_a_delivery_too(office: Office) -> None:
    await office.outbox.start()
    number = await office.put("wrong", to="alice")
    await office.activity.idle()
    seen: list[SentDelivery] = []

    async def hook(db: AsyncConnection, sent: Sequence[SentDelivery]) -> None:
        seen.extend(sent)

    office.outbox.on_sent(hook)
    async with office.database.transaction() as db:
        await db.execute(
            insert(deliveries).values(
                key="delete:k1",
                message_id=1,
                adapter="post",
                kind="person",
                address="alice",
                action="delete",
                priority=0,
                due_at=START,
                platform_id=f"m{number}",
                created_at=START,
            )
        )
        office.outbox.ring_after_commit(db)
    await office.activity.idle()
    assert (office.adapter.sent[-1].action, office.adapter.sent[-1].message_id) == ("delete", f"m{number}")
    assert set((await office.states()).values()) == {"sent"}
    assert seen == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(list(Priority)), st.integers(0, 3), st.sampled_from(["a", "b", "c"])), max_size=30
    )
)
async def test_the_order_is_by_priority_then_moment_then_arrival(
    tmp_path: Path, wishes: list[tuple[Priority, int, str]]
) -> None:
    async with fresh_database(tmp_path) as database:
        store = Store("post", is_sqlite=True)
        office = Office(database, Post())
        for number, (priority, minutes, to) in enumerate(wishes):
            moment = START - timedelta(minutes=minutes)
            await office.put(str(number), to=to, priority=priority, due_at=moment)
        async with database.transaction() as db:
            claimed = await store.claim(db, 100, START, START + timedelta(minutes=1))
        assert [each.rank for each in claimed] == sorted(each.rank for each in claimed)
        first: dict[tuple[Priority, str], int] = {}
        for number, (priority, _, to) in enumerate(wishes):
            first.setdefault((priority, to), number)
        assert sorted(int(each.delivery.message.text) for each in claimed) == sorted(first.values())


async def _pass_by() -> None:
    """Let the loop go round, without any time on the clock."""
    for _ in range(50):
        await asyncio.sleep(0)
