"""To whom, as it was typed, stands beside the count: for the author, the approver and the reviewer."""

from __future__ import annotations

import pytest

from tests.broadcasts.test_approval import ALL_KINDS, chat
from tests.broadcasts.test_typed_choices import NO_APPROVAL


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("", "（全職員）"),
        ("@税務課", "3人（@税務課）"),
        ("＠税務課 ＠土木課", "5人（@税務課 @土木課）"),
        ("-@税務課", "（全職員 -@税務課）"),
        ("@職員b", "1人（@職員b）"),
        ("@承認者", "（@承認者）"),
        ("@税務課&承認者", "1人（@税務課&承認者）"),
    ],
)
async def test_the_preview_says_to_whom(typed: str, shown: str) -> None:
    async with chat(NO_APPROVAL) as harness:
        assert shown in (await harness.say("hq", f"/一斉 {typed} 本文です")).text


async def test_the_approver_and_the_reviewer_see_it_too() -> None:
    async with chat(ALL_KINDS) as harness:
        await harness.say("tax", "/一斉 @税務課 窓口を閉めます。")
        await harness.say("tax", "承認を依頼する")
        assert any("（@税務課）" in each.text for each in harness.sent_to("boss"))
        await harness.say("duty", "/一斉 緊急 @税務課 避難してください。")
        await harness.say("duty", "単独で送信する")
        assert any("単独で送信しました（宛先 3人：@税務課）" in each.text for each in harness.sent_to("boss"))
