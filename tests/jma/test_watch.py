"""A folder of telegrams: complete files are taken once, and every file is kept."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.activity import Activity
from bot.clock import ManualClock
from bot.storage import Database
from bot.testing.blank import blank_database
from broadcasts.jma import Decision, FolderWatch, Jma
from broadcasts.jma.tree import SIZE_LIMIT
from tests.jma.play import SHIZUOKA
from tests.jma.telegrams import shindo

INTERVAL = timedelta(seconds=2)


class Office:
    """A watched folder, the service behind it, and what was reported."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.clock = ManualClock(datetime(2026, 11, 23, 5, 4, tzinfo=UTC))
        self.activity = Activity()
        self.reports: list[tuple[str, str]] = []
        self.broken: Exception | None = None
        self.jma = Jma(database, self.clock, self.activity, SHIZUOKA, on_ready=self.show)
        self.watch = FolderWatch(folder, self.receive, self.clock, self.activity, report=self.report, interval=INTERVAL)

    async def show(self, draft: object) -> None:
        raise AssertionError(f"nothing becomes ready in these tests: {draft}")

    async def receive(self, data: bytes, source: str) -> Decision:
        if self.broken is not None:
            raise self.broken
        return await self.jma.receive(data, source)

    async def report(self, name: str, decision: Decision) -> None:
        self.reports.append((name, decision.action))

    def drop(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    async def look_twice(self) -> list[tuple[str, str]]:
        await self.watch.scan()
        return [(name, decision.action) for name, decision in await self.watch.scan()]

    def lying(self, drawer: str) -> list[str]:
        return sorted(path.name for path in (self.folder / drawer).glob("*"))


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    database = await blank_database(tmp_path / "test.sqlite3")
    yield Office(tmp_path / "telegrams", database)
    await database.close()


async def test_the_folder_is_made_if_it_is_missing(office: Office) -> None:
    assert await office.watch.scan() == []
    assert office.folder.is_dir()


async def test_a_complete_file_is_taken_at_the_second_look_and_put_away(office: Office) -> None:
    await office.watch.scan()
    office.drop("a.xml", shindo("6-"))
    assert await office.watch.scan() == []
    [(name, decision)] = await office.watch.scan()
    assert (name, decision.action) == ("a.xml", "draft")
    assert office.lying("done") == ["a.xml"]
    assert office.reports == [("a.xml", "draft")]
    assert await office.watch.scan() == []


async def test_a_file_that_still_grows_is_left_until_it_rests(office: Office) -> None:
    await office.watch.scan()
    data = shindo("6-")
    office.drop("a.xml", data[:100])
    await office.watch.scan()
    office.drop("a.xml", data)
    assert await office.watch.scan() == []
    assert [decision.action for _, decision in await office.watch.scan()] == ["draft"]


async def test_unfinished_hidden_and_linked_files_are_left_alone(office: Office, tmp_path: Path) -> None:
    await office.watch.scan()
    for name in (".a.xml", "b.xml.tmp", "c.part"):
        office.drop(name, shindo("6-"))
    outside = tmp_path / "outside.xml"
    outside.write_bytes(shindo("6-"))
    (office.folder / "d.xml").symlink_to(outside)
    os.mkfifo(office.folder / "e.xml")
    assert await office.look_twice() == []
    assert len(list(office.folder.iterdir())) == 5


async def test_what_cannot_be_read_is_put_aside_and_reported(office: Office) -> None:
    await office.watch.scan()
    office.drop("broken.xml", shindo("6-")[:200])
    office.drop("huge.xml", b" " * (SIZE_LIMIT + 10))
    assert sorted(await office.look_twice()) == [("broken.xml", "unreadable"), ("huge.xml", "unreadable")]
    assert office.lying("unreadable") == ["broken.xml", "huge.xml"]
    assert (office.folder / "unreadable" / "huge.xml").stat().st_size == SIZE_LIMIT + 10
    assert len(await office.jma.unreadable()) == 2


async def test_a_name_that_was_there_before_is_never_overwritten(office: Office) -> None:
    await office.watch.scan()
    for value in ("5-", "5+", "6-"):
        office.drop("a.xml", shindo(value))
        await office.look_twice()
    assert office.lying("done") == ["a-2.xml", "a-3.xml", "a.xml"]


async def test_files_are_taken_in_the_order_in_which_they_came(office: Office) -> None:
    await office.watch.scan()
    for age, name in enumerate(("c.xml", "a.xml", "b.xml")):
        os.utime(office.drop(name, shindo(sent=f"2026-11-23T05:03:{age:02}Z")), ns=(age, age))
    assert [name for name, _ in await office.look_twice()] == ["c.xml", "a.xml", "b.xml"]


async def test_a_file_with_a_name_that_is_no_text_is_taken(office: Office) -> None:
    await office.watch.scan()
    office.drop(os.fsdecode(b"\xff.xml"), shindo("6-"))
    assert [action for _, action in await office.look_twice()] == ["draft"]
    assert len(office.lying("done")) == 1


async def test_a_file_that_cannot_be_moved_is_not_lost(office: Office) -> None:
    await office.watch.scan()
    office.drop("a.xml", shindo("6-"))
    (office.folder / "done").symlink_to(office.folder / "a.xml")
    await office.watch.scan()
    assert await office.watch.scan() == []
    assert (office.folder / "a.xml").exists()
    (office.folder / "done").unlink()
    # What was decided stands already; the telegram is known and only put away.
    assert [decision.action for _, decision in await office.watch.scan()] == ["ignore"]
    assert office.lying("done") == ["a.xml"]


async def test_the_watch_looks_at_every_interval_and_outlives_a_broken_database(office: Office) -> None:
    await office.watch.start()
    await office.activity.idle()
    office.drop("a.xml", shindo("6-"))
    office.broken = RuntimeError("the database is away")
    for _ in range(3):
        office.clock.advance(INTERVAL)
        await office.activity.idle()
    assert office.reports == []
    office.broken = None
    office.clock.advance(INTERVAL)
    await office.activity.idle()
    assert office.reports == [("a.xml", "draft")]
    await office.watch.stop()
    await office.watch.stop()
    assert office.activity.is_idle


async def test_a_watch_needs_nobody_to_report_to(office: Office) -> None:
    watch = FolderWatch(office.folder, office.receive, office.clock, office.activity)
    await watch.scan()
    office.drop("a.xml", shindo("6-"))
    await watch.scan()
    assert len(await watch.scan()) == 1


async def test_a_report_that_the_database_refuses_is_made_once_it_can_be(tmp_path: Path, office: Office) -> None:
    refused = [True]

    async def report(name: str, decision: Decision) -> None:
        if refused[0]:
            raise RuntimeError("the database is read-only")
        await office.report(name, decision)

    watch = FolderWatch(office.folder, office.receive, office.clock, office.activity, report=report, interval=INTERVAL)
    await watch.scan()
    office.drop("broken.xml", b"<Report>")
    office.drop("good.xml", shindo("6-"))
    with capture_logs() as lines:
        for _ in range(5):
            assert await watch.scan() == []
        refused[0] = False
        await watch.scan()
    assert ("broken.xml", "unreadable") in office.reports
    assert office.lying("unreadable") == ["broken.xml"]
    assert office.lying("done") == ["good.xml"]
    told = [line["event"] for line in lines if line["event"].startswith("jma.file_not_taken")]
    assert sorted(told) == ["jma.file_not_taken"] * 2 + ["jma.file_not_taken_over"] * 2


async def test_a_file_that_cannot_be_handled_keeps_no_telegram_after_it_waiting(office: Office) -> None:
    async def receive(data: bytes, source: str) -> Decision:
        if source == "poison.xml":
            raise ValueError("a mistake")
        return await office.receive(data, source)

    watch = FolderWatch(office.folder, receive, office.clock, office.activity)
    await watch.scan()
    office.drop("poison.xml", b"x")
    office.drop("warning.xml", shindo("6-"))
    await watch.scan()
    assert [name for name, _ in await watch.scan()] == ["warning.xml"]
    assert (office.folder / "poison.xml").exists()


async def test_a_folder_that_fails_is_told_once_and_not_every_two_seconds(office: Office) -> None:
    office.folder.write_text("a file where the folder should be")
    with capture_logs() as lines:
        await office.watch.start()
        for _ in range(50):
            await office.activity.idle()
            office.clock.advance(INTERVAL)
        office.folder.unlink()
        await office.activity.idle()
        office.clock.advance(INTERVAL)
        await office.activity.idle()
    assert [line["event"] for line in lines] == ["loop_failed", "loop_failed_over"]
    await office.watch.stop()
