"""The same text to the same people within ten minutes is asked about, whoever sends it and by whatever way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.broadcasts.test_approval import ALL_KINDS, chat, notices
from tests.broadcasts.test_typed_choices import NO_APPROVAL


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("緊急 避難してください。", "緊急 避難してください。"),
        ("緊急 避難してください。", "緊急　避難して ください"),
        ("緊急 18:00にﾎｰﾙへ", "緊急 １８：００にホールへ！"),
        ("緊急 @税務課 @土木課 避難", "緊急 @土木課 @税務課 避難"),
        ("緊急 避難してください", "緊急 @税務課 避難してください"),
    ],
)
async def test_a_colleague_who_sends_it_once_more_is_asked_and_may(first: str, second: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", f"/一斉 {first}")
        await harness.say("hq", "送信する")
        sent = len(notices(harness))
        harness.clock.advance(timedelta(minutes=9))
        await harness.say("hq", f"/一斉 {second}")
        asked = await harness.say("hq", "送信する")
        assert [button.label for button in asked.buttons] == ["それでも送る", "やめる"]
        assert "番号 1" in asked.text
        assert "職員hq" in asked.text
        assert len(notices(harness)) == sent
        assert "送信を始めました" in (await harness.say("hq", "それでも送る")).text
        assert len(notices(harness)) > sent


@pytest.mark.parametrize(
    ("first", "second", "minutes"),
    [
        ("緊急 避難してください", "緊急 避難してください", 11),
        ("避難してください", "緊急 避難してください", 1),
        ("@税務課 避難してください", "@土木課 避難してください", 1),
        ("@税務課 避難してください", "避難してください", 1),
        ("18時に集合", "19時に集合", 1),
    ],
)
async def test_what_is_no_repetition_goes_out(first: str, second: str, minutes: int) -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", f"/一斉 {first}")
        await harness.say("hq", "送信する")
        harness.clock.advance(timedelta(minutes=minutes))
        await harness.say("hq", f"/一斉 {second}")
        assert "送信を始めました" in (await harness.say("hq", "送信する")).text


async def test_what_was_recalled_may_be_sent_anew() -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", "/一斉 避難してください")
        await harness.say("hq", "送信する")
        await harness.say("hq", "/取消 1")
        await harness.say("hq", "取り消す")
        await harness.say("hq", "/一斉 避難してください")
        assert "送信を始めました" in (await harness.say("hq", "送信する")).text


async def test_a_request_and_its_approval_are_asked_about() -> None:
    async with chat(ALL_KINDS) as harness:
        for number in (1, 2):
            await harness.say("tax", "/一斉 @税務課 窓口を閉めます。")
            said = await harness.say("tax", "承認を依頼する")
            if number == 2:
                assert "承認を待っています" in said.text
                await harness.say("tax", "それでも送る")
        requests = [each for each in harness.sent_to("boss") if each.buttons]
        await harness.press("boss", requests[0], "承認する")
        sent = len(notices(harness))
        [asked] = await harness.press("boss", requests[1], "承認する")
        assert "番号 1" in asked.text
        assert len(notices(harness)) == sent
        assert "承認し" in (await harness.press("boss", asked, "それでも送る"))[0].text
        assert len(notices(harness)) > sent


async def test_a_schedule_that_says_the_same_is_asked_about_and_its_own_rounds_never() -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", "/予約 毎日 09:00 体温を測ってください。")
        assert "予約しました" in (await harness.say("hq", "予約する")).text
        await harness.say("hq", "/予約 明日9時5分 体温を測ってください。")
        asked = await harness.say("hq", "予約する")
        assert "予約になっています" in asked.text
        await harness.say("hq", "やめる")
        harness.clock.advance(timedelta(days=1))
        await harness.idle()
        assert notices(harness)


async def test_a_repetition_that_came_while_one_was_asked_about_something_else_is_told() -> None:
    async with chat(NO_APPROVAL) as harness:
        text = "/一斉 確かめるのは 090-1234-5678 です。"
        first = await harness.say("hq", text)
        second = await harness.say("hq", text)
        [warned] = await harness.press("hq", first, "送信する")
        [other] = await harness.press("hq", second, "送信する")
        await harness.press("hq", other, "このまま進める")
        [asked] = await harness.press("hq", warned, "このまま進める")
        assert "番号 2" in asked.text
        assert [button.label for button in asked.buttons] == ["それでも送る", "やめる"]
