"""A thumb slips on やめる: the draft can be had back as it was, with its files, and nothing goes out by itself."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from bot.attachments import Shelf
from bot.errors import Refused
from bot.storage import Database
from broadcasts.sweeping import Sweeping
from tests.broadcasts import test_approval as approval
from tests.broadcasts import test_schedules as schedules
from tests.broadcasts.support import city_hall, staff
from tests.broadcasts.test_attachments import FILE, give
from tests.broadcasts.test_chat import chat, notices
from tests.broadcasts.test_files_in_chat import able, about, files_in, press_last

BACK = "元に戻す"


@pytest.mark.parametrize("by_command", [False, True])
async def test_a_draft_comes_back_with_its_files_and_is_sent(by_command: bool) -> None:
    async with chat() as harness:
        able(harness)
        await give(harness, "hq", FILE)
        seen = await harness.say("hq", "/一斉 資料です。")
        gone = await harness.say("hq", "/取消 1") if by_command else await press_last(harness, "hq", seen, "やめる")
        assert "取りやめました" in gone.text
        assert "添付ファイルもいっしょに戻せます" in gone.text
        done, again = await harness.press("hq", gone, BACK)
        assert "まだ送っていません" in done.text
        assert "資料です。" in again.text
        assert "避難所一覧.pdf" in again.text
        assert notices(harness) == []
        await harness.press("hq", again, "送信する")
        assert files_in(about(harness, "broadcast:1")) == {(FILE,)}


async def test_pressed_again_it_shows_the_draft_and_once_it_is_sent_nothing_comes_back() -> None:
    async with chat() as harness:
        gone = await press_last(harness, "hq", await harness.say("hq", "/一斉 本文"), "やめる")
        await harness.press("hq", gone, BACK)
        again = await press_last(harness, "hq", gone, BACK)
        await harness.press("hq", again, "送信する")
        assert "元に戻せません" in (await press_last(harness, "hq", gone, BACK)).text
        assert len(notices(harness)) == 1


async def test_after_half_a_day_it_is_gone_for_good_and_the_officer_learns_what_to_do() -> None:
    async with chat() as harness:
        gone = await press_last(harness, "hq", await harness.say("hq", "/一斉 本文"), "やめる")
        await harness.advance(timedelta(hours=12, seconds=1))
        late = await press_last(harness, "hq", gone, BACK)
        assert "ファイルももう一度送ってください" in late.text
        assert notices(harness) == []


async def test_only_whoever_may_send_it_brings_it_back() -> None:
    async with chat() as harness:
        gone = await press_last(harness, "hq", await harness.say("hq", "/一斉 本文"), "やめる")
        assert "担当者だけ" in (await press_last(harness, "a", gone, BACK)).text


async def test_a_request_for_approval_does_not_come_back_with_it() -> None:
    async with approval.chat() as harness:
        seen = await harness.say("tax", "/一斉 緊急 @税務課 本文")
        await harness.press("tax", seen, "承認を依頼する")
        again = await press_last(harness, "tax", await press_last(harness, "tax", seen, "やめる"), BACK)
        old = approval.asked(harness, "boss")
        await harness.press("boss", old, "承認する")
        assert approval.notices(harness) == []
        await harness.press("tax", again, "承認を依頼する")
        await harness.press("boss", approval.asked(harness, "boss"), "承認する")
        assert approval.notices(harness) != []


async def test_a_scheduled_notice_comes_back_with_its_rule_and_waits_to_be_confirmed() -> None:
    async with schedules.chat() as city:
        await city.schedule("毎日 09:00 朝の点検です。")
        again = await press_last(city.harness, "hq", await city.harness.say("hq", "/予約 取消 1"), BACK)
        assert "毎日 09:00" in again.text
        await city.until(2023, 10, 2, 10)
        assert city.notices() == []
        await city.harness.press("hq", again, "予約する")
        await city.until(2023, 10, 3, 10)
        assert len(city.notices()) == 1


async def test_the_sweep_leaves_its_files_for_as_long_as_it_can_be_had_back(database: Database, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    (tmp_path / "一覧.csv").write_text("避難所,人数", encoding="utf-8")
    file = await shelf.keep(tmp_path / "一覧.csv")
    async with city_hall(database, staff(4)) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            number = await hall.broadcasts.draft(db, chief, "資料です。", attachments=(file,))
        # It was put there days ago: its own age does not protect it.
        os.utime(shelf.path(file), (0, (hall.clock.now() - timedelta(days=3)).timestamp()))
        async with database.transaction() as db:
            assert await hall.broadcasts.cancel(db, number, chief)
        sweeping = Sweeping(database, shelf, hall.clock, hall.activity)
        await sweeping.start()
        await hall.advance(timedelta(hours=11))
        async with database.transaction() as db:
            await hall.broadcasts.restore(db, number, chief)
        await hall.advance(timedelta(days=3))
        assert shelf.path(file).exists()
        async with database.transaction() as db:
            assert await hall.broadcasts.cancel(db, number, chief)
        await hall.advance(timedelta(days=3))
        assert not shelf.path(file).exists()
        async with database.transaction() as db:
            with pytest.raises(Refused, match=r"restore\.too_late"):
                await hall.broadcasts.restore(db, number, chief)
        await sweeping.stop()
