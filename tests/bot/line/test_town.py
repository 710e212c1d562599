"""Notices, answers and acknowledgements through the whole house, on LINE."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from bot.tables import deliveries
from tests.bot.line.town import Town, town

STAFF = ["花子", *(f"職員{number}" for number in range(349))]


async def announce(town: Town, text: str = "/一斉 庁舎が停電します。") -> None:
    """The headquarters send a notice to everybody."""
    await town.say("花子", text)
    await town.press("花子", "送信する")


def notices(town: Town, name: str) -> list[str]:
    """The notices on somebody's screen, without what the sender was shown of them beforehand."""
    return [
        seen.text
        for seen in town.line.seen(town.people[name])
        if "庁舎が停電します" in seen.text and seen.by != "reply"
    ]


async def test_350_members_get_a_notice_by_one_call_and_pressing_its_button_is_reading_it(tmp_path: Path) -> None:
    async with town(tmp_path, STAFF) as here:
        await announce(here)
        assert here.calls().count("multicast") == 1
        assert {len(notices(here, name)) for name in STAFF} == {1}
        assert "既読 0／350人" in (await here.say("花子", "/既読"))[0]
        for name in STAFF[1:4]:
            assert await here.press(name, "読みました")
        await here.press(STAFF[1], "読みました")  # a second time, from the history
        assert "既読 3／350人" in (await here.say("花子", "/既読"))[0]


async def test_answers_go_by_reply_token_and_are_free(tmp_path: Path) -> None:
    async with town(tmp_path, STAFF[:2]) as here:
        assert await here.say("花子", "/既読")
        assert here.calls() == ["reply"]
        assert here.line.used == 0


async def test_a_webhook_that_comes_again_is_answered_once(tmp_path: Path) -> None:
    async with town(tmp_path, STAFF[:2]) as here:
        assert len(await here.say("花子", "/既読")) == 1
        assert await here.line.redeliver() == 200
        await here.idle()
        assert here.calls() == ["reply"]


async def test_while_another_service_has_the_word_the_bot_keeps_silent(tmp_path: Path) -> None:
    async with town(tmp_path, STAFF[:2]) as here:
        message = {"id": "m1", "type": "text", "text": "/既読"}
        event = here.line.event("message", here.people["花子"], answerable=True, message=message)
        assert await here.line.post({**event, "mode": "standby"}) == 200
        await here.idle()
        assert here.line.texts() == []
        assert await here.house.bot.inbox.failed(10) == []  # it is no failure, however busy such a chat is
        assert b'kairanban_events_total{adapter="line",outcome="ignored",type="unused"} 1.0' in (
            here.house.bot.metrics.text()
        )


async def test_a_connection_check_is_answered_and_leaves_nothing(tmp_path: Path) -> None:
    async with town(tmp_path, STAFF[:2]) as here:
        assert await here.line.post() == 200
        assert await here.house.bot.inbox.failed(10) == []


async def test_a_notice_whose_answer_was_lost_is_sent_again_and_seen_once(tmp_path: Path) -> None:
    async with town(tmp_path, STAFF[:20]) as here:
        await here.say("花子", "/一斉 庁舎が停電します。")
        here.line.behave("acted", times=4)  # done, and cut off before the answer
        await here.press("花子", "送信する")
        await here.advance(timedelta(minutes=1))
        assert here.calls().count("multicast") > 1
        assert here.calls().count("reply") > 2
        assert {len(notices(here, name)) for name in STAFF[:20]} == {1}
        assert len([seen for seen in here.line.seen(here.people["花子"]) if "送信を始めました" in seen.text]) == 1
        async with here.house.database.snapshot() as db:
            assert set(await db.scalars(select(deliveries.c.state))) == {"sent"}
