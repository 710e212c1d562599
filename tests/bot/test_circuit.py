"""A platform that fails is noticed soon, left alone but for probes, and used again at the first sign of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.activity import Activity
from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Retry, Sent
from bot.clock import TOKYO, ManualClock
from bot.messages import Address, Message, Priority
from bot.outbox import CircuitPolicy, Outbox, Standing
from bot.outbox.circuit import DOUBTFUL_PROBE, Circuit
from bot.storage import Database
from bot.tables import deliveries
from bot.testing import FakePlatform

START = datetime(2023, 10, 2, 9, tzinfo=TOKYO)
SECOND = timedelta(seconds=1)


# ------------------------------------------------------------------ the decision

outcomes = st.sampled_from([Sent("m"), Retry("cut"), Retry("wait", after=5 * SECOND), Rejected("blocked")])


@given(st.lists(st.tuples(st.lists(outcomes, min_size=1, max_size=3), st.integers(0, 30)), max_size=60))
def test_a_platform_is_down_only_without_a_success_for_a_while_and_works_at_the_first(
    calls: list[tuple[list[Outcome], int]],
) -> None:
    clock = ManualClock(START)
    circuit = Circuit(clock, CircuitPolicy())
    last_success = clock.now()
    failed = 0
    for answers, seconds in calls:
        started = clock.now()
        clock.advance(seconds * SECOND)
        circuit.note(answers, started)
        if any(isinstance(each, Sent) for each in answers):
            last_success, failed = clock.now(), 0
            assert circuit.standing == Standing()
        elif any(isinstance(each, Retry) and each.after is None for each in answers):
            failed += 1
        if circuit.standing.is_down:
            assert failed >= 3
            assert clock.now() - last_success >= timedelta(seconds=20)
        if circuit.probes:
            assert failed >= 3


def test_failures_that_lie_far_apart_are_no_row() -> None:
    clock = ManualClock(START)
    circuit = Circuit(clock, CircuitPolicy())
    for _ in range(3):
        circuit.note([Retry("cut")], clock.now())
        clock.advance(timedelta(minutes=2))
    assert circuit.standing.state == "working"


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"after": timedelta(0)}, {"probe": -SECOND}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="A circuit"):
        CircuitPolicy(**wrong)  # type: ignore[arg-type] # what is wrong is the point


# ------------------------------------------------------------------ the sender


@dataclass
class Office:
    """An outbox over one platform, and what it was told."""

    database: Database
    platform: FakePlatform
    clock: ManualClock
    activity: Activity
    outbox: Outbox
    told: list[tuple[timedelta, str]] = field(default_factory=list)
    tries: list[tuple[timedelta, str]] = field(default_factory=list)

    async def put(self, *names: str, **options: object) -> None:
        async with self.database.transaction() as db:
            for name in names:
                address = Address(adapter="fake", kind="person", id=name)
                await self.outbox.enqueue(db, address, Message(text="今日"), key=name, **options)  # type: ignore[arg-type] # as enqueue's own
        await self.activity.idle()

    async def advance(self, duration: timedelta) -> None:
        end = self.clock.now() + duration
        while (due := self.clock.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            await self.activity.idle()
        self.clock.advance_to(end)

    async def untouched(self) -> set[str]:
        """Whom nobody has tried to reach."""
        row = deliveries.c
        async with self.database.snapshot() as db:
            found = await db.scalars(
                select(row.address).where(row.state == "queued", row.attempts == 0, row.claimed_until.is_(None))
            )
            return set(found)

    def answer(self, how: Callable[[Delivery], Outcome | None]) -> None:
        def respond(delivery: Delivery) -> Outcome | None:
            self.tries.append((self.clock.now() - START, delivery.address.id))
            return how(delivery)

        self.platform.respond = respond

    def fail(self, reason: str = "The connection failed.") -> None:
        self.answer(lambda _: Retry(reason))

    def work(self) -> None:
        self.answer(lambda _: None)


@asynccontextmanager
async def office_on(database: Database, capabilities: Capabilities | None = None) -> AsyncIterator[Office]:
    clock = ManualClock(START)
    platform = FakePlatform(clock)
    if capabilities is not None:
        platform.capabilities = capabilities
    activity = Activity()
    outbox = Outbox(database, {"fake": platform}, clock, activity, poll=timedelta(hours=6))
    office = Office(database, platform, clock, activity, outbox)
    outbox.on_circuit(lambda name, standing: office.told.append((clock.now() - START, standing.state)))
    await outbox.start()
    try:
        yield office
    finally:
        platform.respond = None
        await outbox.stop()


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    async with office_on(database) as office:
        yield office


async def test_a_platform_that_fails_is_told_of_within_a_minute_even_with_one_message_to_send(office: Office) -> None:
    office.fail()
    await office.put("alice")
    await office.advance(timedelta(minutes=1))
    assert office.told[0][1] == "down"
    assert office.told[0][0] < timedelta(seconds=45)
    assert office.outbox.down == {"fake"}
    standing = office.outbox.standings["fake"]
    assert standing.since == START


async def test_a_blip_of_some_seconds_is_told_to_nobody(office: Office) -> None:
    people = [f"p{number}" for number in range(100)]
    office.fail()
    await office.put(*people)
    await office.advance(timedelta(seconds=8))
    office.work()
    await office.advance(timedelta(minutes=5))
    assert office.told == []
    assert sorted(sent.address.id for sent in office.platform.sent) == sorted(people)


async def test_few_messages_are_tried_while_a_platform_is_ill(database: Database) -> None:
    capabilities = Capabilities(idempotent=True, concurrency=4)
    async with office_on(database, capabilities) as office:
        people = [f"p{number}" for number in range(500)]
        office.fail()
        await office.put(*people)
        await office.advance(timedelta(minutes=1))
        touched = {name for _, name in office.tries}
        assert len(touched) < 40  # four at once, then one a second, then one in ten
        assert await office.untouched() == set(people) - touched


async def test_a_platform_that_is_down_is_probed_with_one_message_at_a_time(office: Office) -> None:
    office.fail()
    await office.put(*(f"p{number}" for number in range(50)))
    await office.advance(timedelta(minutes=1))
    office.tries.clear()
    await office.advance(timedelta(minutes=5))
    moments = [moment for moment, _ in office.tries]
    assert 25 <= len(moments) <= 31
    assert all(later - earlier >= 10 * SECOND for earlier, later in pairwise(moments))


async def test_every_failed_probe_is_told_for_it_may_have_left_something(office: Office) -> None:
    office.fail()
    await office.put(*(f"p{number}" for number in range(50)))
    await office.advance(timedelta(minutes=1))
    before = len(office.told)
    await office.advance(10 * SECOND)
    assert len(office.told) == before + 1
    standing = office.outbox.standings["fake"]
    assert standing.failed_at is not None
    assert standing.failed_at > START + timedelta(minutes=1)


async def test_the_first_probe_that_succeeds_lets_everything_go(office: Office) -> None:
    people = [f"p{number}" for number in range(50)]
    office.fail()
    await office.put(*people)
    await office.advance(timedelta(minutes=10))
    office.work()
    await office.advance(12 * SECOND)
    assert office.told[-1][1] == "working"
    assert office.outbox.down == frozenset()
    sent = [each.address.id for each in office.platform.sent]
    assert len(sent) == len(set(sent)) >= 30  # whoever was probed with waits for their own next try
    await office.advance(timedelta(minutes=10))
    assert sorted(each.address.id for each in office.platform.sent) == sorted(people)


async def test_what_is_new_is_the_next_probe_of_a_platform_that_came_back_unseen(office: Office) -> None:
    office.fail()
    await office.put("alice")
    await office.advance(timedelta(minutes=2))
    async with office.database.transaction() as db:
        await db.execute(deliveries.update().values(state="cancelled"))
    office.work()
    await office.advance(timedelta(hours=3))
    assert office.outbox.down == {"fake"}  # nobody has asked
    await office.put("bob", "carol")
    assert office.outbox.down == frozenset()
    assert {each.address.id for each in office.platform.sent} == {"bob", "carol"}


@pytest.mark.parametrize("answer", [Rejected("The bot is blocked."), Retry("busy", after=timedelta(seconds=5))])
async def test_a_platform_that_answers_is_not_down(office: Office, answer: Outcome) -> None:
    office.answer(lambda _: answer)
    await office.put(*(f"p{number}" for number in range(20)))
    await office.advance(timedelta(minutes=3))
    assert office.told == []


async def test_a_message_that_alone_fails_does_not_bring_a_platform_down(office: Office) -> None:
    office.answer(lambda delivery: Retry("500") if delivery.address.id == "broken" else None)
    await office.put("broken")
    for number in range(30):
        await office.put(f"p{number}")
        await office.advance(5 * SECOND)
    assert office.told == []


async def test_an_emergency_is_the_next_probe(office: Office) -> None:
    office.fail()
    await office.put(*(f"p{number}" for number in range(50)), priority=Priority.NOTICE)
    await office.advance(timedelta(minutes=1))
    office.tries.clear()
    await office.put("mayor", priority=Priority.EMERGENCY)
    await office.advance(11 * SECOND)
    assert office.tries[0][1] == "mayor"


async def test_calls_that_hang_are_counted_from_their_beginning(database: Database) -> None:
    clock, activity = ManualClock(START), Activity()
    told: list[timedelta] = []

    class Hanging(FakePlatform):
        async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
            answer = asyncio.get_running_loop().create_future()

            def time_out() -> None:
                activity.enter()
                answer.set_result(None)

            clock.call_at(clock.now() + 10 * SECOND, time_out)
            activity.leave()  # a call that hangs keeps nobody from moving the clock
            await answer
            return [Retry("No answer in time.", uncertain=True)] * len(batch)

    platform = Hanging(clock)
    outbox = Outbox(database, {"fake": platform}, clock, activity, poll=timedelta(hours=6))
    outbox.on_circuit(lambda name, standing: told.append(clock.now() - START))
    office = Office(database, platform, clock, activity, outbox)
    await outbox.start()
    await office.put("alice")
    await office.advance(timedelta(seconds=59))
    assert told
    assert timedelta(seconds=30) < told[0] < timedelta(seconds=40)
    stopping = asyncio.create_task(outbox.stop())
    await asyncio.sleep(0)
    clock.advance(10 * SECOND)  # the call under way is waited for
    await stopping


async def test_a_long_rest_that_a_platform_asked_for_holds_up_nothing_else(office: Office) -> None:
    """What came due in such a rest once made the sender turn in circles for ever."""
    office.answer(lambda _: Retry("busy", after=timedelta(hours=1)))
    await office.put("alice")
    await office.put("bob", due_at=START + timedelta(minutes=10))
    await asyncio.wait_for(office.advance(timedelta(minutes=30)), 10)
    office.work()
    await office.advance(timedelta(minutes=31))
    assert {each.address.id for each in office.platform.sent} == {"alice", "bob"}


def test_a_doubtful_platform_is_probed_at_once_then_every_second() -> None:
    clock = ManualClock(START)
    circuit = Circuit(clock, CircuitPolicy())
    for _ in range(3):
        circuit.note([Retry("cut")], clock.now())
    assert circuit.probes
    assert circuit.next_at is None
    circuit.begin()
    assert circuit.next_at == clock.now() + DOUBTFUL_PROBE
