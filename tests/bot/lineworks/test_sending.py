"""What goes out to LINE WORKS, and what comes of it when the line is bad."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapter import Delivery, Rejected, Retry, Sent
from bot.adapters import lineworks_wire as wire
from bot.adapters.lineworks import _outcome, _wait
from bot.clock import ManualClock
from bot.messages import Address, Button, Message
from bot.testing.fakes import FakeLineWorks
from bot.testing.fakes.lineworks import Fault
from bot.testing.fakes.lineworks_rules import FakeRoom, SendMessage
from tests.bot.lineworks.support import IMPATIENT, START, bot_at, delivery, opened, running, send

AGAIN = "【再送】"
YES_NO = (Button(label="はい", data="q:1:yes"), Button(label="いいえ", data="q:1:no"))


async def test_a_person_gets_a_text() -> None:
    async with running() as (works, bot):
        assert await send(bot, delivery("訓練です", to="sato@city.example", key="k7")) == Sent("k7")
        [message] = works.messages
        assert (message.kind, message.to, message.content) == (
            "users",
            "sato@city.example",
            {"type": "text", "text": "訓練です"},
        )


async def test_a_room_gets_its_answer() -> None:
    async with running() as (works, bot):
        works.rooms["c/1"] = FakeRoom("部屋", ["u1"])
        await send(bot, delivery("答え", to="c/1", room=True))
        assert [(message.kind, message.to) for message in works.messages] == [("channels", "c/1")]


async def test_buttons_stand_in_a_template_and_stay() -> None:
    async with running() as (works, bot):
        await send(bot, delivery("無事ですか", buttons=YES_NO))
        [message] = works.messages
        assert message.content == {
            "type": "button_template",
            "contentText": "無事ですか",
            "actions": [
                {"type": "message", "label": "はい", "postback": "q:1:yes"},
                {"type": "message", "label": "いいえ", "postback": "q:1:no"},
            ],
        }


async def test_buttons_under_a_long_text_are_quick_replies() -> None:
    async with running() as (works, bot):
        await send(bot, delivery("長" * 1_001, buttons=YES_NO))
        [message] = works.messages
        assert message.text == "長" * 1_001
        assert [item["action"]["data"] for item in message.content["quickReply"]["items"]] == ["q:1:yes", "q:1:no"]


def test_labels_that_are_too_long_are_numbered_and_stand_in_full_in_the_text() -> None:
    long = "避難所の開設を手伝います（夜間も可能です）"
    made = wire.content("どうしますか", [Button(label=long, data="a"), Button(label="いいえ", data="b")])
    assert made["contentText"] == f"どうしますか\n\n1. {long}\n2. いいえ"
    assert [action["label"] for action in made["actions"]] == ["1. 避難所の開設を手伝います（夜間も…", "2. いいえ"]


labels = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
buttons = st.lists(st.builds(Button, label=labels, data=st.text("abc:", min_size=1, max_size=300)), max_size=13)


@given(st.integers(1, wire.TEXT_LENGTH), buttons)
def test_whatever_fits_the_platform_takes_and_no_button_is_lost(length: int, buttons: list[Button]) -> None:
    made = wire.content("字" * length, buttons)
    SendMessage.model_validate({"content": made})
    items = made.get("quickReply", {}).get("items", [])
    data = [action["postback"] for action in made.get("actions", [])] + [item["action"]["data"] for item in items]
    assert data == [button.data for button in buttons]
    shown = made.get("text") or made.get("contentText", "")
    assert shown.startswith("字" * length)


@pytest.mark.parametrize(
    ("text", "count", "reason"),
    [("長" * 2_001, 0, "2000 characters"), ("短", 14, "13 buttons"), ("長" * 2_001, 1, "2000")],
)
async def test_what_cannot_fit_is_rejected_before_anything_is_sent(text: str, count: int, reason: str) -> None:
    async with running() as (works, bot):
        many = [Button(label=f"{number}", data="d") for number in range(count)]
        outcome = await send(bot, delivery(text, buttons=many))
        assert isinstance(outcome, Rejected)
        assert reason in outcome.reason
        assert works.answered == []


async def test_the_longest_text_has_room_for_the_mark_of_a_repetition() -> None:
    async with running() as (works, bot):
        longest = "長" * bot.capabilities.text_length
        assert isinstance(await send(bot, delivery(longest, uncertain=True)), Sent)
        assert works.texts()[0].startswith(AGAIN)


# ------------------------------------------------------------------ a bad line


@pytest.mark.parametrize(
    ("fault", "uncertain"), [("cut", True), ("act_then_cut", True), ("silent", True), ("broken", True), ("busy", False)]
)
async def test_a_failure_says_whether_the_message_may_have_arrived(fault: Fault, uncertain: bool) -> None:
    async with running(timeout=IMPATIENT) as (works, bot):
        works.faults.append(fault)
        outcome = await send(bot, delivery())
        assert isinstance(outcome, Retry)
        assert outcome.uncertain == uncertain
        assert len(works.messages) == (fault == "act_then_cut")


async def test_a_platform_that_cannot_be_reached_has_surely_got_nothing() -> None:
    async with FakeLineWorks(ManualClock(START)) as works:
        async with opened(works) as bot:
            await send(bot, delivery())  # so that there is a token
        away = bot_at(works, api="http://127.0.0.1:1/v1.0")
        await away.open()
        outcome = await send(away, delivery())
        await away.close()
    assert isinstance(outcome, Retry)
    assert not outcome.uncertain
    assert "cannot be reached" in outcome.reason


async def test_a_try_that_may_be_a_repetition_says_so() -> None:
    async with running() as (works, bot):
        await send(bot, delivery("避難してください", uncertain=True, buttons=YES_NO))
        [text] = works.texts()
        assert text.startswith(AGAIN)
        assert text.endswith("避難してください")


async def test_too_many_calls_wait_as_long_as_the_platform_says() -> None:
    async with running() as (works, bot):
        works.faults.append("busy")
        outcome = await send(bot, delivery())
        assert outcome == Retry(
            "LINE WORKS answered 429 TOO_MANY_REQUESTS: API rate limit exceeded.", after=timedelta(seconds=7)
        )


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("7", 7),
        ("0.5", 1),
        ("-3", 1),
        ("90", 60),
        ("1700000000", 60),
        ("soon", 60),
        ("nan", 60),
        ("inf", 60),
        (None, 60),
    ],
)
def test_a_wait_is_between_a_second_and_the_minute_of_the_limit(reset: str | None, seconds: int) -> None:
    assert _wait(reset) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("status", "kind"), [(400, Rejected), (403, Rejected), (404, Rejected), (302, Retry)])
async def test_what_the_platform_declines_for_good_is_rejected(status: int, kind: type) -> None:
    outcome = _outcome(status, b'{"code": "INVALID", "description": "No such user."}', None, acts=True)
    assert type(outcome) is kind
    assert outcome.reason == f"LINE WORKS answered {status} INVALID: No such user."
    assert _outcome(status, b"<html>", None, acts=True).reason == f"LINE WORKS answered {status}."


async def test_a_stranger_is_rejected_by_name_of_the_fault() -> None:
    async with running(users={"u1"}) as (_, bot):
        outcome = await send(bot, delivery(to="u2"))
        assert isinstance(outcome, Rejected)
        assert "404 NOT_FOUND" in outcome.reason
        assert outcome.gone


async def test_a_message_cannot_be_taken_back() -> None:
    async with running() as (works, bot):
        [outcome] = await bot.send(
            [Delivery(1, "k", Address(adapter="lineworks", kind="person", id="u1"), Message(text="x"), "delete", "m1")]
        )
        assert outcome == Rejected("LINE WORKS cannot take a bot's message back.")
        assert works.answered == []


# ---------------------------------------------------------------------- rooms


async def test_members_come_by_pages() -> None:
    async with running() as (works, bot):
        works.rooms["c1"] = FakeRoom("全員", [f"u{number}" for number in range(250)])
        assert await bot.room_members("c1") == works.rooms["c1"].members
        assert [operation for operation, _ in works.answered].count("list members") == 3


async def test_who_is_who_comes_from_the_external_keys_if_they_are_staff_numbers() -> None:
    async with FakeLineWorks(ManualClock(START)) as works:
        works.people = {f"u{number}": f"{number:04}" for number in range(150)} | {"guest": None}
        async with opened(works, staff_numbers=True) as bot:
            assert await bot.people() == {f"{number:04}": f"u{number}" for number in range(150)}
        async with opened(works) as bot:
            assert await bot.people() == {}
        operations = [operation for operation, _ in works.answered]
        assert operations.count("list users") == 2


async def test_a_notice_into_a_room_of_500_is_rejected_because_nobody_would_notice_it() -> None:
    async with running() as (works, bot):
        works.rooms["big"] = FakeRoom("全員", [f"u{number}" for number in range(500)])
        works.rooms["small"] = FakeRoom("総務課", [f"u{number}" for number in range(499)])
        outcome = await send(bot, delivery(to="big", room=True, reference="broadcast:1"))
        assert isinstance(outcome, Rejected)
        assert "500 members or more" in outcome.reason
        assert isinstance(await send(bot, delivery(to="small", room=True, reference="broadcast:1")), Sent)
        assert isinstance(await send(bot, delivery("答え", to="big", room=True)), Sent), "An answer needs no push."
        assert [(message.to, message.notified) for message in works.messages] == [("small", True), ("big", False)]


async def test_the_size_of_a_room_is_believed_for_a_while() -> None:
    clock = ManualClock(START)
    async with running(clock) as (works, bot):
        works.rooms["c1"] = FakeRoom("総務課", ["u1"])
        for _ in range(3):
            await send(bot, delivery(to="c1", room=True, reference="broadcast:1"))
        assert [operation for operation, _ in works.answered].count("list members") == 1
        works.rooms["c1"].members += [f"v{number}" for number in range(500)]
        clock.advance(timedelta(minutes=11))
        outcome = await send(bot, delivery(to="c1", room=True, reference="broadcast:2"))
        assert isinstance(outcome, Rejected)


async def test_a_room_whose_size_is_not_to_be_had_gets_the_notice_later() -> None:
    async with running(timeout=IMPATIENT) as (works, bot):
        works.rooms["c1"] = FakeRoom("総務課", ["u1"])
        works.faults.append("gibberish")
        outcome = await send(bot, delivery(to="c1", room=True, reference="broadcast:1"))
        assert isinstance(outcome, Retry)
        assert not outcome.uncertain, "Nothing was sent yet."
        works.faults.append("silent")
        outcome = await send(bot, delivery(to="c1", room=True, reference="broadcast:1"))
        assert isinstance(outcome, Retry)
        assert not outcome.uncertain, "It was the question for the members that had no answer."
