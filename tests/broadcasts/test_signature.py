"""A notice carries its number, its time and who sends it, in every form in which it reaches people."""

from __future__ import annotations

import re
from datetime import time, timedelta

import pytest

from broadcasts.quiet import QuietHours
from broadcasts.signature import Signature
from tests.broadcasts.test_approval import chat, notices
from tests.broadcasts.test_typed_choices import NO_APPROVAL

OURS = Signature("梓市災害対策本部")


async def test_preview_notice_reminder_and_correction_are_signed() -> None:
    async with chat(NO_APPROVAL, signature=OURS) as harness:
        preview = await harness.say("hq", "/一斉 緊急 避難してください。")
        line = "梓市災害対策本部（番号1、7月3日 9:00）"
        assert line in preview.text
        await harness.say("hq", "送信する")
        assert {each.text for each in notices(harness)} == {f"【緊急】\n避難してください。\n\n{line}"}
        harness.clock.advance(timedelta(minutes=15))
        await harness.idle()
        again = [each for each in harness.sent if (each.reference or "").startswith("reminder:")]
        assert again, "a round of reminders"
        assert all(each.text.endswith(line) for each in again)
        await harness.say("hq", "/訂正 1 高台へ避難してください。")
        await harness.say("hq", "送信する")
        corrected = [each for each in harness.sent if (each.reference or "").startswith("correction:")]
        assert corrected
        assert all("（番号1、7月3日 9:15）" in each.text for each in corrected)


async def test_a_question_stands_below_the_line() -> None:
    async with chat(NO_APPROVAL, signature=OURS) as harness:
        await harness.say("hq", "/一斉 緊急 安否 地震です。")
        await harness.say("hq", "送信する")
        text = notices(harness)[0].text
        assert text.index("地震です。") < text.index("（番号1、") < text.rindex("\n\n")


async def test_without_a_name_number_and_time_stand_alone_and_quiet_hours_count() -> None:
    async with chat(NO_APPROVAL, QuietHours(time(8), time(12)), signature=Signature()) as harness:
        preview = await harness.say("hq", "/一斉 会議は中止です。")
        assert "\n（番号1、7月3日 12:00）" in preview.text


@pytest.mark.parametrize("signature", [None, OURS])
async def test_the_longest_text_leaves_room_for_the_line(signature: Signature | None) -> None:
    async with chat(NO_APPROVAL, signature=signature) as harness:
        limit = harness.platform.capabilities.text_length
        refused = await harness.say("hq", f"/一斉 {'い' * 2 * limit}")
        found = re.search("あと ([0-9]+)文字", refused.text)
        assert found is not None
        await harness.say("hq", f"/一斉 {'い' * (2 * limit - int(found[1]))}")
        await harness.say("hq", "送信する")
        harness.clock.advance(timedelta(minutes=15))
        await harness.idle()
        assert notices(harness)
        assert max(len(each.text) for each in harness.sent) <= limit
