"""Recalls, corrections and quiet hours, on both databases and in the chat."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import select, update

from bot.adapter import Delivery, Outcome, Retry, Sent
from bot.audit.tables import audit_log
from bot.clock import TOKYO, ManualClock
from bot.errors import Refused
from bot.storage import Database
from bot.tables import deliveries
from bot.testing.platform import FakePlatform
from broadcasts.audience import Members
from broadcasts.kinds import may_leave_chat
from broadcasts.questions import Question
from broadcasts.quiet import QuietHours
from broadcasts.service import BroadcastSettings
from tests.broadcasts.support import Hall, Platform, city_hall, staff
from tests.broadcasts.test_chat import chat, notices

MINUTE = timedelta(minutes=1)
NIGHT = BroadcastSettings(quiet=QuietHours(time(23, 20), time(0, 10)))
"""A short one: with PostgreSQL the outbox looks once a second, and a whole night of that is long."""
LATE = datetime(2023, 10, 2, 23, 50, tzinfo=TOKYO)


class Erasing(Platform):
    """A platform that can delete; `gone` are the ids of the messages that were taken back."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, deletes=True)
        self.gone: list[str | None] = []
        self.lose_answers = False

    def _send(self, delivery: Delivery) -> Outcome:
        if delivery.action == "delete":
            self.gone.append(delivery.message_id)
            return Sent()
        outcome = super()._send(delivery)
        return Retry("The answer was lost.") if self.lose_answers else outcome

    def left(self, reference: str) -> set[str]:
        """Who still has a message of this reference on their screen."""
        return {
            person
            for person, screen in self.screens.items()
            if any(seen.reference == reference and seen.message_id not in self.gone for seen in screen)
        }


async def recall(hall: Hall, number: int) -> bool:
    chief = await hall.member("hq")
    async with hall.database.transaction() as db:
        done = await hall.broadcasts.recalls.recall(db, await hall.broadcasts.notice(db, number), chief)
    await hall.quiet()
    return done.done


async def correct(hall: Hall, number: int, text: str) -> None:
    chief = await hall.member("hq")
    async with hall.database.transaction() as db:
        drafted = await hall.broadcasts.corrections.draft(db, await hall.broadcasts.notice(db, number), chief, text)
    async with hall.database.transaction() as db:
        sent = await hall.broadcasts.corrections.send(db, drafted.id, chief)
        again = await hall.broadcasts.corrections.send(db, drafted.id, chief)
    assert sent.number is not None
    assert again.number is None
    await hall.quiet()


async def test_a_recall_deletes_what_was_sent_stops_reminders_and_is_done_once(database: Database) -> None:
    platform = Erasing()
    async with city_hall(database, staff(9), platform=platform) as hall:
        number = await hall.send("誤報です")
        await hall.advance(15 * MINUTE)
        assert platform.left(f"reminder:{number}:1")
        await hall.read("003", reference=f"reminder:{number}:1")
        assert await recall(hall, number)
        assert not platform.left(f"broadcast:{number}")
        assert not platform.left(f"reminder:{number}:1")
        await hall.read("004", reference=f"broadcast:{number}", at=hall.clock.now() + MINUTE)  # a mark on what is gone
        gone = len(platform.gone)
        assert not await recall(hall, number)
        await hall.advance(31 * MINUTE)
        assert len(platform.gone) == gone
        assert not platform.copies(f"reminder:{number}:2")
        (summary,) = await hall.broadcasts.summaries()
        assert summary["read_before_recall"] == summary["read"] == 1
        assert summary["recalled_at"] == "2023-10-02T09:15:00+09:00"
        async with database.snapshot() as db:
            actions = list(await db.scalars(select(audit_log.c.action)))
        assert actions.count("broadcast.recalled") == 1


async def test_what_is_queued_is_never_sent_after_a_recall(database: Database) -> None:
    platform = Erasing()
    async with city_hall(database, staff(9), platform=platform) as hall:
        platform.down = True
        number = await hall.send("誤報です", audience=Members(ids=(1, 2)))
        await hall.quiet()
        async with database.transaction() as db:  # as if nobody had tried yet
            await db.execute(update(deliveries).values(attempts=0))
        assert await recall(hall, number)
        platform.down = False
        await hall.advance(15 * MINUTE)
        assert not platform.copies(f"broadcast:{number}")
        async with database.snapshot() as db:
            assert set(await db.scalars(select(deliveries.c.state))) == {"cancelled"}


