"""What the bot sends reaches people on LINE once, whatever becomes of the line in between."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from bot.adapter import Delivery, Outcome, Rejected, Retry, Sent
from bot.adapters.line import Line
from bot.clock import ManualClock
from bot.errors import KairanbanError
from bot.messages import Button, Priority
from bot.testing.fakes import FakeLine
from tests.bot.line.support import BUTTONS, adapter_for, delivery, reply_token

UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def send(adapter: Line, *batch: Delivery) -> list[Outcome]:
    return list(await adapter.send(batch))


async def send_one(adapter: Line, one: Delivery) -> Outcome:
    [outcome] = await adapter.send([one])
    return outcome


def paths(line: FakeLine) -> list[str]:
    """The calls that send, without the questions about the month's messages."""
    return [call.path.removeprefix("message/") for call in line.calls if "quota" not in call.path]


# --------------------------------------------------------------------- push


async def test_a_message_to_one_is_a_push_with_a_retry_key(line: FakeLine, adapter: Line) -> None:
    alice = line.person("alice")
    outcome = await send_one(adapter, delivery(alice, "お知らせ", buttons=BUTTONS))
    assert isinstance(outcome, Sent)
    assert [seen.text for seen in line.seen(alice)] == ["お知らせ", ""]
    assert outcome.message_id == line.seen(alice)[0].id
    assert line.seen(alice)[1].buttons == (("確認しました", "broadcast:read:1"),)
    assert paths(line) == ["push"]
    assert UUID.fullmatch(line.calls[-1].retry_key or "")


async def test_a_group_gets_its_message_by_push(line: FakeLine, adapter: Line) -> None:
    alice, bob = line.person("alice"), line.person("bob")
    group = line.room("課", [alice, bob])
    outcomes = await send(
        adapter,
        delivery(group, kind="room", number=1, shared_call="key-1"),
        delivery(group, kind="room", number=2, shared_call="key-1"),
    )
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert [seen.chat for seen in line.seen(bob)] == [group, group]
    assert len({call.retry_key for call in line.calls if call.path == "message/push"}) == 2


@pytest.mark.parametrize("behaviour", ["acted", "acted_broken", "gibberish"])
async def test_a_push_whose_answer_was_lost_is_not_there_twice(line: FakeLine, adapter: Line, behaviour: str) -> None:
    alice = line.person("alice")
    line.behave(behaviour, times=1)  # type: ignore[arg-type]  # pytest hands out a plain str
    first = await send_one(adapter, delivery(alice))
    assert isinstance(first, Retry)
    assert first.uncertain
    second = await send_one(adapter, delivery(alice, attempt=2, uncertain=True))
    assert second == Sent(line.seen(alice)[0].id)
    assert len(line.seen(alice)) == 1
    assert line.calls[-1].status == 409


async def test_another_notice_under_an_old_key_is_another_notice(line: FakeLine, adapter: Line) -> None:
    alice = line.person("alice")
    await send_one(adapter, delivery(alice, "きのうの箱"))
    await send_one(adapter, delivery(alice, "きょうの箱"))  # somebody began again with an empty database
    assert [seen.text for seen in line.seen(alice)] == ["きのうの箱", "きょうの箱"]


async def test_a_line_that_is_closed_left_nothing_in_doubt(clock: ManualClock) -> None:
    async with FakeLine(clock) as line:
        adapter = adapter_for(line, clock)
        alice = line.person("alice")
    await adapter.open()
    outcome = await send_one(adapter, delivery(alice))
    await adapter.close()
    assert isinstance(outcome, Retry)
    assert not outcome.uncertain


async def test_nothing_is_sent_before_the_adapter_is_open(line: FakeLine, clock: ManualClock) -> None:
    with pytest.raises(KairanbanError, match="open"):
        await adapter_for(line, clock).send([delivery(line.person("alice"))])


# ------------------------------------------------------------------ answers


