"""What was sent, waits, is scheduled or lies forgotten; and the numbers that people type in their own way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.numbers import typed_number
from tests.broadcasts.test_approval import ALL_KINDS, chat
from tests.broadcasts.test_typed_choices import NO_APPROVAL


@pytest.mark.parametrize("word", ["2", "２", "#2", "＃２", "2番", "２番目", "No.2", "№2", "第2号", "番号2"])
def test_a_number_is_read_however_it_is_written(word: str) -> None:
    assert typed_number(word) == 2


@pytest.mark.parametrize("word", ["", "二", "2人", "2-3", "課2", "-2", "#"])
def test_what_is_no_number_is_none(word: str) -> None:
    assert typed_number(word) is None


@pytest.mark.parametrize("words", ["１", "1番", "#1", "No.1", " 1 番", "１番目"])
async def test_receipts_are_shown_for_a_number_in_any_spelling(words: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", "/一斉 本日の会議は中止です。")
        await harness.say("hq", "送信する")
        assert "既読 0／8人" in (await harness.say("hq", f"/既読　{words}")).text


@pytest.mark.parametrize("words", ["1 みどく", "1みどく", "1番未読", "１の未読", "#1 ミドク", "みどく 1"])
async def test_the_unread_are_named_in_any_spelling(words: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", "/一斉 本日の会議は中止です。")
        await harness.say("hq", "送信する")
        assert "まだ読んでいない人" in (await harness.say("hq", f"/既読 {words}")).text


async def test_the_list_says_where_each_notice_stands_and_what_comes_next() -> None:
    async with chat(ALL_KINDS) as harness:
        await harness.say("hq", "/一斉 お知らせ 送るもの")
        await harness.say("hq", "送信する")
        await harness.say("tax", "/一斉 @税務課 承認を待つもの")
        await harness.say("tax", "はい")
        await harness.say("hq", "/予約 明日9時 お知らせ 予約するもの")
        await harness.say("hq", "予約する")
        await harness.say("hq", "/一斉 お知らせ 下書きのもの")
        listed = (await harness.say("hq", "/一覧")).text
        assert "番号 4【お知らせ】下書き" in listed
        assert "番号 3【お知らせ】予約" in listed
        assert "番号 2【お知らせ】承認待ち" in listed
        assert "番号 1【お知らせ】2023-07-03 09:00 送信（職員hq）既読 0／8人" in listed
        assert "→ 確認して送るときは「/一覧 4」" in listed
        assert "送信する" in [button.label for button in (await harness.say("hq", "/一覧 4番")).buttons]
        assert "番号 4" not in (await harness.say("hq", "/既読 一覧")).text
        assert "番号 4" in (await harness.say("hq", "/一覧 下書き")).text
        own = (await harness.say("tax", "/一覧")).text
        assert "番号 2" in own
        assert "番号 1" not in own, "what others sent is not theirs to see"
        assert "番号 2【お知らせ】「承認を待つもの」" in (await harness.say("tax", "/承認")).text
        assert "番号" not in (await harness.say("b", "/一覧")).text


async def test_a_long_list_has_a_next_page() -> None:
    async with chat(NO_APPROVAL) as harness:
        for number in range(12):
            await harness.say("hq", f"/一斉 お知らせ {number}件目")
        first = await harness.say("hq", "/一覧")
        assert [button.label for button in first.buttons] == ["次の10件"]
        second = await harness.say("hq", "1")
        assert "番号 2【" in second.text
        assert not second.buttons


async def test_a_forgotten_draft_is_reminded_of_once() -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", "/一斉 お知らせ 書きかけ")
        await harness.say("hq", "/一斉 お知らせ 送るもの")
        await harness.say("hq", "送信する")
        await harness.advance(timedelta(hours=1, minutes=59))
        assert "下書きのまま" not in harness.sent_to("hq")[-1].text
        await harness.advance(timedelta(hours=30))
        told = [message.text for message in harness.sent_to("hq") if "下書きのまま" in message.text]
        assert len(told) == 1
        assert "番号 1" in told[0]
