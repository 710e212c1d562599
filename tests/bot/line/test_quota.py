"""The month's messages as LINE counts them: what others have used, what was counted less, what is left on the night."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from bot.adapter import Delivery, Outcome, Rejected, Retry, Sent
from bot.adapters.line import Line
from bot.clock import ManualClock
from bot.messages import Address, Message, Priority
from bot.testing.fakes import FakeLine
from tests.bot.line.support import delivery
from tests.bot.line.town import town

STALE = orjson.loads((Path(__file__).parent.parent / "cases" / "line_quota_stale.json").read_bytes())
URGENT = Priority.EMERGENCY


def call(
    people: Sequence[str], number: int = 0, *, uncertain: bool = False, priority: Priority = URGENT
) -> list[Delivery]:
    shared = f"call-{number}"
    return [
        delivery(each, number=number * 1_000 + n, shared_call=shared, uncertain=uncertain, priority=priority)
        for n, each in enumerate(people)
    ]


def sent(outcomes: Sequence[Outcome]) -> int:
    return sum(isinstance(outcome, Sent) for outcome in outcomes)


def reached(line: FakeLine, people: Sequence[str]) -> int:
    return sum(bool(line.seen(each)) for each in people)


@pytest.mark.parametrize("reserve", [0, 20])
async def test_with_300_left_and_350_asked_300_get_the_emergency_although_the_count_was_stale(
    line: FakeLine, clock: ManualClock, reserve: int
) -> None:
    line.quota, line.used = STALE["quota"], STALE["consumption_when_read"]
    people = [line.person(f"p{number}") for number in range(STALE["multicast_to"])]
    adapter = Line(
        line.channel_access_token, line.channel_secret, base_url=line.url, clock=clock, reserve_percent=reserve
    )
    await adapter.open()
    try:
        await adapter.send([delivery(people[0], number=9_999)])  # the count is read
        line.used = STALE["consumption_when_sent"]
        outcomes = await adapter.send(call(people))
    finally:
        await adapter.close()
    assert sent(outcomes) == 300
    assert line.used == 1_000
    left_out = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
    assert len(left_out) == 50
    assert not any(outcome.gone for outcome in left_out), "they are there; the month is over"


@pytest.mark.parametrize("trouble", ["acted", "acted_broken", "gibberish", "cut", "broken"])
async def test_a_call_to_fewer_whose_answer_is_lost_reaches_them_once_and_nobody_else_counts_as_reached(
    line: FakeLine, adapter: Line, trouble: str
) -> None:
    line.quota = 10
    people = [line.person(f"p{number}") for number in range(8)]
    await adapter.send([delivery(people[0], number=9_999)])
    line.used = 5

    def after(path: str) -> None:
        if path == "message/quota/consumption":
            line.behave(trouble, times=1)  # type: ignore[arg-type]  # one of the behaviours

    line.on_call = after
    outcomes = await adapter.send(call(people))
    line.on_call = lambda path: None
    assert [type(outcome) for outcome in outcomes] == [Retry] * 5 + [Rejected] * 3
    again = await adapter.send(call(people[:5], uncertain=True))
    assert sent(again) == 5
    assert [len(line.seen(each)) for each in people[1:]] == [1] * 4 + [0] * 3


async def test_a_bot_that_died_after_a_call_to_fewer_takes_nobody_who_was_left_out_for_reached(
    line: FakeLine, adapter: Line
) -> None:
    line.quota, line.used = 10, 5
    people = [line.person(f"p{number}") for number in range(8)]
    assert sent(await adapter.send(call(people))) == 5
    outcomes = await adapter.send(call(people, uncertain=True))  # nobody has written down what came of it
    assert not any(isinstance(outcome, Sent) for outcome in outcomes[5:])
    assert reached(line, people) == 5


async def test_what_line_counts_less_than_was_sent_is_not_lost(
    line: FakeLine, adapter: Line, clock: ManualClock
) -> None:
    line.quota = 100
    people = [line.person(f"p{number}") for number in range(60)]
    assert sent(await adapter.send(call(people, priority=Priority.NOTICE))) == 60
    line.used = 20  # 40 have blocked the account, and LINE counts only who is reached
    assert sent(await adapter.send(call(people, 1))) == 60, "an emergency takes LINE at its word at once"
    line.used = 20
    clock.advance(timedelta(minutes=2))
    assert sent(await adapter.send(call(people, 2, priority=Priority.NOTICE))) == 60


async def test_notices_wait_a_minute_before_they_believe_a_count_below_what_was_sent(
    line: FakeLine, adapter: Line, clock: ManualClock
) -> None:
    line.quota = 100
    people = [line.person(f"p{number}") for number in range(60)]
    await adapter.send(call(people, priority=Priority.NOTICE))
    line.used = 0  # LINE's count comes late
    assert sent(await adapter.send(call(people, 1, priority=Priority.NOTICE))) == 20
    clock.advance(timedelta(minutes=2))
    line.used = 80
    assert sent(await adapter.send(call(people, 2, priority=Priority.NOTICE))) == 0


async def test_a_plan_that_was_raised_counts_with_the_next_message(
    line: FakeLine, adapter: Line, clock: ManualClock
) -> None:
    line.quota = line.used = 10
    alice = line.person("alice")
    assert sent(await adapter.send([delivery(alice, priority=URGENT)])) == 0
    line.quota = 20
    clock.advance(timedelta(seconds=1))
    assert sent(await adapter.send([delivery(alice, number=2, priority=URGENT)])) == 1


async def test_a_single_message_that_is_refused_goes_out_if_line_says_that_there_is_room(
    line: FakeLine, adapter: Line
) -> None:
    line.quota = 10
    alice = line.person("alice")
    await adapter.send([delivery(alice)])
    line.used = 10

    def raise_the_plan(path: str) -> None:
        if path == "message/push":
            line.quota = 30

    line.on_call = raise_the_plan
    assert sent(await adapter.send([delivery(alice, number=2, priority=URGENT)])) == 1


async def test_a_count_that_promises_more_than_line_gives_costs_a_few_calls_and_still_reaches_many(
    line: FakeLine, adapter: Line
) -> None:
    line.quota, line.used = 1_000, 0
    people = [line.person(f"p{number}") for number in range(350)]
    await adapter.send([delivery(people[0], number=9_999)])

    def others_use_it(path: str) -> None:
        if path == "message/quota/consumption":
            line.used = 800  # after it has said 0

    line.on_call = others_use_it
    line.used = 800
    outcomes = await adapter.send(call(people))
    assert sent(outcomes) == 200
    assert len([each for each in line.calls if each.path == "message/multicast"]) <= 4


async def test_a_month_that_is_used_up_is_told_once_and_by_other_ways_than_line(tmp_path: Path) -> None:
    async with town(tmp_path, ["花子", "太郎"]) as here:
        here.line.quota = here.line.used = 10
        for number in range(2):
            address = Address(adapter="line", kind="person", id=here.people["太郎"])
            async with here.house.database.transaction() as db:
                await here.house.bot.outbox.enqueue(
                    db, address, Message(text="点検"), key=f"n{number}", priority=Priority.NOTICE
                )
            await here.idle()
        assert list(here.house.alarms.standing) == ["quota_used_up line"]
        trouble = here.house.alarms._troubles["quota_used_up", "line"]
        assert (trouble.avoiding, trouble.headquarters) == (frozenset({"line"}), True)
        assert trouble.values == {"used": 10, "limit": 10}
        here.line.quota = 100
        here.clock.advance(timedelta(minutes=11))
        async with here.house.database.transaction() as db:
            await here.house.bot.outbox.enqueue(
                db, address, Message(text="点検"), key="again", priority=Priority.NOTICE
            )
        await here.idle()
        assert list(here.house.alarms.standing) == []


# --------------------------------------------------------------------- 429


async def test_answers_that_meet_429_together_rest_the_platform_once(line: FakeLine, adapter: Line) -> None:
    people = [line.person(f"p{number}") for number in range(32)]
    line.behave("busy")

    async def wave(beginning: int) -> set[float]:
        tries = (adapter.send([delivery(each, number=beginning + n)]) for n, each in enumerate(people))
        outcomes = [outcome for [outcome] in await asyncio.gather(*tries)]
        assert all(isinstance(outcome, Retry) for outcome in outcomes)
        return {outcome.after.total_seconds() for outcome in outcomes if isinstance(outcome, Retry) and outcome.after}

    assert [await wave(0), await wave(100), await wave(200)] == [{2.0}, {4.0}, {8.0}]
    line.behave("well")
    assert sent(await adapter.send([delivery(people[0], number=900)])) == 1
    line.behave("busy")
    assert await wave(300) == {2.0}