async def test_an_answer_goes_by_its_reply_token_and_without_a_retry_key(line: FakeLine, adapter: Line) -> None:
    alice = line.person("alice")
    outcome = await send_one(adapter, delivery(alice, reply_token=reply_token(line, alice)))
    assert outcome == Sent(line.seen(alice)[0].id)
    assert paths(line) == ["reply"]
    assert line.calls[-1].retry_key is None
    assert line.used == 0


async def test_an_answer_whose_token_is_too_old_is_pushed(line: FakeLine, adapter: Line, clock: ManualClock) -> None:
    alice = line.person("alice")
    token = reply_token(line, alice)
    clock.advance(timedelta(seconds=55))
    assert isinstance(await send_one(adapter, delivery(alice, reply_token=token)), Sent)
    assert paths(line) == ["push"]


async def test_an_answer_whose_token_line_does_not_know_is_pushed_at_once(line: FakeLine, adapter: Line) -> None:
    alice = line.person("alice")
    stamp = reply_token(line, alice).split(":")[0]
    assert isinstance(await send_one(adapter, delivery(alice, reply_token=f"{stamp}:another")), Sent)
    assert paths(line) == ["reply", "push"]
    assert len(line.seen(alice)) == 1


@pytest.mark.parametrize("behaviour", ["acted", "acted_broken"])
async def test_an_answer_that_may_have_arrived_is_asked_for_by_its_token(
    line: FakeLine, adapter: Line, clock: ManualClock, behaviour: str
) -> None:
    alice = line.person("alice")
    token = reply_token(line, alice)
    line.behave(behaviour, times=1)  # type: ignore[arg-type]  # pytest hands out a plain str
    first = await send_one(adapter, delivery(alice, reply_token=token))
    assert isinstance(first, Retry)
    assert first.uncertain
    clock.advance(timedelta(seconds=1))
    assert await send_one(adapter, delivery(alice, reply_token=token, attempt=2, uncertain=True)) == Sent()
    assert len(line.seen(alice)) == 1
    assert paths(line) == ["reply", "reply"]


@pytest.mark.parametrize("behaviour", ["cut", "broken", "silent"])
async def test_an_answer_that_did_not_arrive_goes_by_the_same_token(
    line: FakeLine, adapter: Line, behaviour: str
) -> None:
    alice = line.person("alice")
    token = reply_token(line, alice)
    line.behave(behaviour, times=1)  # type: ignore[arg-type]  # pytest hands out a plain str
    first = await send_one(adapter, delivery(alice, reply_token=token))
    assert isinstance(first, Retry)
    assert first.uncertain
    second = await send_one(adapter, delivery(alice, reply_token=token, attempt=2, uncertain=True))
    assert second == Sent(line.seen(alice)[0].id)
    assert len(line.seen(alice)) == 1


async def test_an_answer_of_which_nobody_can_tell_any_more_is_given_up_and_not_doubled(
    line: FakeLine, adapter: Line, clock: ManualClock
) -> None:
    alice = line.person("alice")
    token = reply_token(line, alice)
    line.behave("acted", times=1)
    assert isinstance(await send_one(adapter, delivery(alice, reply_token=token)), Retry)
    clock.advance(timedelta(minutes=2))
    outcome = await send_one(adapter, delivery(alice, reply_token=token, attempt=2, uncertain=True))
    assert isinstance(outcome, Rejected)
    assert "twice" in outcome.reason
    assert len(line.seen(alice)) == 1


async def test_a_push_lost_after_a_refused_token_is_tried_without_the_token(line: FakeLine, adapter: Line) -> None:
    alice = line.person("alice")
    stamp = reply_token(line, alice).split(":")[0]
    line.on_call = lambda path: line.behave("acted", times=1) if path == "message/reply" else None
    outcome = await send_one(adapter, delivery(alice, reply_token=f"{stamp}:another"))
    assert isinstance(outcome, Retry)
    assert outcome.plainly
    again = delivery(alice, attempt=2, uncertain=True, shared_call="key-1")
    assert isinstance(await send_one(adapter, again), Sent)
    assert len(line.seen(alice)) == 1


