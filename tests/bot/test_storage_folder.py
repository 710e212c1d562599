"""Files that are deleted, damaged, shared or grown under a running bot: a sentence and the safe thing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.clock import ManualClock
from bot.errors import ConfigurationError, InboxUnavailable
from bot.events import MessageReceived
from bot.folders import held_alone
from bot.inbox import SqliteInbox
from bot.log_shrinking import shrink
from bot.testing.harness import START


def said(key: str) -> MessageReceived:
    return MessageReceived(
        adapter="fake",
        key=key,
        conversation="p",
        direct=True,
        occurred_at=START,
        sender="p",
        message_id=key,
        text="水",
    )


async def reopened(file: Path) -> list[str]:
    """The keys that are pending after a kill: what a copy of the folder holds."""
    copy = file.parent / "copy" / file.name
    copy.parent.mkdir()
    shutil.copytree(file.parent / "inbox-keys", copy.parent / "inbox-keys")
    for each in (file, file.with_name(f"{file.name}-wal")):
        copy.with_name(each.name).write_bytes(each.read_bytes())
    inbox = SqliteInbox(copy, ManualClock(START))
    await inbox.open()
    try:
        return [record.event.key for record in await inbox.take(100)]
    finally:
        await inbox.close()


@pytest.mark.parametrize("gone", [["inbox.sqlite3"], ["inbox.sqlite3-wal"], ["inbox.sqlite3", "inbox.sqlite3-wal"]])
async def test_an_inbox_whose_files_are_deleted_under_it_is_written_anew(tmp_path: Path, gone: list[str]) -> None:
    file = tmp_path / "inbox.sqlite3"
    inbox = SqliteInbox(file, ManualClock(START))
    await inbox.open()
    assert await inbox.append([said("before")]) == 1
    for name in gone:
        (tmp_path / name).unlink()
    assert await inbox.append([said("after")]) == 1
    assert await inbox.append([said("before")]) == 0
    assert await inbox.readiness() is None
    assert await reopened(file) == ["before", "after"]
    await inbox.close()


async def test_another_file_in_the_inboxs_place_is_for_people_to_look_at(tmp_path: Path) -> None:
    file = tmp_path / "inbox.sqlite3"
    inbox = SqliteInbox(file, ManualClock(START))
    await inbox.open()
    file.rename(tmp_path / "away")
    file.write_bytes(b"a copy of last week")
    with pytest.raises(InboxUnavailable, match="another file"):
        await inbox.append([said("k")])
    assert "another file" in (await inbox.readiness() or "")
    assert file.read_bytes() == b"a copy of last week"
    file.unlink()
    (tmp_path / "away").rename(file)
    assert await inbox.append([said("k")]) == 1
    await inbox.close()


@pytest.mark.parametrize("page", [1, 2, 3])
async def test_a_damaged_inbox_says_what_to_do_and_stays_as_it_is(tmp_path: Path, page: int) -> None:
    file = tmp_path / "inbox.sqlite3"
    inbox = SqliteInbox(file, ManualClock(START))
    await inbox.open()
    await inbox.append([said(f"k{number}") for number in range(500)])
    await inbox.close()
    content = bytearray(file.read_bytes())
    start = (page - 1) * 4096
    content[start : start + 4096] = b"\xa5" * 4096
    file.write_bytes(content)
    damaged, problem = SqliteInbox(file, ManualClock(START)), ""
    try:
        await damaged.open()
    except ConfigurationError as error:
        problem = str(error)
    if problem:
        assert str(file) in problem
        assert file.read_bytes()[start : start + 4096] == b"\xa5" * 4096
    else:  # a page that only the order of failed events needs
        assert len(await damaged.take(1_000)) == 500
        await damaged.close()


def test_two_bots_on_one_database_by_two_paths_are_kept_apart(tmp_path: Path) -> None:
    folder, other = tmp_path / "a", tmp_path / "b"
    folder.mkdir()
    other.symlink_to(folder)
    database = folder / "kairanban.sqlite3"
    database.touch()
    with (
        held_alone(database),
        pytest.raises(ConfigurationError, match="ほかのボット"),
        held_alone(other / "kairanban.sqlite3"),
    ):
        pass
    with held_alone(other / "kairanban.sqlite3"):
        pass
    (tmp_path / "second.sqlite3").hardlink_to(database)
    with pytest.raises(ConfigurationError, match="別の名前"), held_alone(database):
        pass


def test_the_log_is_cut_short_once_a_long_reader_has_gone(tmp_path: Path) -> None:
    file = tmp_path / "kairanban.sqlite3"
    grown = tmp_path / "kairanban.sqlite3-wal"
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE words (word TEXT)")
        with closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM words").fetchone()
            for _ in range(50):
                writer.execute("INSERT INTO words VALUES (?)", ("水" * 20_000,))
            size = grown.stat().st_size
            assert size > 2**20
            assert not shrink(file, 2**20)
            reader.execute("COMMIT")
        assert shrink(file, 2**20)
        assert grown.stat().st_size == 0
