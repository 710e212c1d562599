"""Nothing that was accepted is lost, and nothing comes in twice."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from bot.clock import TOKYO, ManualClock
from bot.errors import ConfigurationError, InboxUnavailable
from bot.events import EVENT, Event, Location, MessageRead, MessageReceived, Unknown
from bot.inbox import SqliteInbox
from bot.inbox.file import EventFile

MOMENT = datetime(2023, 7, 3, tzinfo=UTC)


def event(key: str, adapter: str = "fake") -> Event:
    return MessageRead(
        adapter=adapter, key=key, conversation="alice", occurred_at=MOMENT, reader="alice", message_id="m1"
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MOMENT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "inbox.sqlite3"


@pytest.fixture
async def inbox(path: Path, clock: ManualClock) -> AsyncIterator[SqliteInbox]:
    inbox = SqliteInbox(path, clock)
    await inbox.open()
    yield inbox
    await inbox.close()


async def reopened(inbox: SqliteInbox) -> SqliteInbox:
    await inbox.close()
    await inbox.open()
    return inbox


async def test_events_come_out_in_their_order_and_each_once(inbox: SqliteInbox) -> None:
    assert await inbox.append([event("a"), event("b"), event("c")]) == 3
    assert [record.event.key for record in await inbox.take(2)] == ["a", "b"]
    assert [record.event.key for record in await inbox.take(2)] == ["c"]
    assert await inbox.take(2) == []
    assert inbox.backlog == 3


async def test_what_was_seen_before_is_passed_over_even_within_one_request(inbox: SqliteInbox) -> None:
    assert await inbox.append([event("a"), event("a"), event("b")]) == 2
    assert await inbox.append([event("b"), event("c")]) == 1
    assert await inbox.append([event("a", adapter="other")]) == 1
    assert [record.event.key for record in await inbox.take(10)] == ["a", "b", "c", "a"]


async def test_requests_that_arrive_together_share_commits(inbox: SqliteInbox) -> None:
    added = await asyncio.gather(*(inbox.append([event(f"e{number // 2}")]) for number in range(40)))
    assert sum(added) == 20
    assert inbox.commits == 1
    assert inbox.backlog == 20


async def test_a_full_batch_does_not_wait_for_more(inbox: SqliteInbox) -> None:
    await asyncio.gather(*(inbox.append([event(f"e{number}")]) for number in range(1_000)))
    assert inbox.commits < 20
    assert [record.event.key for record in await inbox.take(1_000)] == [f"e{number}" for number in range(1_000)]


async def test_more_events_than_fit_one_statement_are_all_kept(inbox: SqliteInbox) -> None:
    assert await inbox.append([event(f"e{number}") for number in range(2_500)]) == 2_500
    assert len(await inbox.take(3_000)) == 2_500


async def test_no_events_are_no_commit(inbox: SqliteInbox) -> None:
    assert await inbox.append([]) == 0
    assert inbox.commits == 0


async def test_unacknowledged_events_come_again_after_a_restart_and_say_so(inbox: SqliteInbox) -> None:
    await inbox.append([event("a"), event("b")])
    first, _ = await inbox.take(2)
    assert not first.redelivered
    await inbox.acknowledge([first.id])
    rung: list[bool] = []
    inbox.on_arrival(lambda: rung.append(True))
    await reopened(inbox)
    (record,) = await inbox.take(10)
    assert record.event == event("b")
    assert record.redelivered
    assert rung
    assert await inbox.append([event("a")]) == 0


async def test_events_survive_a_process_that_is_killed_between_the_answer_and_the_work(path: Path) -> None:
    script = (
        "import asyncio, os, sys\n"
        "from tests.bot.test_inbox import *\n"
        "async def main():\n"
        "    inbox = SqliteInbox(sys.argv[1], ManualClock(MOMENT))\n"
        "    await inbox.open()\n"
        "    await inbox.append([event('a'), event('b')])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    inbox = SqliteInbox(path, ManualClock(MOMENT))
    await inbox.open()
    assert [record.event.key for record in await inbox.take(10)] == ["a", "b"]
    await inbox.close()


async def test_a_failed_event_is_kept_listed_and_can_be_replayed(inbox: SqliteInbox) -> None:
    await inbox.append([event("a")])
    (record,) = await inbox.take(1)
    await inbox.fail(record.id, "once", MOMENT + timedelta(seconds=2))
    assert await inbox.failed() == []
    await inbox.fail(record.id, "twice", None)
    (failed,) = await inbox.failed()
    assert (failed.key, failed.attempts, failed.error, failed.received_at) == ("a", 2, "twice", MOMENT)
    assert '"key":"a"' in failed.payload
    assert inbox.backlog == 0
    assert await inbox.replay(record.id)
    (again,) = await inbox.take(1)
    assert (again.event, again.attempts, again.redelivered) == (event("a"), 0, True)
    assert await inbox.failed() == []
    assert not await inbox.replay(999)


async def test_of_two_who_ask_for_another_try_at_once_one_gets_it(inbox: SqliteInbox) -> None:
    await inbox.append([event("a")])
    [record] = await inbox.take(1)
    await inbox.fail(record.id, "on purpose", None)
    asked = await asyncio.gather(inbox.replay(record.id), inbox.replay(record.id))
    assert sorted(asked) == [False, True]
    assert [again.event.key for again in await inbox.take(10)] == ["a"]


async def test_a_list_of_failed_events_shows_the_beginning_of_a_long_one_and_another_try_has_all_of_it(
    inbox: SqliteInbox,
) -> None:
    long = Unknown(adapter="fake", key="long", conversation="", occurred_at=MOMENT, payload="あ" * 2**20)
    await inbox.append([long, event("short")])
    records = await inbox.take(2)
    for record in records:
        await inbox.fail(record.id, "on purpose", None)
    short, cut = await inbox.failed()
    assert EVENT.validate_json(short.payload) == event("short")
    assert (cut.key, len(cut.payload)) == ("long", 4_000)
    assert await inbox.count_failed() == 2
    assert await inbox.replay(cut.id)
    assert [record.event for record in await inbox.take(2)] == [long]
    assert await inbox.count_failed() == 1


async def test_a_retry_keeps_its_count_and_its_moment_over_a_restart(inbox: SqliteInbox) -> None:
    await inbox.append([event("a")])
    (record,) = await inbox.take(1)
    await inbox.fail(record.id, "once", MOMENT + timedelta(seconds=2))
    (again,) = await (await reopened(inbox)).take(1)
    assert (again.attempts, again.retry_at) == (1, MOMENT + timedelta(seconds=2))


@pytest.mark.parametrize("damage", ["'{\"no event\"'", "X'ff00'", "NULL"])
async def test_a_row_that_cannot_be_read_is_kept_as_failed_and_the_others_go_on(
    inbox: SqliteInbox, path: Path, damage: str
) -> None:
    await inbox.append([event("a"), event("b")])
    await inbox.close()
    with sqlite3.connect(path) as file:
        file.execute(f"UPDATE events SET payload = {damage} WHERE key = 'a'")  # noqa: S608 - three literals
    file.close()
    await inbox.open()
    assert [record.event.key for record in await inbox.take(10)] == ["b"]
    (failed,) = await inbox.failed()
    assert failed.key == "a"
    assert "cannot be read" in failed.error
    assert not await inbox.replay(failed.id)


async def test_a_second_process_is_told_that_the_file_is_in_use(inbox: SqliteInbox, path: Path) -> None:
    with pytest.raises(ConfigurationError, match="in use by another process"):
        await SqliteInbox(path, ManualClock(MOMENT)).open()
    assert await inbox.append([event("a")]) == 1


async def test_a_file_that_is_no_inbox_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite3"
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(ConfigurationError, match="move it away"):
        await SqliteInbox(path, ManualClock(MOMENT)).open()


async def test_a_file_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite3"
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(ConfigurationError, match="format 99"):
        await SqliteInbox(path, ManualClock(MOMENT)).open()


async def test_a_path_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        await SqliteInbox(tmp_path / "file" / "inbox.sqlite3", ManualClock(MOMENT)).open()


async def test_a_disk_that_is_full_is_unavailable_and_keeps_nothing_half(
    inbox: SqliteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: EventFile, rows: object) -> list[int | None]:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(EventFile, "append", full)
        with pytest.raises(InboxUnavailable, match="disk is full"):
            await inbox.append([event("a")])
    assert inbox.backlog == 0
    assert await inbox.take(10) == []
    assert await inbox.append([event("a")]) == 1


async def test_a_disk_that_is_really_full_is_unavailable(inbox: SqliteInbox) -> None:
    await inbox._call(lambda file: file._connection.execute("PRAGMA max_page_count = 6").fetchone())
    with pytest.raises(InboxUnavailable, match="full"):
        await inbox.append([event(f"e{number}") for number in range(1_000)])
    assert inbox.backlog == 0


async def test_the_backlog_has_a_limit_by_number_and_by_size(path: Path, clock: ManualClock) -> None:
    inbox = SqliteInbox(path, clock, backlog_limit=2)
    await inbox.open()
    await inbox.append([event("a"), event("b")])
    with pytest.raises(InboxUnavailable, match="takes no more"):
        await inbox.append([event("c")])
    await inbox.acknowledge([record.id for record in await inbox.take(1)])
    assert await inbox.append([event("c")]) == 1
    await inbox.close()
    small = SqliteInbox(path, clock, backlog_bytes=100)
    await small.open()
    with pytest.raises(InboxUnavailable):
        await small.append([event("d")])
    await small.close()


async def test_a_closed_inbox_is_unavailable(path: Path, clock: ManualClock) -> None:
    inbox = SqliteInbox(path, clock)
    assert not inbox.is_open
    with pytest.raises(InboxUnavailable):
        await inbox.append([event("a")])
    with pytest.raises(InboxUnavailable):
        await inbox.failed()
    await inbox.close()


async def test_closing_finishes_what_is_on_its_way(path: Path, clock: ManualClock) -> None:
    inbox = SqliteInbox(path, clock)
    await inbox.open()
    appending = [asyncio.create_task(inbox.append([event(f"e{number}")])) for number in range(5)]
    await asyncio.sleep(0)
    await inbox.close()
    assert await asyncio.gather(*appending) == [1] * 5


async def test_keys_are_forgotten_after_their_time_and_pending_events_are_not(
    inbox: SqliteInbox, clock: ManualClock
) -> None:
    await inbox.append([event("done"), event("pending")])
    done, _ = await inbox.take(2)
    await inbox.acknowledge([done.id])
    await reopened(inbox)
    clock.advance(timedelta(days=6))
    assert await inbox.append([event("done")]) == 0
    clock.advance(timedelta(days=2))
    await inbox.append([event("later")])
    assert await inbox.append([event("done"), event("pending")]) == 1


async def test_a_cancelled_request_keeps_its_event(inbox: SqliteInbox) -> None:
    gone = asyncio.create_task(inbox.append([event("a")]))
    stays = asyncio.create_task(inbox.append([event("b")]))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 1
    assert [record.event.key for record in await inbox.take(10)] == ["a", "b"]


@pytest.mark.parametrize("files", [3, 2**70])
async def test_an_event_comes_back_from_the_disk_as_it_went_in(inbox: SqliteInbox, files: int) -> None:
    whole = MessageReceived(
        adapter="fake",
        key="a",
        conversation="alice",
        direct=True,
        occurred_at=MOMENT.astimezone(TOKYO) + timedelta(microseconds=1),
        sender="alice",
        message_id="m1",
        text='改行\n"引用" 😀',
        location=Location(latitude=35.7, longitude=139.7, label="市役所"),
        files=files,
    )
    await inbox.append([whole])
    (record,) = await (await reopened(inbox)).take(1)
    assert record.event == whole


async def test_what_no_database_takes_is_replaced_before_anybody_sees_it(
    inbox: SqliteInbox, clock: ManualClock
) -> None:
    """PostgreSQL has no NUL, and an adapter that reads JSON with Python's own module lets half a letter through."""
    said = MessageReceived(
        adapter="fake",
        key="k\0",
        conversation="alice",
        occurred_at=MOMENT,
        sender="alice",
        message_id="m1",
        text="あ\0い \\u0000 \ud83d",
        location=Location(latitude=1, longitude=2, label="\0"),
        reply_token="\udc00",
    )
    assert await inbox.append([said, event("b")]) == 2
    assert await inbox.append([said]) == 0
    (at_once, other) = await inbox.take(2)
    assert isinstance(at_once.event, MessageReceived)
    assert at_once.event.location is not None
    assert (at_once.event.key, at_once.event.text) == ("k\ufffd", "あ\ufffdい \\u0000 \ufffd")
    assert (at_once.event.location.label, at_once.event.reply_token) == ("\ufffd", "\ufffd")
    assert other.event == event("b")
    (record, _) = await (await reopened(inbox)).take(2)
    assert record.event == at_once.event


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-14))),
    ],
)
async def test_what_happened_at_an_impossible_moment_happened_when_it_came(
    inbox: SqliteInbox, clock: ManualClock, moment: datetime
) -> None:
    assert await inbox.append([event("a").model_copy(update={"occurred_at": moment})]) == 1
    (record,) = await inbox.take(1)
    assert record.event == event("a").model_copy(update={"occurred_at": clock.now()})
