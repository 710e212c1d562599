"""What people type in a hurry, by accident or out of curiosity: every command answers with a sentence that fits."""

from __future__ import annotations

import pytest

from bot.events import ButtonPressed
from bot.testing import Harness
from tests.broadcasts.test_chat import chat

BEYOND = "99999999999999999999"


async def answers_to_button(harness: Harness, data: str) -> list[str]:
    before = len(harness.sent)
    await harness.receive(
        ButtonPressed(
            adapter="fake",
            key=data[:60],
            conversation="hq",
            direct=True,
            occurred_at=harness.clock.now(),
            sender="hq",
            message_id="m1",
            data=data,
        )
    )
    return [message.text for message in harness.sent[before:]]


@pytest.mark.parametrize("command", ["既読", "取消", "宛先", "安否", "参集", "回答", "予約 取消"])
async def test_a_number_beyond_all_tables_is_the_number_of_nothing(command: str) -> None:
    async with chat() as harness:
        for number in ("12345678901", BEYOND, "９" * 20, "9" * 4_900):
            seen = await harness.say("hq", f"/{command} {number}")
            assert "ありません" in seen.text, number[:20]
        assert await harness.inbox.failed() == []


BUTTONS = [
    *(
        "broadcast:confirm:{}:x",
        "broadcast:alone:{}:x",
        "broadcast:cancel:{}",
        "broadcast:restore:{}",
        "broadcast:read:{}",
        "answer:{}:1",
    ),
    *("broadcast:confirm:{}:x:1", "broadcast:alone:1:x:{}", "files:choose:{}", "files:out:{}", "files:out:{}:x"),
    *("files:correction:own:{}", "files:correction:kept:{}", "broadcast:restore:{}"),
    *("recall:recall:{}", "recall:correct:{}", "recall:keep:{}", "recall:names:{}", "audience:names:{}"),
    *("approval:approve:{}:x", "approval:return:{}", "approval:review:{}", "approval:reason:{}:wording"),
]


@pytest.mark.parametrize("data", BUTTONS)
async def test_a_button_with_a_number_beyond_all_tables_breaks_nothing(data: str) -> None:
    async with chat() as harness:
        for number in ("9223372036854775808", BEYOND, "9" * 4_900):
            answers = await answers_to_button(harness, data.format(number))
            assert answers or data.startswith("broadcast:read")
            assert all(0 < len(answer) < 1_000 for answer in answers)
        assert await harness.inbox.failed() == []


WORDS = [
    *("", " \u3000\n", "0", "-1", "１", "①", "²", "٣", "\u200f1", "\u202e1", "\ufeff", "😀", "\0", "{0}", "{id}", "%s"),
    *(
        "@",
        "@@",
        "-@",
        "@総務課",
        "@ない課 本文",
        "1 本文",
        "1 1",
        "1 未読",
        "取消",
        "一覧",
        "追加",
        "追加 a\0b @職員a",
    ),
    *("あ" * 4_900, "@" + "あ" * 4_900, "9" * 4_900, "1 " + "あ" * 4_900, "追加 " + "あ" * 4_900, "未読 " * 900),
    *("毎月99999999999日 09:00 本文", "0001-01-01 00:00 本文", "9999-12-31 23:59 本文", "毎日 25:00 本文"),
    *("選択（／） 本文", "選択（a／a） 本文", "参集 第9配備 本文", "第2配備"),
]
COMMANDS = ["一斉", "既読", "予約", "訂正", "取消", "宛先", "グループ", "安否", "参集", "回答", "ない", "あ" * 4_900]


@pytest.mark.parametrize("command", COMMANDS)
async def test_every_command_answers_whatever_follows_it_with_a_sentence_that_a_platform_takes(command: str) -> None:
    async with chat() as harness:
        for words in WORDS:
            for answer in await harness.post("hq", f"/{command} {words}") or pytest.fail(f"Silence: {words[:40]!r}"):
                assert 0 < len(answer.text) <= 5_000, words[:40]
        assert await harness.inbox.failed() == []