# ---------------------------------------------------------------- multicast


async def test_350_people_are_one_call(line: FakeLine, adapter: Line) -> None:
    people = [line.person(f"p{number}") for number in range(350)]
    outcomes = await send(
        adapter, *(delivery(each, number=number, shared_call="key-0") for number, each in enumerate(people))
    )
    assert all(isinstance(outcome, Sent) and outcome.message_id for outcome in outcomes)
    assert paths(line) == ["multicast"]
    assert {len(line.seen(each)) for each in people} == {1}


async def test_a_multicast_whose_answer_was_lost_reaches_nobody_twice(line: FakeLine, adapter: Line) -> None:
    people = [line.person(f"p{number}") for number in range(3)]
    together = [delivery(each, number=number, shared_call="key-0") for number, each in enumerate(people)]
    line.behave("acted", times=1)
    assert {type(outcome) for outcome in await send(adapter, *together)} == {Retry}
    fewer = await send(adapter, *together[:2])  # the third has been cancelled in between
    assert {type(outcome) for outcome in fewer} == {Sent}
    alone = await send(adapter, together[1])  # as the only one left, it still means the same call
    assert {type(outcome) for outcome in alone} == {Sent}
    assert [len(line.seen(each)) for each in people] == [1, 1, 1]
    assert len({call.retry_key for call in line.calls if "multicast" in call.path}) == 1


async def test_a_batch_without_a_name_has_a_key_of_all_its_keys(line: FakeLine, adapter: Line) -> None:
    people = [line.person(f"p{number}") for number in range(3)]
    together = [delivery(each, number=number) for number, each in enumerate(people)]
    for _ in range(2):
        assert {type(outcome) for outcome in await send(adapter, *together)} == {Sent}
    assert {len(line.seen(each)) for each in people} == {1}


async def test_an_id_that_is_none_holds_up_nobody_else(line: FakeLine, adapter: Line) -> None:
    alice = line.person("alice")
    good, bad, room = await send(
        adapter,
        delivery(alice, number=1, shared_call="key-1"),
        delivery("alice@example", number=2, shared_call="key-1"),
        delivery("C" + "1" * 32, number=3, shared_call="key-1"),
    )
    assert isinstance(good, Sent)
    assert isinstance(bad, Rejected)
    assert "alice@example" in bad.reason
    assert isinstance(room, Rejected)
    assert await send(adapter, delivery("nobody", shared_call="key-0")) == [
        Rejected("'nobody' is no id of a person on LINE.", gone=True)
    ]


async def test_after_a_refused_multicast_everybody_is_tried_alone(line: FakeLine, adapter: Line) -> None:
    people = [line.person("alice"), line.person("bob")]
    line.behave("refusing", times=1)
    outcomes = await send(adapter, *(delivery(each, number=n, shared_call="key-0") for n, each in enumerate(people)))
    assert all(isinstance(outcome, Retry) and outcome.plainly and not outcome.uncertain for outcome in outcomes)
    for number, each in enumerate(people):
        one = delivery(each, number=number, shared_call=f"key-{number}")
        assert isinstance(await send_one(adapter, one), Sent)
    assert paths(line) == ["multicast", "push", "push"]


# ------------------------------------------------------- refused beforehand


async def test_a_long_text_goes_in_pieces_cut_between_lines(line: FakeLine, adapter: Line) -> None:
    alice = line.person("alice")
    text = "\n".join(["😀" * 1_400] * 5)  # 2,800 units a line
    assert isinstance(await send_one(adapter, delivery(alice, text)), Sent)
    pieces = [seen.text for seen in line.seen(alice)]
    assert len(pieces) == 5
    assert "\n".join(pieces) == text