async def test_a_message_whose_sending_was_unsure_is_deleted_once_that_is_known(database: Database) -> None:
    platform = Erasing()
    async with city_hall(database, staff(5), platform=platform) as hall:
        platform.lose_answers = True
        number = await hall.send("誤報です")
        await hall.quiet()
        assert platform.left(f"broadcast:{number}")  # it is there, and the bot does not know
        assert await recall(hall, number)
        assert platform.left(f"broadcast:{number}")
        platform.lose_answers = False
        await hall.advance(timedelta(minutes=10))
        assert not platform.left(f"broadcast:{number}")
        assert set(platform.copies(f"broadcast:{number}").values()) == {1}


async def test_a_claim_that_a_killed_process_left_behind_counts_as_perhaps_sent(database: Database) -> None:
    platform = Erasing()
    async with city_hall(database, staff(5), platform=platform) as hall:
        number = await hall.send("誤報です")
        await hall.quiet()
        await hall.outbox.stop()
        async with database.transaction() as db:  # killed between the platform's answer and the record
            unrecorded = {"state": "sending", "platform_id": None, "attempts": 0, "claimed_until": hall.clock.now()}
            await db.execute(update(deliveries).values(unrecorded))
        chief = await hall.member("hq")
        await hall.outbox.start()
        async with database.transaction() as db:
            await hall.broadcasts.recalls.recall(db, await hall.broadcasts.notice(db, number), chief)
        await hall.advance(timedelta(minutes=1))
        assert not platform.left(f"broadcast:{number}")


async def test_where_nothing_can_be_deleted_a_word_withdraws_it_and_quotes_it_in_rooms(database: Database) -> None:
    async with city_hall(database, staff(9)) as hall:
        number = await hall.send("誤報です", kind="drill")
        await hall.quiet()
        assert await recall(hall, number)
        words = [each for each in hall.platform.deliveries if each.message.reference == f"recall:{number}"]
        assert all(word.message.text.startswith("【訓練・取消】これは訓練です。") for word in words)
        assert all("誤報です" in word.message.text for word in words)
        assert set(hall.platform.copies(f"recall:{number}")) == set(hall.platform.copies(f"broadcast:{number}"))
        assert set(hall.platform.copies(f"recall:{number}").values()) == {1}
        originals = {
            each.address.id: hall.platform.answers[each.key]
            for each in hall.platform.deliveries
            if each.message.reference == f"broadcast:{number}"
        }
        in_rooms = [word for word in words if word.address.kind == "room"]
        assert in_rooms
        assert all(word.message.quote == originals[word.address.id] for word in in_rooms)


async def test_under_way_without_deletion_it_is_withdrawn_once_it_has_arrived(database: Database) -> None:
    async with city_hall(database, staff(4)) as hall:
        number = await hall.send("誤報です", audience=Members(ids=(2,)))
        await hall.quiet()
        async with database.transaction() as db:
            await db.execute(update(deliveries).values(state="sending", claimed_until=hall.clock.now()))
        assert await recall(hall, number)
        assert not hall.platform.copies(f"recall:{number}")
        await hall.outbox.stop()
        await hall.outbox.start()
        await hall.advance(timedelta(minutes=2))
        assert list(hall.platform.copies(f"recall:{number}").values()) == [1]


async def test_a_correction_goes_to_the_same_people_once_and_its_reads_are_counted(database: Database) -> None:
    async with city_hall(database, staff(9)) as hall:
        number = await hall.send("18時に集合", kind="emergency", question=Question(asks="acknowledge"))
        await hall.quiet()
        await hall.read("001", reference=f"broadcast:{number}")
        await hall.hire(*staff(11)[9:])
        await correct(hall, number, "19時に集合")
        copies = hall.platform.copies(f"correction:{number}:1")
        assert set(copies) >= set(hall.platform.copies(f"broadcast:{number}"))
        assert set(copies.values()) == {1}
        corrected = [d for d in hall.platform.deliveries if d.message.reference == f"correction:{number}:1"]
        assert all("「18時に集合」を訂正します。\n19時に集合" in each.message.text for each in corrected)
        assert all(each.message.buttons for each in corrected)
        assert all(each.message.quote for each in corrected if each.address.kind == "room")
        for code in ("001", "002", "002"):
            await hall.read(code, reference=f"correction:{number}:1")
        (summary,) = await hall.broadcasts.summaries()
        assert summary["read"] == 1  # to read the correction is not to have read the original
        (correction,) = summary["corrections"]
        assert (correction["read"], correction["read_before"]) == (2, 1)
        assert f"correction:{number}:1" in summary["topics"]
        await hall.advance(15 * MINUTE)
        reminder = next(d for d in hall.platform.deliveries if d.message.reference == f"reminder:{number}:1")
        assert "19時に集合" in reminder.message.text
        await correct(hall, number, "20時に集合")
        assert "「19時に集合」" in hall.platform.deliveries[-1].message.text


