"""Files sent to the bot go with whatever notice is made next, are shown before, and can be taken out again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.messages import Attachment
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from broadcasts.approval import ApprovalPolicy
from broadcasts.service import BroadcastSettings
from tests.broadcasts import test_schedules as schedules
from tests.broadcasts import test_templates as templates
from tests.broadcasts.test_attachments import FILE, give
from tests.broadcasts.test_chat import chat
from tests.jma.telegrams import shindo
from tests.jma.test_chat import office

MAP = FILE.model_copy(update={"name": "地図.png", "sha256": "b" * 64})


def able(harness: Harness) -> None:
    """From now on the platform carries files."""
    harness.platform.capabilities = replace(harness.platform.capabilities, attachments=10)


def about(harness: Harness, reference: str) -> list[SentMessage]:
    return [message for message in harness.sent if message.reference == reference]


def files_in(messages: list[SentMessage]) -> set[tuple[Attachment, ...]]:
    return {message.message.attachments for message in messages}


async def press_last(harness: Harness, person: str, message: SentMessage, button: str) -> SentMessage:
    return (await harness.press(person, message, button))[-1]


# ------------------------------------------------------------------- templates


async def test_files_given_before_and_in_the_middle_of_a_template_go_with_it() -> None:
    async with templates.chat() as harness:
        able(harness)
        await give(harness, "hq", FILE)
        asked = await press_last(harness, "hq", await harness.say("hq", "/定型"), "参集")
        assert "いつでもこのトークへ" in harness.sent_to("hq")[-2].text
        asked = await press_last(harness, "hq", asked, "第2配備")
        await give(harness, "hq", MAP)
        seen = await harness.say("hq", "大雨警報")
        while "添付ファイル" not in seen.text:  # the template goes on where it stood
            assert any(button.data.startswith("template:") for button in seen.buttons)
            answers = [button.data for button in seen.buttons if ":skip:" in button.data or ":say:" in button.data]
            if answers:
                seen = await press_last(harness, "hq", seen, answers[0])
            else:
                seen = await harness.say("hq", "19:30")
        assert "添付ファイル 2件：\n・避難所一覧.pdf（1.2MB）\n・地図.png（1.2MB）" in seen.text
        await harness.press("hq", seen, "送信する")
        assert files_in(about(harness, "broadcast:1")) == {(FILE, MAP)}
        assert "添付ファイル" not in (await harness.say("hq", "/一斉 次の連絡")).text


# ------------------------------------------------------------------- schedules


async def test_a_scheduled_notice_has_its_files_after_months_and_every_time() -> None:
    async with schedules.chat() as city:
        able(city.harness)
        await give(city.harness, "hq", FILE)
        seen = await city.harness.say("hq", "/予約 毎月1日 09:00 当番表です。")
        assert "・避難所一覧.pdf（1.2MB）" in seen.text
        await city.harness.press("hq", seen, "予約する")
        listed = (await city.harness.say("hq", "/予約")).text
        assert "当番表です。（添付 1件）" in listed
        await city.until(2024, 1, 2)
        occurrences = [each for each in city.harness.sent if (each.reference or "").startswith("broadcast:")]
        assert len({each.reference for each in occurrences}) == 3
        assert files_in(occurrences) == {(FILE,)}


async def test_a_schedule_for_a_platform_without_files_names_them_every_time() -> None:
    async with schedules.chat() as city:
        await give(city.harness, "hq", FILE)
        seen = await city.harness.say("hq", "/予約 2023-10-03 09:00 当番表です。")
        assert "・fake で受け取る 6人には、ファイルが届きません" in seen.text
        await city.harness.press("hq", seen, "予約する")
        await city.until(2023, 10, 4)
        (notice,) = about(city.harness, "broadcast:1")
        assert "添付ファイル：避難所一覧.pdf（1.2MB）\nここではファイルを開けません" in notice.text


# ----------------------------------------------------------------- corrections


async def test_the_files_of_a_correction_take_the_place_of_the_notices() -> None:
    async with chat() as harness:
        able(harness)
        await give(harness, "hq", FILE)
        await harness.press("hq", await harness.say("hq", "/一斉 資料です。"), "送信する")
        await give(harness, "hq", MAP)
        seen = await harness.say("hq", "/訂正 1 地図を直しました。")
        assert "添付ファイル 1件：\n・地図.png（1.2MB）" in seen.text
        assert "避難所一覧" not in seen.text
        await harness.press("hq", seen, "送信する")
        assert files_in(about(harness, "correction:1:1")) == {(MAP,)}
        await harness.advance(timedelta(minutes=16))
        assert files_in(about(harness, "reminder:1:1")) == {(MAP,)}


async def test_a_correction_in_words_leaves_the_files_to_the_reminders_unless_they_are_taken_off() -> None:
    async with chat() as harness:
        able(harness)
        await give(harness, "hq", FILE)
        await harness.press("hq", await harness.say("hq", "/一斉 資料です。"), "送信する")
        seen = await harness.say("hq", "/訂正 1 開始は10時です。")
        assert "元の連絡の添付ファイル 1件は、この後のリマインドにも添えます：\n・避難所一覧.pdf（1.2MB）" in seen.text
        await harness.press("hq", seen, "送信する")
        assert files_in(about(harness, "correction:1:1")) == {()}
        await harness.advance(timedelta(minutes=16))
        assert files_in(about(harness, "reminder:1:1")) == {(FILE,)}
        seen = await harness.say("hq", "/訂正 1 資料は誤りでした。")
        off = await press_last(harness, "hq", seen, "元のファイルを添えない")
        assert "この後のリマインドに添えません" in off.text
        again = await press_last(harness, "hq", seen, "元のファイルを添えない")  # pressed twice, it means the same
        assert "この後のリマインドに添えません" in again.text
        await harness.press("hq", off, "送信する")
        await harness.advance(timedelta(minutes=15))
        assert files_in(about(harness, "reminder:1:2")) == {()}
        assert "番号 1" in (await press_last(harness, "hq", off, "送信する")).text
        assert "すでに送信済み" in (await press_last(harness, "hq", seen, "元のファイルを添えない")).text


async def test_a_corrections_own_files_are_taken_out_and_the_platforms_without_any_are_named() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 資料です。"), "送信する")
        await give(harness, "hq", MAP)
        seen = await harness.say("hq", "/訂正 1 地図を添えます。")
        assert "・fake で受け取る 5人には、ファイルが届きません" in seen.text
        for _ in range(2):
            without = await press_last(harness, "hq", seen, "添付を外す")
            assert "地図.png" not in without.text
        await harness.press("hq", without, "送信する")
        (correction,) = about(harness, "correction:1:1")
        assert "添付ファイル" not in correction.text


async def test_a_refused_correction_leaves_the_files_for_the_next_try() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 資料です。"), "送信する")
        await give(harness, "hq", MAP)
        assert "{場所}" in (await harness.say("hq", "/訂正 1 {場所}です。")).text
        await give(harness, "hq", *[FILE] * 9)
        assert "添付ファイル 10件" in (await harness.say("hq", "/訂正 1 ロビーです。")).text


# --------------------------------------------------------- drafts of the agency


async def test_a_draft_of_the_weather_agency_takes_the_files_along() -> None:
    async with office() as opened:
        await opened.receive(shindo())
        await give(opened.harness, "hq", FILE)
        seen = await press_last(opened.harness, "hq", opened.shown()[0], "この下書きを使う")
        assert "・避難所一覧.pdf（1.2MB）" in seen.text


# ------------------------------------------------------------------ taking out


async def test_one_of_several_files_is_taken_out_of_a_draft_then_the_other() -> None:
    async with chat() as harness:
        able(harness)
        await give(harness, "hq", FILE, MAP)
        seen = await harness.say("hq", "/一斉 資料です。")
        which = await press_last(harness, "hq", seen, "添付を外す")
        assert [button.label for button in which.buttons] == ["外す：避難所一覧.pdf", "外す：地図.png", "すべて外す"]
        changed = await press_last(harness, "hq", which, "外す：避難所一覧.pdf")
        assert "添付ファイル 1件：\n・地図.png" in changed.text
        stale = await press_last(harness, "hq", which, "外す：避難所一覧.pdf")
        assert "添付ファイル 1件：\n・地図.png" in stale.text
        none = await press_last(harness, "hq", changed, "添付を外す")
        assert "添付ファイル" not in none.text
        assert "添付を外す" not in [button.label for button in none.buttons]
        await harness.press("hq", none, "送信する")
        assert files_in(about(harness, "broadcast:1")) == {()}
        assert "もう外せません" in (await press_last(harness, "hq", seen, "添付を外す")).text


async def test_one_of_several_files_that_wait_is_put_aside() -> None:
    async with chat() as harness:
        (kept,) = await give(harness, "hq", FILE, MAP)
        left = await press_last(harness, "hq", kept, "外す：地図.png")
        assert "1件預かっています。\n・避難所一覧.pdf" in left.text
        assert [button.label for button in left.buttons] == ["添えない"]
        seen = await harness.say("hq", "/一斉 資料です。")
        assert "添付ファイル 1件：\n・避難所一覧.pdf" in seen.text


async def test_ten_files_have_no_more_buttons_than_a_message_takes() -> None:
    async with chat() as harness:
        (kept,) = await give(harness, "hq", *[FILE] * 10)
        assert len(kept.buttons) == 10


async def test_files_that_wait_are_forgotten_after_half_a_day() -> None:
    async with chat() as harness:
        await give(harness, "hq", FILE)
        await harness.advance(timedelta(hours=12, minutes=1))
        assert "添付ファイル" not in (await harness.say("hq", "/一斉 資料です。")).text


async def test_what_goes_out_by_itself_or_waits_for_approval_keeps_its_files() -> None:
    everything = BroadcastSettings(approval=ApprovalPolicy(headquarters=frozenset({"emergency"})))
    async with schedules.chat(everything) as city:
        harness = city.harness
        able(harness)
        await give(harness, "hq", FILE)
        planned = await harness.say("hq", "/予約 2023-10-03 09:00 当番表です。")
        await harness.press("hq", planned, "予約する")
        assert "もう外せません" in (await press_last(harness, "hq", planned, "添付を外す")).text
        await give(harness, "hq", FILE)
        urgent = await harness.say("hq", "/一斉 緊急 @税務課 資料です。")
        await harness.press("hq", urgent, "承認を依頼する")
        assert "もう外せません" in (await press_last(harness, "hq", urgent, "添付を外す")).text
        asked = [each for each in harness.sent_to("boss") if each.message.attachments]
        assert [each.message.attachments for each in asked] == [(FILE,)]  # whoever agrees can open it
        assert "承認の依頼に付いているファイル" in asked[0].text
        await harness.press("boss", harness.sent_to("boss")[-1], "差し戻す")
        await harness.say("boss", "別の資料にしてください。")
        assert "もう一度お見せします" in (await harness.press("hq", urgent, "添付を外す"))[0].text


async def test_a_sender_of_another_department_neither_sees_nor_takes_out_the_files() -> None:
    async with templates.chat() as harness:
        await give(harness, "hq", FILE, MAP)
        seen = await harness.say("hq", "/一斉 資料です。")
        choose = next(button for button in seen.buttons if button.label == "添付を外す")
        for data in (choose.data, "files:out:1", "files:correction:own:1", "files:out:x"):
            forged = replace_button(seen, choose.data, data)
            said = (await harness.press("sub", forged, data))[-1].text
            assert "避難所一覧" not in said
        which = await press_last(harness, "hq", seen, "添付を外す")
        assert len(which.buttons) == 3


def replace_button(message: SentMessage, old: str, new: str) -> SentMessage:
    """The message as it would be with another button's data, for somebody who makes one up."""
    buttons = tuple(
        button.model_copy(update={"data": new}) if button.data == old else button for button in message.buttons
    )
    return replace(message, message=message.message.model_copy(update={"buttons": buttons}))


@pytest.mark.parametrize("carries", [True, False])
async def test_the_names_of_the_recipients_say_who_gets_no_files(carries: bool) -> None:
    async with chat() as harness:
        if carries:
            able(harness)
        await give(harness, "hq", FILE)
        seen = await harness.say("hq", "/一斉 @税務課 資料です。")
        names = "\n".join(each.text for each in await harness.press("hq", seen, "宛先の名前を見る"))
        assert ("ファイルが届かない人（2人）：職員b（税務課）、職員c（税務課）" in names) is not carries