async def test_a_text_without_an_end_of_line_is_cut_where_it_must_and_loses_nothing(
    line: FakeLine, adapter: Line
) -> None:
    alice = line.person("alice")
    text = "あ" + "😀" * 7_000
    await send_one(adapter, delivery(alice, text))
    assert "".join(seen.text for seen in line.seen(alice)) == text
    assert len(line.seen(alice)) == 3


@pytest.mark.parametrize(
    ("text", "buttons", "word"),
    [
        ("あ" * 25_001, (), "25001 characters"),
        ("あ" * 20_001, BUTTONS, "20001 characters"),
        ("はい", tuple(Button(label=str(n), data=f"x:{n}") for n in range(14)), "13 at most"),
        ("はい", (Button(label="😀" * 21, data="x:1"),), "too long"),
        ("はい", (Button(label="はい", data="😀" * 151),), "too long"),
    ],
)
async def test_what_line_would_not_take_is_refused_before_it_is_sent(
    line: FakeLine, adapter: Line, text: str, buttons: tuple[Button, ...], word: str
) -> None:
    outcome = await send_one(adapter, delivery(line.person("alice"), text, buttons=buttons))
    assert isinstance(outcome, Rejected)
    assert word in outcome.reason
    assert line.calls == []


async def test_short_choices_hang_over_the_keyboard_too_and_long_ones_are_in_the_message_only(
    line: FakeLine, adapter: Line
) -> None:
    alice = line.person("alice")
    short = tuple(Button(label=f"選択肢{n}", data=f"x:{n}") for n in range(13))
    long = (Button(label="あ" * 40, data="x:1"), *short[1:])
    for number, buttons in enumerate((short, long)):
        assert isinstance(await send_one(adapter, delivery(alice, number=number, buttons=buttons)), Sent)
    first, second = line.seen(alice)[1], line.seen(alice)[3]
    assert len(first.buttons) == len(first.quick_replies) == 13
    assert len(second.buttons) == 13
    assert second.quick_replies == ()


async def test_what_was_sent_cannot_be_taken_back(line: FakeLine, adapter: Line) -> None:
    outcome = await send_one(adapter, delivery(line.person("alice"), action="delete", message_id="m1"))
    assert isinstance(outcome, Rejected)
    assert not adapter.capabilities.deletes


# ------------------------------------------------------------------ answers of LINE


async def test_a_busy_line_without_retry_after_gets_longer_and_longer_rests(line: FakeLine, adapter: Line) -> None:
    alice = line.person("alice")
    line.behave("busy", times=8)
    rests = []
    for number in range(8):
        outcome = await send_one(adapter, delivery(alice, number=number))
        assert isinstance(outcome, Retry)
        assert not outcome.uncertain
        rests.append(outcome.after)
    assert [rest.total_seconds() for rest in rests if rest] == [2, 4, 8, 16, 32, 60, 60, 60]
    assert isinstance(await send_one(adapter, delivery(alice)), Sent)
    line.behave("busy", times=1)
    outcome = await send_one(adapter, delivery(alice, number=9))
    assert isinstance(outcome, Retry)
    assert outcome.after == timedelta(seconds=2)


async def test_a_token_that_was_exchanged_is_waited_for(line: FakeLine, adapter: Line) -> None:
    line.channel_access_token = "another"
    outcome = await send_one(adapter, delivery(line.person("alice")))
    assert isinstance(outcome, Retry)
    assert "401" in outcome.reason
    assert not outcome.uncertain


async def test_a_stranger_is_refused_with_lines_own_words(line: FakeLine, adapter: Line) -> None:
    assert await send_one(adapter, delivery("U" + "9" * 32)) == Rejected(
        "LINE answered 400: Failed to send messages", gone=True
    )


# -------------------------------------------------------------------- quota