async def test_a_recalled_notice_cannot_be_corrected_and_its_corrections_go_too(database: Database) -> None:
    platform = Erasing()
    async with city_hall(database, staff(5), platform=platform) as hall:
        number = await hall.send("18時に集合")
        await hall.quiet()
        await correct(hall, number, "19時に集合")
        await recall(hall, number)
        assert not platform.left(f"correction:{number}:1")
        with pytest.raises(Refused, match=r"correction\.recalled"):
            await correct(hall, number, "20時に集合")


async def test_quiet_hours_hold_notices_and_reminders_until_morning_but_no_emergency(database: Database) -> None:
    async with city_hall(database, staff(5), settings=NIGHT, clock=ManualClock(LATE)) as hall:
        notice = await hall.send("会議は10時です")
        emergency = await hall.send("避難してください", kind="emergency")
        await hall.advance(15 * MINUTE)
        assert not hall.platform.copies(f"broadcast:{notice}")
        assert hall.platform.copies(f"broadcast:{emergency}")
        assert hall.platform.copies(f"reminder:{emergency}:1")
        await correct(hall, notice, "会議は11時です")
        await hall.advance(4 * MINUTE)
        assert not hall.platform.copies(f"broadcast:{notice}")
        await hall.advance(MINUTE)
        assert set(hall.platform.copies(f"broadcast:{notice}").values()) == {1}
        wanted = [f"broadcast:{notice}", f"correction:{notice}:1"]
        seen = [each.reference for each in hall.platform.screens["u-001"]]
        assert [reference for reference in seen if reference in wanted] == wanted
        status = await hall.broadcasts.status(notice)
        assert status.sent_at == datetime(2023, 10, 3, 0, 10, tzinfo=TOKYO)


async def test_a_round_of_reminders_that_falls_into_the_night_waits(database: Database) -> None:
    clock = ManualClock(datetime(2023, 10, 2, 23, 19, tzinfo=TOKYO))
    async with city_hall(database, staff(4), settings=NIGHT, clock=clock) as hall:
        number = await hall.send("会議は10時です")
        await hall.advance(50 * MINUTE)
        assert not hall.platform.copies(f"reminder:{number}:1")
        await hall.advance(MINUTE)
        assert hall.platform.copies(f"reminder:{number}:1")
        assert not hall.platform.copies(f"reminder:{number}:2")


async def test_what_quiet_hours_hold_can_be_recalled_before_anybody_has_it(database: Database) -> None:
    async with city_hall(database, staff(4), settings=NIGHT, clock=ManualClock(LATE)) as hall:
        number = await hall.send("会議は10時です")
        assert await recall(hall, number)
        await hall.advance(30 * MINUTE)
        assert not hall.platform.deliveries


def test_quiet_hours_know_midnight_and_their_own_end() -> None:
    night, lunch = QuietHours(time(22), time(7)), QuietHours(time(12), time(13))
    day = datetime(2023, 10, 2, tzinfo=TOKYO)
    assert night.release(day.replace(hour=21, minute=59)) == day.replace(hour=21, minute=59)
    assert night.release(day.replace(hour=22)) == day.replace(day=3, hour=7)
    assert night.release(day.replace(hour=6, minute=59)) == day.replace(hour=7)
    assert night.release(day.replace(hour=7)) == day.replace(hour=7)
    assert lunch.release(day.replace(hour=12, minute=30)) == day.replace(hour=13)
    assert lunch.release(day.replace(hour=13)) == day.replace(hour=13)
    with pytest.raises(ValueError, match="different times"):
        QuietHours(time(7), time(7))


def test_a_drill_never_leaves_the_chat() -> None:
    assert not may_leave_chat("drill")
    assert may_leave_chat("notice")
    assert may_leave_chat("emergency")


async def test_the_officer_recalls_by_a_button_and_sees_who_had_read_it() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 訓練 誤報です"), "送信する")
        (notice,) = notices(harness)
        await harness.read("a", notice)
        preview = await harness.say("hq", "/取消 １")
        assert preview.text.startswith("【訓練】")
        assert "届いた人 5／5人、読んだ人 1人" in preview.text
        assert "元には戻せません" in preview.text
        (kept,) = await harness.press("hq", preview, "やめる")
        assert "そのまま" in kept.text
        assert [each.deleted for each in notices(harness)] == [False]
        (done,) = await harness.press("hq", preview, "取り消す")
        assert "届いていた人 5人のうち、読んでいた人は 1人" in done.text
        assert notice.deleted
        (again,) = await harness.press("hq", preview, "取り消す")
        assert "すでに取り消されています" in again.text
        assert "すでに取り消されています" in (await harness.say("hq", "/取消 1")).text
        names = (await harness.say("hq", "/取消 1 一覧")).text
        assert "職員a" in names
        assert "職員b" not in names
        status = (await harness.say("hq", "/既読 1")).text
        assert "取り消しました。それまでに読んだ人 1人" in status


