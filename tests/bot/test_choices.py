"""What is typed instead of pressed, through the whole pipeline."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot import Button, Context, Router
from bot.directory import Entry
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Message
from bot.testing import Harness
from broadcasts.telling import tell

ALICE = Entry("0001", "青木 花子", "総務課", addresses={"fake": "alice"})


def desk() -> Router:
    """Asks before it sends; everything else is a plain text that nobody has asked for."""
    router = Router()

    @router.command("送信")
    async def preview(ctx: Context[MessageReceived]) -> None:
        buttons = (
            Button(label="送信する", data=f"do:send {ctx.arguments}", means="yes"),
            Button(label="やめる", data=f"do:leave {ctx.arguments}", means="no"),
            Button(label="宛先の名前を見る", data=f"do:names {ctx.arguments}"),
        )
        await ctx.reply(f"番号 {ctx.arguments} を送りますか。", buttons)

    @router.command("取消")
    async def recall(ctx: Context[MessageReceived]) -> None:
        buttons = (
            Button(label="取り消す", data="do:recall", means="yes"),
            Button(label="取り消さない", data="do:keep", means="no"),
        )
        await ctx.reply("取り消しますか。", buttons)

    @router.command("水位")
    async def level(ctx: Context[MessageReceived]) -> None:
        buttons = [Button(label=f"レベル{number}", data=f"do:level {number}") for number in (3, 4, 5)]
        await ctx.reply("レベルは。", [*buttons, Button(label="やめる", data="do:stop")], typed="labels")

    @router.command("自由")
    async def words(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("何でも書いてください。", [Button(label="やめる", data="do:stop")], typed="own")

    @router.command("時刻")
    async def time(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("9時です。")

    @router.button("do")
    async def pressed(ctx: Context[ButtonPressed]) -> None:
        await ctx.reply(f"押された：{ctx.arguments}")

    @router.on(MessageReceived)
    async def heard(ctx: Context[MessageReceived]) -> None:
        await ctx.reply(f"聞いた：{ctx.event.text}")

    return router


YES = """送信する 送信 送信します。 送信して 送信してください！ 送信お願いします 「送信する」 はい ハイ うん
ＯＫ OKです オーケー よろしくお願いします 1 １ ① １番 1. (1) 1.送信する １．送信する"""
NO = "やめる やめます やめて いいえ イイエ 2 ２番 ２.やめる キャンセル 中止"


@pytest.mark.parametrize("words", YES.split())
async def test_what_is_typed_in_any_usual_way_is_the_button(words: str) -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        await harness.say("alice", "/送信 7")
        assert (await harness.say("alice", words)).text == "押された：send 7"


@pytest.mark.parametrize("words", NO.split())
async def test_the_button_that_leaves_is_typed_as_well(words: str) -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        await harness.say("alice", "/送信 7")
        assert (await harness.say("alice", words)).text == "押された：leave 7"


@pytest.mark.parametrize(
    ("words", "done"),
    [
        ("取り消す", "recall"),
        ("取消", "recall"),
        ("取り消します", "recall"),
        ("取り消しません", "keep"),
        ("やめる", "keep"),
    ],
)
async def test_a_yes_to_take_something_back_is_no_yes_to_send_it(words: str, done: str) -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        await harness.say("alice", "/取消")
        assert (await harness.say("alice", words)).text == f"押された：{done}"
        await harness.say("alice", "/取消")
        assert (await harness.say("alice", "送って")).text == "聞いた：送って"


@pytest.mark.parametrize(
    "words", ["4", "2.送信する", "送信しない", "はいと言いました", "1 か 2", "今日は送信する日ではない", "無事"]
)
async def test_what_is_no_choice_is_heard_as_words(words: str) -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        await harness.say("alice", "/送信 7")
        assert (await harness.say("alice", words)).text == f"聞いた：{words}"


async def test_without_choices_a_number_is_a_number() -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        for words in ("1", "はい", "送信する"):
            assert (await harness.say("alice", words)).text == f"聞いた：{words}"


async def test_a_superseded_choice_does_not_fire() -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        await harness.say("alice", "/送信 7")
        await harness.say("alice", "/送信 8")
        assert (await harness.say("alice", "送信する")).text == "押された：send 8"
        await harness.say("alice", "/送信 9")
        await harness.say("alice", "/取消")
        assert (await harness.say("alice", "送信する")).text == "聞いた：送信する"
        await harness.say("alice", "/送信 9")
        await harness.say("alice", "/自由")
        assert (await harness.say("alice", "やめる")).text == "聞いた：やめる"


async def test_after_something_else_was_said_a_yes_is_asked_about_and_a_label_is_not() -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        await harness.say("alice", "/送信 7")
        await harness.say("alice", "/時刻")
        asked = await harness.say("alice", "はい")
        assert "どれのことですか" in asked.text
        assert "はい" not in asked.text  # it may be an anonymous answer, and replies are stored
        assert [button.label for button in asked.buttons] == ["送信する（番号 7 を送りますか。）"]
        assert (await harness.say("alice", "1")).text == "押された：send 7"
        await harness.say("alice", "/時刻")
        assert (await harness.say("alice", "送信する")).text == "押された：send 7"


async def test_a_choice_of_yesterday_is_forgotten() -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        await harness.say("alice", "/送信 7")
        await harness.advance(timedelta(hours=12, minutes=1))
        assert (await harness.say("alice", "送信する")).text == "聞いた：送信する"


async def test_where_numbers_are_answers_only_labels_are_choices() -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        await harness.say("alice", "/水位")
        assert (await harness.say("alice", "3")).text == "聞いた：3"
        await harness.say("alice", "/水位")
        assert (await harness.say("alice", "レベル４")).text == "押された：level 4"


async def test_two_requests_that_came_unasked_are_told_apart_before_one_is_granted() -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        for number in (5, 6):
            button = Button(label="承認する", data=f"do:approve {number}", means="yes")
            async with harness.database.transaction() as db:
                said = [Message(text=f"番号 {number} の承認をお願いします。", buttons=(button,))]
                people = [1]
                await tell(db, harness.outbox, ["fake"], people, said, key=f"k{number}", now=harness.clock.now())
        await harness.idle()
        for words in ("承認する", "はい"):
            asked = await harness.say("alice", words)
            labels = [button.label for button in asked.buttons]
            assert labels == [
                "承認する（番号 6 の承認をお願いします。）",
                "承認する（番号 5 の承認をお願いします。）",
            ], words
        assert (await harness.say("alice", "2")).text == "押された：approve 5"


async def test_in_a_room_and_from_somebody_else_nothing_is_chosen() -> None:
    bob = Entry("0002", "馬場 次郎", "総務課", addresses={"fake": "bob"})
    async with Harness(desk(), members=[ALICE, bob]) as harness:
        await harness.say("alice", "/送信 7")
        assert (await harness.say("alice", "送信する", room="room")).text == "聞いた：送信する"
        assert (await harness.say("bob", "送信する")).text == "聞いた：送信する"


async def test_an_event_that_comes_twice_chooses_once() -> None:
    async with Harness(desk(), members=[ALICE]) as harness:
        await harness.say("alice", "/送信 7")
        event = MessageReceived(
            adapter="fake", key="typed", conversation="alice", direct=True, occurred_at=harness.clock.now(),
            sender="alice", message_id="in", text="1",
        )  # fmt: skip
        await harness.receive(event)
        await harness.receive(event)
        assert [message.text for message in harness.sent_to("alice")].count("押された：send 7") == 1