async def test_notices_stop_short_of_the_reserve_and_an_emergency_uses_it(line: FakeLine, adapter: Line) -> None:
    line.quota, line.used = 100, 78
    people = [line.person(f"p{number}") for number in range(5)]
    notice = await send(adapter, *(delivery(each, number=n, shared_call="key-0") for n, each in enumerate(people)))
    assert [type(outcome) for outcome in notice] == [Sent, Sent, Rejected, Rejected, Rejected]
    assert isinstance(notice[2], Rejected)
    assert "80 of 100" in notice[2].reason
    assert "20 are kept for emergencies" in notice[2].reason
    single = await send_one(adapter, delivery(people[0], number=10))
    assert isinstance(single, Rejected)
    urgent = [
        delivery(each, number=20 + n, shared_call="key-20", priority=Priority.EMERGENCY)
        for n, each in enumerate(people)
    ]
    assert {type(outcome) for outcome in await send(adapter, *urgent)} == {Sent}
    assert line.used == 85


async def test_an_answer_by_token_is_free_also_when_the_month_is_used_up(line: FakeLine, adapter: Line) -> None:
    line.quota = line.used = 10
    alice = line.person("alice")
    assert isinstance(await send_one(adapter, delivery(alice, reply_token=reply_token(line, alice))), Sent)


async def test_when_all_is_used_up_an_emergency_says_so_too(line: FakeLine, adapter: Line) -> None:
    line.quota, line.used = 10, 10
    urgent = delivery(line.person("alice"), priority=Priority.EMERGENCY)
    assert await send_one(adapter, urgent) == Rejected("LINE's messages of this month are used up: 10 of 10.")
    assert paths(line) == []


async def test_a_month_that_others_have_used_up_is_heard_from_line_and_asked_about_again_later(
    line: FakeLine, adapter: Line, clock: ManualClock
) -> None:
    line.quota = 10
    alice = line.person("alice")
    assert isinstance(await send_one(adapter, delivery(alice)), Sent)
    line.used = 10  # another program on the same account
    urgent = Priority.EMERGENCY
    outcome = await send_one(adapter, delivery(alice, number=2, priority=urgent))
    assert isinstance(outcome, Rejected)
    assert "monthly limit" in outcome.reason
    before = len(paths(line))
    assert isinstance(await send_one(adapter, delivery(alice, number=3, priority=urgent)), Rejected)
    assert len(paths(line)) == before
    clock.advance(timedelta(days=31))
    assert isinstance(await send_one(adapter, delivery(alice, number=4)), Sent)


async def test_the_months_messages_are_asked_about_every_ten_minutes_and_not_for_every_message(
    line: FakeLine, adapter: Line, clock: ManualClock
) -> None:
    line.quota = 1_000
    alice = line.person("alice")
    for number in range(5):
        await send_one(adapter, delivery(alice, number=number))
    clock.advance(timedelta(minutes=10))
    await send_one(adapter, delivery(alice, number=5))
    assert [call.path for call in line.calls].count("message/quota") == 2


async def test_a_line_that_does_not_tell_its_quota_gets_the_message_all_the_same(line: FakeLine, adapter: Line) -> None:
    line.tells_quota = False
    assert isinstance(await send_one(adapter, delivery(line.person("alice"))), Sent)


async def test_what_may_have_been_sent_is_tried_again_whatever_the_count_says(line: FakeLine, adapter: Line) -> None:
    line.quota = 2
    people = [line.person("alice"), line.person("bob")]
    together = [
        delivery(each, number=n, shared_call="key-0", priority=Priority.EMERGENCY) for n, each in enumerate(people)
    ]
    line.behave("acted", times=1)
    assert {type(outcome) for outcome in await send(adapter, *together)} == {Retry}
    again = [
        delivery(each, number=n, shared_call="key-0", priority=Priority.EMERGENCY, uncertain=True, attempt=2)
        for n, each in enumerate(people)
    ]
    assert {type(outcome) for outcome in await send(adapter, *again)} == {Sent}
