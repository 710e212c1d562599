"""Files and platforms that differ: a copy that is moved has them again, or says where they are; so do rungs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from bot import directory
from bot.adapters.mail import Mail
from bot.attachments import Shelf
from bot.clock import ManualClock
from bot.messages import Message, Priority
from bot.storage import Database
from bot.testing.platform import FakePlatform
from bot.texts import Texts
from broadcasts.telling import tell
from broadcasts.wording import Wording
from tests.bot.test_mail import MailServer, serving
from tests.broadcasts.scene import TOLD, Mood, Moody, mail_platform, mailed, people, person, scene_on
from tests.broadcasts.support import Platform
from tests.broadcasts.test_attachments import CONTENT, FILE
from tests.broadcasts.test_escalation import LADDER, MINUTE, NIGHT, PAIRS, PEOPLE, City, city, climbed

__all__ = ["city"]  # a fixture

NOT_HERE = "ここではファイルを開けません"


def able(*platforms: Platform) -> None:
    for platform in platforms:
        platform.capabilities = replace(platform.capabilities, attachments=10)


def messages(platform: Moody) -> list[Message]:
    """What has arrived of the notices."""
    return [each.message for each in platform.deliveries]


@pytest.mark.parametrize("mood", ["refuses", "cuts"])
async def test_a_copy_moved_to_a_platform_with_files_has_them_again(database: Database, mood: Mood) -> None:
    async with scene_on(database, people(4, "line", "chat")) as scene:
        able(scene.chat)
        scene.line.mood = mood
        await scene.hall.send("資料です。", attachments=(FILE,))
        await scene.hall.advance(MINUTE)
        arrived = messages(scene.chat)
        assert len(arrived) == 4
        assert {message.attachments for message in arrived} == {(FILE,)}
        assert not any("添付ファイル：" in message.text or NOT_HERE in message.text for message in arrived)
        assert any(TOLD in message.text for message in arrived) == (mood == "cuts")


async def test_whom_every_chat_refuses_gets_the_files_by_e_mail(database: Database) -> None:
    staff = [*people(4, "line"), mailed(person("900", "line"))]
    async with scene_on(database, staff, mail=mail_platform()) as scene:
        assert scene.mail is not None
        able(scene.mail)
        scene.line.nobody.add("line-900")
        await scene.hall.send("資料です。", attachments=(FILE,))
        await scene.hall.advance(MINUTE)
        [letter] = messages(scene.mail)
        assert letter.attachments == (FILE,)
        assert letter.buttons == ()
        assert "添付ファイル：" not in letter.text  # which is for platforms that cannot show them, as line


async def test_a_copy_moved_to_a_platform_without_files_names_them_once(database: Database) -> None:
    async with scene_on(database, people(4, "chat", "line")) as scene:
        able(scene.chat)
        scene.chat.mood = "refuses"
        await scene.hall.send("資料です。", attachments=(FILE,))
        await scene.hall.advance(MINUTE)
        arrived = messages(scene.line)
        assert len(arrived) == 4
        assert all(message.text.count("避難所一覧.pdf（1.2MB）") == 1 for message in arrived)
        assert all(message.text.count(NOT_HERE) == 1 for message in arrived)
        assert {message.attachments for message in arrived} == {()}


async def test_a_correction_that_is_moved_takes_its_files_along(database: Database) -> None:
    async with scene_on(database, people(4, "line", "chat")) as scene:
        able(scene.chat)
        number = await scene.hall.send("資料です。")
        await scene.hall.quiet()
        scene.line.mood = "refuses"
        chief = await scene.hall.member("hq")
        async with database.transaction() as db:
            notice = await scene.hall.broadcasts.notice(db, number)
            drafted = await scene.hall.broadcasts.corrections.draft(db, notice, chief, "直しました。", (FILE,))
            assert drafted.without_files == [("line", 4)]
        async with database.transaction() as db:
            await scene.hall.broadcasts.corrections.send(db, drafted.id, chief)
        await scene.hall.advance(MINUTE)
        moved = [message for message in messages(scene.chat) if message.reference == f"correction:{number}:1"]
        assert [message.attachments for message in moved] == [(FILE,)] * 4
        assert not any(NOT_HERE in message.text for message in moved)


async def test_files_shown_to_an_approver_are_named_when_their_platform_goes_down(database: Database) -> None:
    async with scene_on(database, people(2, "chat", "line")) as scene:
        able(scene.chat)
        scene.chat.mood = "refuses"
        chief = await scene.hall.member("hq")
        said = Message(text="承認の依頼に付いているファイルです。", attachments=(FILE,))
        async with database.transaction() as db:
            outbox, now = scene.hall.outbox, scene.hall.clock.now()
            names = ("chat", "line")
            await tell(db, outbox, names, [chief.id], [said], key="k", now=now, priority=Priority.NOTICE)
        await scene.hall.advance(MINUTE)
        (arrived,) = messages(scene.line)
        assert "添付ファイル：避難所一覧.pdf（1.2MB）" in arrived.text
        assert arrived.attachments == ()


# ---------------------------------------------------------------------- rungs


async def test_every_rung_carries_the_files_or_names_them(city: City) -> None:
    city.mail.capabilities = replace(city.mail.capabilities, attachments=10, attachment_bytes=FILE.size)
    async with city.running({"emergency": LADDER[:2]}):
        await city.send(attachments=(FILE,))
        await city.advance(20 * MINUTE)
        assert len(climbed(city.other)) == 2
        for message in climbed(city.other):
            assert message.text.index("まだ読まれていないため") < message.text.index(NOT_HERE)
            assert message.message.attachments == ()
        assert len(city.mail.sent) == 2
        for message in city.mail.sent:
            assert message.message.attachments == (FILE,)
            assert "添付ファイル：" not in message.text


async def test_a_rung_has_the_files_of_the_last_correction(city: City) -> None:
    other = FILE.model_copy(update={"name": "地図.png", "sha256": "b" * 64})
    city.other.capabilities = replace(city.other.capabilities, attachments=10)
    async with city.running({"emergency": LADDER[:1]}):
        number = await city.send(attachments=(FILE,))
        async with city.database.transaction() as db:
            chief = await directory.member_by_code(db, "hq")
            assert chief is not None
            notice = await city.broadcasts.notice(db, number)
            drafted = await city.broadcasts.corrections.draft(db, notice, chief, "地図を直しました。", (other,))
            await city.broadcasts.corrections.send(db, drafted.id, chief)
        await city.advance(10 * MINUTE)
        assert [message.message.attachments for message in climbed(city.other)] == [(other,)] * 2


@pytest.mark.parametrize("limit", [len(CONTENT), len(CONTENT) - 1])
async def test_a_mail_brings_the_files_themselves_or_where_to_see_them(
    database: Database, tmp_path: Path, limit: int
) -> None:
    shelf = Shelf(tmp_path / "shelf")
    (tmp_path / "避難所一覧.pdf").write_bytes(CONTENT)
    attachment = await shelf.keep(tmp_path / "避難所一覧.pdf")
    clock = ManualClock(NIGHT)
    async with database.transaction() as db:
        await directory.save(db, PEOPLE)
    async with serving(MailServer()) as server:
        mail = Mail(
            "127.0.0.1",
            "kairanban@city.example.lg.jp",
            clock,
            port=server.port,
            security="none",
            attachment_bytes=limit,
        )
        mail.carry(shelf)
        chats = [FakePlatform(clock, name=name, capabilities=PAIRS) for name in ("chat", "other")]
        city = City(database, clock, chats[0], chats[1], cast("FakePlatform", mail))  # the real one, in its place
        async with city.running({"emergency": LADDER[1:2]}):
            await city.send(attachments=(attachment,))
            await city.advance(20 * MINUTE)
        assert [each.rcpt_tos for each in server.envelopes] == [["a@city.example.lg.jp"], ["b@city.example.lg.jp"]]
        for arrived in server.mails():
            body = arrived.get_body()
            assert body is not None
            text = body.get_content()
            parts = [(each.get_filename(), each.get_content()) for each in arrived.iter_attachments()]
            assert "返事は、チャットの同じ連絡でお願いします" in text
            if limit == len(CONTENT):
                assert parts == [("避難所一覧.pdf", CONTENT)]
                assert "添付ファイル" not in text
            else:
                assert parts == []
                assert "添付ファイル：避難所一覧.pdf（154KB）" in text
                assert "ここには添えていません" in text


def test_the_longest_form_counts_whichever_sentence_about_files_is_longer() -> None:
    wording = Wording(Texts("broadcasts"))
    message = wording.notice(1, "notice", "本文", attachments=(FILE,))
    small = replace(Platform().capabilities, attachments=10, attachment_bytes=1)
    both = [wording.with_names(message), wording.with_names(message, small)]
    assert "ここには添えていません" in both[1]
    assert wording.length(message, platforms=1) == max(map(len, both))
