"""Notices with files: from the draft through the real chat service to people's screens, and back by a recall."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot import directory
from bot.activity import Activity
from bot.adapter import Capabilities
from bot.adapters.logochat import LogoChat
from bot.attachments import Shelf
from bot.clock import ManualClock
from bot.directory import HEADQUARTERS, Entry
from bot.errors import Refused
from bot.events import MessageReceived
from bot.messages import Attachment, Message
from bot.outbox import Outbox
from bot.recurrence import Rule
from bot.storage import Database
from bot.tables import attempts, deliveries
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from bot.texts import Texts
from broadcasts import show
from broadcasts.service import Broadcasts
from broadcasts.wording import Wording
from tests.broadcasts.support import Platform, city_hall, staff
from tests.broadcasts.test_chat import chat
from tests.databases import empty_database
from tests.trial_service.conftest import City, Client, callback_time_limit, city, clock, limits, service

__all__ = ["callback_time_limit", "city", "clock", "limits", "service"]  # fixtures of the real chat service

CONTENT = b"%PDF-" + bytes(range(256)) * 600
EVERY_NOON = Rule(every="day", at=time(12))
FILE = Attachment(name="避難所一覧.pdf", size=1_234_567, sha256="a" * 64)


async def test_a_notice_with_a_file_reaches_everybody_once_and_a_recall_takes_it_along(
    city: City, tmp_path: Path
) -> None:
    people = await city.join("hq", "a", "b")
    bot = await city.bot()
    adapter = LogoChat(city.service.url, bot.token, city.receiver.secret, clock=city.clock)
    shelf = Shelf(tmp_path / "shelf")
    adapter.carry(shelf)
    (tmp_path / "一覧.pdf").write_bytes(CONTENT)
    attachment = await shelf.keep(tmp_path / "一覧.pdf")
    activity, adapters = Activity(), {"logochat": adapter}
    await adapter.open()
    async with empty_database("sqlite", tmp_path) as database:
        outbox = Outbox(database, adapters, city.clock, activity, poll=timedelta(hours=6))
        broadcasts = Broadcasts(database, outbox, adapters, city.clock, activity, Texts("broadcasts"))
        async with database.transaction() as db:
            await directory.save(db, [entry(code, each) for code, each in zip(("hq", "a", "b"), people, strict=True)])
            chief = await directory.member_by_code(db, "hq")
        assert chief is not None
        faults = {"seed": 1, "cut": 0.5}  # the service acts, and then cuts the connection
        assert (await city.admin.put("/v1/admin/faults", faults)).status < 300
        await outbox.start()
        async with database.transaction() as db:
            number = await broadcasts.draft(db, chief, "資料を見てください。", attachments=(attachment,))
            seen = await broadcasts.preview(db, number)
            assert "・一覧.pdf（154KB）" in "\n".join(show.preview(broadcasts.texts, seen, 5_000))
            assert (await broadcasts.confirm(db, number, chief, seen.fingerprint)).outcome == "sent"
        await settle(activity, city.clock)
        for person in people:
            (shown,) = await messages(person, bot)
            assert [file["name"] for file in shown["files"]] == ["一覧.pdf"]
            assert (await person.get(f"/v1/files/{shown['files'][0]['file_id']}")).body == CONTENT
        assert [path.name for path in (tmp_path / "files").iterdir()] == ["f1"]
        assert len([path for path in (tmp_path / "shelf").rglob("*") if path.is_file()]) == 1
        async with database.transaction() as db:
            found = await broadcasts.recalls.recall(db, await broadcasts.notice(db, number), chief)
            assert found.done
        await settle(activity, city.clock)
        assert list((tmp_path / "files").iterdir()) == []
        for person in people:
            assert all(message["deleted"] for message in await messages(person, bot))
        await outbox.stop()
        async with database.snapshot() as db:
            assert set(await db.scalars(select(deliveries.c.state))) == {"sent"}
            assert "retry" in set(await db.scalars(select(attempts.c.outcome)))
    await adapter.close()


def entry(code: str, person: Client) -> Entry:
    roles = [HEADQUARTERS] if code == "hq" else []
    return Entry(code, f"職員{code}", "総務課", roles=roles, addresses={"logochat": person.id})


async def messages(person: Client, bot: Client) -> list[dict[str, Any]]:
    room = (await person.post("/v1/pairs", {"user_id": bot.id}))["room_id"]
    found: list[dict[str, Any]] = (await person.get(f"/v1/rooms/{room}/messages"))["messages"]
    return found


async def settle(activity: Activity, clock: ManualClock) -> None:
    """Let everything happen, retries included."""
    await activity.idle()
    for _ in range(40):
        clock.advance(timedelta(minutes=5))
        await activity.idle()


async def test_a_platform_without_files_says_their_names_and_where_to_find_them(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        number = await hall.send("資料を見てください。", attachments=(FILE,))
        await hall.quiet()
        sent = [each.message for each in hall.platform.deliveries if each.message.reference == f"broadcast:{number}"]
        (text,) = {message.text for message in sent}
        assert "資料を見てください。" in text
        assert "添付ファイル：避難所一覧.pdf（1.2MB）" in text
        assert "ここではファイルを開けません" in text
        assert all(each.message.attachments == () for each in hall.platform.deliveries)


async def test_a_platform_that_takes_them_gets_them_and_not_the_sentence(database: Database) -> None:
    able = Capabilities(room_size=4, native_receipts=True, buttons=10, text_length=500, idempotent=True, attachments=10)
    async with city_hall(database, staff(3), platform=Platform(capabilities=able)) as hall:
        number = await hall.send("資料を見てください。", attachments=(FILE, FILE))
        await hall.quiet()
        sent = [each.message for each in hall.platform.deliveries if each.message.reference == f"broadcast:{number}"]
        assert [message.attachments for message in sent] == [(FILE, FILE)]
        assert all("添付ファイル" not in message.text for message in sent)
        await hall.advance(timedelta(minutes=16))
        reminders = [d.message for d in hall.platform.deliveries if d.message.reference == f"reminder:{number}:1"]
        assert len(reminders) == 3
        assert all(message.attachments == (FILE, FILE) for message in reminders)


async def test_too_many_and_too_large_are_refused_and_the_names_count_for_the_length(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        large = FILE.model_copy(update={"size": 100_000_001})
        for files, key in (((FILE,) * 11, "too_many"), ((large, large), "too_large")):
            with pytest.raises(Refused, match=rf"attachment\.{key}"):
                await hall.send(attachments=files)
        await hall.send("あ" * 400)
        with pytest.raises(Refused, match=r"refused\.too_long"):
            await hall.send("あ" * 400, attachments=(FILE,))


async def test_every_occurrence_of_a_recurring_notice_carries_the_files(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            number = await hall.broadcasts.draft(db, chief, "本文", attachments=(FILE,))
            await hall.broadcasts.schedules.plan(db, number, EVERY_NOON)
            seen = await hall.broadcasts.preview(db, number)
            assert (await hall.broadcasts.confirm(db, number, chief, seen.fingerprint)).outcome == "scheduled"
            shown = await hall.broadcasts.people(db, number, chief)
        assert "避難所一覧.pdf" in "\n".join(shown)
        await hall.advance(timedelta(days=2))
        notices = [e.message.text for e in hall.platform.deliveries if (e.message.reference or "").startswith("broad")]
        assert len(notices) == 2
        assert all("避難所一覧.pdf" in text for text in notices)


def test_small_and_large_files_are_named_with_their_size() -> None:
    wording = Wording(Texts("broadcasts"))
    sizes = {1: "1KB", 999_400: "999KB", 1_000_000: "1.0MB", 123_456_789: "123.5MB"}
    for size, shown in sizes.items():
        message = Message(text="x", attachments=(FILE.model_copy(update={"size": size}),))
        assert f"避難所一覧.pdf（{shown}）" in wording.with_names(message)


# ---------------------------------------------------------------- from the chat


async def give(harness: Harness, person: str, *files: Attachment, command: str = "") -> list[SentMessage]:
    """Somebody sends files to the bot; what it says."""

    async def fetch_files(message_id: str) -> tuple[Attachment, ...]:
        assert message_id == f"given-{len(files)}"
        return files

    harness.platform.fetch_files = fetch_files  # type: ignore[attr-defined] # a platform that has files
    before = len(harness.sent)
    await harness.receive(
        MessageReceived(
            adapter="fake",
            key=f"files-{before}",
            conversation=person,
            direct=True,
            occurred_at=harness.clock.now(),
            sender=person,
            message_id=f"given-{len(files)}",
            text=command,
            files=len(files),
        )
    )
    return [message for message in harness.sent[before:] if message.address.id == person]


async def test_files_that_a_sender_gives_go_with_their_next_notice() -> None:
    other = FILE.model_copy(update={"name": "地図.png", "sha256": "b" * 64})
    async with chat() as harness:
        (first,) = await give(harness, "hq", FILE)
        assert "1件預かっています。\n・避難所一覧.pdf（1.2MB）" in first.text
        (second,) = await give(harness, "hq", other)
        assert "2件預かっています" in second.text
        seen = await harness.say("hq", "/一斉 資料です。")
        assert "添付ファイル 2件：" in seen.text
        await harness.press("hq", seen, "送信する")
        (notice,) = [each for each in harness.sent if each.reference == "broadcast:1"]
        assert "添付ファイル：避難所一覧.pdf（1.2MB）、地図.png（1.2MB）" in notice.text  # this platform takes none
        assert "添付ファイル" not in (await harness.say("hq", "/一斉 次の連絡")).text


async def test_files_can_be_put_aside_and_too_many_are_refused_without_losing_the_others() -> None:
    async with chat() as harness:
        (kept,) = await give(harness, "hq", FILE)
        (refused,) = await give(harness, "hq", *[FILE] * 10)
        assert "10件まで" in refused.text
        assert "添付ファイル 1件" in (await harness.say("hq", "/一斉 資料です。")).text
        await give(harness, "hq", FILE)
        assert "添えません" in (await harness.press("hq", kept, "添えない"))[-1].text
        assert "添付ファイル" not in (await harness.say("hq", "/一斉 資料です。")).text


async def test_a_refused_notice_leaves_the_files_for_the_next_try() -> None:
    async with chat() as harness:
        await give(harness, "hq", FILE)
        assert "{場所}" in (await harness.say("hq", "/一斉 {場所}に集合")).text
        assert "添付ファイル 1件" in (await harness.say("hq", "/一斉 ロビーに集合")).text


async def test_files_of_those_who_may_not_send_and_of_platforms_without_files_are_left_alone() -> None:
    async with chat() as harness:
        assert await give(harness, "a", FILE) == []
        del harness.platform.fetch_files  # type: ignore[attr-defined] # as put there above
        event = MessageReceived(
            adapter="fake",
            key="no-files-here",
            conversation="hq",
            direct=True,
            occurred_at=harness.clock.now(),
            sender="hq",
            message_id="m",
            files=1,
        )
        await harness.receive(event)
        assert "このチャットからは、ファイルを受け取れません" in harness.sent_to("hq")[-1].text