async def test_an_answer_after_the_recall_is_not_recorded_and_says_why() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 安否 本文"), "送信する")
        (notice,) = notices(harness)
        await harness.press("hq", await harness.say("hq", "/取消 1"), "取り消す")
        await harness.advance(MINUTE)
        await harness.press("a", notice, "無事")
        assert "取り消されたため" in harness.sent_to("a")[-1].text


async def test_a_draft_is_called_off_by_the_same_command_and_odd_wishes_are_explained() -> None:
    async with chat() as harness:
        await harness.say("hq", "/一斉 本文")
        assert "まだ送っていません" in (await harness.say("hq", "/訂正 1 新しい本文")).text
        assert "取りやめました" in (await harness.say("hq", "/取消 1")).text
        assert "取りやめた連絡" in (await harness.say("hq", "/訂正 1 新しい本文")).text
        for wish in ("/取消", "/取消 x", "/取消 1 2"):
            assert "「/取消 番号」" in (await harness.say("hq", wish)).text
        for wish in ("/訂正", "/訂正 1", "/訂正 x 本文"):
            assert "「/訂正 番号 新しい本文」" in (await harness.say("hq", wish)).text
        assert "番号 9 の一斉連絡はありません" in (await harness.say("hq", "/取消 9")).text
        assert "担当者だけ" in (await harness.say("a", "/取消 1")).text
        assert "担当者だけ" in (await harness.say("a", "/訂正 1 x")).text


async def test_the_officer_corrects_after_looking_and_too_much_text_is_refused() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 安否 18時に集合"), "送信する")
        preview = await harness.say("hq", "/訂正 1 19時に集合\n場所は同じ")
        assert "【お知らせ・訂正】先にお送りした「18時に集合」を訂正します。\n19時に集合\n場所は同じ" in preview.text
        assert "［無事］" in preview.text
        assert len(notices(harness)) == 1
        (sent,) = [m for m in await harness.press("hq", preview, "送信する") if m.reference is None]
        assert "訂正を送りました。宛先は 5人" in sent.text
        (again,) = await harness.press("hq", preview, "送信する")
        assert "すでに送信済み" in again.text
        (correction,) = [m for m in harness.sent if m.reference == "correction:1:1"]
        assert correction.message.quote == notices(harness)[0].id
        await harness.press("a", correction, "無事")
        assert "「無事」" in harness.sent_to("a")[-1].text
        assert "訂正 1回目" in (await harness.say("hq", "/既読 1")).text
        assert "本文が長すぎます" in (await harness.say("hq", "/訂正 1 " + "あ" * 5000)).text


async def test_the_names_of_those_who_get_a_correction_are_shown_before_it_is_sent() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 安否 18時に集合"), "送信する")
        preview = await harness.say("hq", "/訂正 1 19時に集合")
        names, shown = await harness.press("hq", preview, "宛先の名前を見る")
        assert "番号 1 の訂正の宛先：5人" in names.text
        assert "総務課" in names.text
        assert "先にお送りした「18時に集合」を訂正します。\n19時に集合" in shown.text
        assert "[無事]" in shown.text or "1. 無事" in shown.text
        assert not any((m.reference or "").startswith("correction:") for m in harness.sent)
        (refused,) = await harness.press("a", preview, "宛先の名前を見る")
        assert "担当者だけ" in refused.text
        await harness.press("hq", preview, "送信する")
        assert any((m.reference or "").startswith("correction:1:1") for m in harness.sent)


async def test_a_correction_is_looked_through_like_a_notice() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 18時に集合"), "送信する")
        for text, found in (
            ("{場所}に集合", "{場所}"),
            ("パスワードは abcd1234", "パスワード"),
            ("番号は 1234 5678 9018 です", "マイナンバー"),
        ):
            assert found in (await harness.say("hq", f"/訂正 1 {text}")).text
        odd = await harness.say("hq", "/訂正 1 〇〇時に集合")
        assert "「〇〇」が書きかけのように見えます" in odd.text
        assert [button.label for button in odd.buttons] == ["このまま進める", "やめる", "宛先の名前を見る"]
        assert not any((m.reference or "").startswith("correction:") for m in harness.sent)
        await harness.press("hq", odd, "このまま進める")
        assert any((m.reference or "").startswith("correction:1:1") for m in harness.sent)


def test_platforms_say_whether_they_delete() -> None:
    assert FakePlatform(ManualClock(LATE)).capabilities.deletes
