"""はい, 送信する, １ typed instead of pressed, in the dialogues of notices."""

from __future__ import annotations

import pytest

from broadcasts.approval import ApprovalPolicy
from tests.broadcasts.test_approval import ALL_KINDS, chat, notices

NO_APPROVAL = ApprovalPolicy(headquarters=frozenset(), others=frozenset())


@pytest.mark.parametrize("words", ["送信する", "送信", "送って", "はい", "１", "1", "OK"])
async def test_a_notice_is_sent_by_the_word_as_by_the_button(words: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", "/一斉 本日の会議は中止です。")
        await harness.say("hq", words)
        assert notices(harness)


@pytest.mark.parametrize("words", ["やめる", "いいえ", "2", "取消", "キャンセル"])
async def test_a_draft_is_left_by_the_word_and_brought_back(words: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", "/一斉 本日の会議は中止です。")
        assert "元に戻す" in [button.label for button in (await harness.say("hq", words)).buttons]
        assert not notices(harness)
        assert "送信する" in [button.label for button in (await harness.say("hq", "元に戻す")).buttons]


async def test_a_typed_yes_to_an_old_preview_has_the_checks_of_the_button() -> None:
    async with chat(NO_APPROVAL) as harness:
        await harness.say("hq", "/一斉 確かめるのは 090-1234-5678 です。")
        warned = await harness.say("hq", "はい")
        assert "このまま進める" in [button.label for button in warned.buttons]
        assert not notices(harness)
        await harness.say("hq", "はい")
        assert notices(harness)
        sent = len(notices(harness))
        await harness.say("hq", "このまま進める")
        assert len(notices(harness)) == sent, "sent once"


async def test_a_request_is_granted_in_words() -> None:
    async with chat(ALL_KINDS) as harness:
        await harness.say("tax", "/一斉 @税務課 窓口を閉めます。")
        assert "依頼しました" in (await harness.say("tax", "はい")).text
        await harness.say("boss", "承認します")
        assert notices(harness)


async def test_a_request_is_sent_back_in_words_and_its_reason_by_a_number() -> None:
    async with chat(ALL_KINDS) as harness:
        await harness.say("tax", "/一斉 @税務課 窓口を閉めます。")
        await harness.say("tax", "1")
        asked = await harness.say("boss", "いいえ")
        assert [button.data.split(":")[1] for button in asked.buttons] == ["reason", "reason", "reason", "keep"]
        assert "差し戻しました" in (await harness.say("boss", "１")).text
        reason = asked.buttons[0].label
        assert any(reason in message.text for message in harness.sent_to("tax")), "the button's words, not the figure"
        assert not notices(harness)
