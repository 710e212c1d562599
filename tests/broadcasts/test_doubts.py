"""What one forgets at two in the morning: a kind or an audience that is not written as one is asked about."""

from __future__ import annotations

import pytest

from bot.testing.platform import SentMessage
from tests.broadcasts.test_approval import chat, notices
from tests.broadcasts.test_typed_choices import NO_APPROVAL


def labels(message: SentMessage) -> list[str]:
    return [button.label for button in message.buttons]


@pytest.mark.parametrize(
    "words",
    [
        "緊急大雨です",
        " 至急 大雨です",
        " きんきゅう 大雨です",
        " ｷﾝｷｭｳ 大雨です",
        " キンキュウ：大雨です",
        " 緊急：大雨です",
        " 【緊急】大雨です",
        " 【緊急】\n大雨です",
        " 《至急》 大雨です",
        " ＜緊急＞大雨です",
        " ★緊急★ 大雨です",
        " 大至急！大雨です",
        " 緊急連絡 大雨です",
        " URGENT 大雨です",
    ],
)
async def test_what_looks_like_an_emergency_is_asked_about_and_sent_as_one(words: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        asked = await harness.say("hq", f"/一斉{words}")
        assert labels(asked)[:2] == ["緊急として送る", "訓練として送る"]
        preview = await harness.say("hq", "1")
        assert "種類：緊急" in preview.text
        assert "大雨です" in preview.text
        await harness.say("hq", "送信する")
        assert {message.text.splitlines()[0] for message in notices(harness)} == {"【緊急】"}


@pytest.mark.parametrize(
    "words", [" くんれん 避難", " 訓練です 避難", "訓練：避難", " 【訓練】避難", " ｸﾝﾚﾝ 避難", " drill: 避難"]
)
async def test_what_looks_like_a_drill_is_asked_about_and_sent_as_one(words: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        asked = await harness.say("hq", f"/一斉{words}")
        assert labels(asked)[0] == "訓練として送る"
        assert "種類：訓練" in (await harness.say("hq", "訓練として送る")).text


async def test_an_emergency_that_says_it_is_a_drill_is_asked_about() -> None:
    async with chat(NO_APPROVAL) as harness:
        asked = await harness.say("hq", "/一斉 緊急 訓練です。避難してください。")
        assert labels(asked) == ["訓練として送る", "緊急として送る", "緊急のまま送る（本文の言葉）", "やめる"]


async def test_a_word_of_the_text_stays_one_when_they_say_so() -> None:
    async with chat(NO_APPROVAL) as harness:
        for choice in ("3", "お知らせとして送る"):
            await harness.say("hq", "/一斉 緊急車両が通ります。")
            preview = await harness.say("hq", choice)
            assert "種類：お知らせ" in preview.text
            assert "緊急車両が通ります。" in preview.text


@pytest.mark.parametrize(
    ("words", "only"),
    [
        (" 税務課 窓口を閉めます", "@税務課 だけに送る"),
        ("税務課 窓口を閉めます", "@税務課 だけに送る"),
        (" 税務課へ 窓口を閉めます", "@税務課 だけに送る"),
        (" 税務課へ、窓口を閉めます", "@税務課 だけに送る"),
        (" 税務課：窓口を閉めます", "@税務課 だけに送る"),
        (" 税務課の皆さん 窓口を閉めます", "@税務課 だけに送る"),
        (" 税務課各位\n窓口を閉めます", "@税務課 だけに送る"),
        (" 税務課・土木課 窓口を閉めます", "@税務課、@土木課 だけに送る"),
        (" 税務課以外 窓口を閉めます", "@税務課 を除いて送る"),
        (" -税務課 窓口を閉めます", "@税務課 を除いて送る"),
        (" 職員tax 窓口を閉めます", "@職員tax だけに送る"),
        (" 窓口を閉めます @税務課", "@税務課 だけに送る"),
        (" 税務科へ 窓口を閉めます", "@税務課 だけに送る"),
    ],
)
async def test_what_looks_like_an_audience_is_asked_about(words: str, only: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        asked = await harness.say("hq", f"/一斉{words}")
        assert only in labels(asked)
        assert "全職員に送る（本文の言葉）" in labels(asked)
        preview = await harness.press("hq", asked, only)
        assert "窓口を閉めます" in preview[-1].text
        assert "宛先：8人" not in preview[-1].text
        assert not notices(harness)


@pytest.mark.parametrize(
    "words",
    [
        "明日の会議は10時からです。",
        "会議室の変更について",
        "本日18時に本庁舎を閉めます。",
        "全職員 健康診断を受けてください。",
        "2026 年度の予算について",
        "お知らせ 緊急点検のため停電します。",
        "窓口を閉めます。税務課は1階です。",
    ],
)
async def test_ordinary_texts_are_previewed_at_once(words: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        assert "送信する" in labels(await harness.say("hq", f"/一斉 {words}"))


async def test_kind_and_audience_are_asked_one_after_the_other_and_a_schedule_keeps_its_time() -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", "/予約 明日9時 至急 税務課 点検です")
        await harness.say("hq", "緊急として送る")
        preview = await harness.say("hq", "@税務課 だけに送る")
        assert "種類：緊急" in preview.text
        assert "送る日時：" in preview.text
        assert "予約する" in labels(preview)


async def test_an_old_question_is_over_when_a_new_one_was_asked() -> None:
    async with chat(NO_APPROVAL) as harness:
        old = await harness.say("hq", "/一斉 至急 大雨です")
        await harness.say("hq", "/一斉 至急 大雪です")
        assert "もう終わっています" in (await harness.press("hq", old, "緊急として送る"))[-1].text
        assert "取りやめました" in (await harness.say("hq", "やめる")).text
        assert not notices(harness)
