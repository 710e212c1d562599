"""The control socket's two ends, in one process and on Python's own loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bot.clock import ManualClock
from bot.control import NoAnswer, NotRunning, RunningBot, answering
from bot.events import Unknown
from bot.inbox import SqliteInbox
from bot.testing.harness import START


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def nothing() -> None:
    """Nobody has queued anything."""


async def with_failed(tmp_path: Path, *keys: str) -> SqliteInbox:
    inbox = SqliteInbox(tmp_path / "inbox.sqlite3", ManualClock(START), durability="process")
    await inbox.open()
    await inbox.append(
        [Unknown(adapter="fake", key=key, conversation="", occurred_at=START, payload="回覧板") for key in keys]
    )
    for record in await inbox.take(10):
        await inbox.fail(record.id, f"理由 {record.event.key}", None)
    return inbox


async def test_both_ends_say_the_same(tmp_path: Path, place: Path) -> None:
    inbox = await with_failed(tmp_path, "a", "b")
    asked = RunningBot(place)
    async with answering(place, inbox, nothing):
        assert await asked.failed() == list(await inbox.failed())
        assert [each.key for each in await asked.failed(1)] == ["b"]
        assert await asked.replay(1)
        assert not await asked.replay(1)
        assert [record.event.key for record in await inbox.take(10)] == ["a"]
        assert [each.key for each in await asked.failed()] == ["b"]
        assert await asked.discard(2)
        assert not await asked.discard(2)
        assert await asked.failed() == list(await inbox.failed()) == []
    with pytest.raises(NotRunning):
        await asked.failed()
    await inbox.close()


async def test_the_outbox_is_rung(tmp_path: Path, place: Path) -> None:
    rung: list[str] = []
    inbox = await with_failed(tmp_path)
    async with answering(place, inbox, lambda: rung.append("rung")):
        await RunningBot(place).ring()
    assert rung == ["rung"]
    await inbox.close()


async def test_a_bot_that_is_stopping_is_no_empty_list(tmp_path: Path, place: Path) -> None:
    inbox = await with_failed(tmp_path, "a")
    await inbox.close()
    async with answering(place, inbox, nothing):
        with pytest.raises(NoAnswer, match="503: The inbox is closed"):
            await RunningBot(place).failed()
        with pytest.raises(NoAnswer, match="503"):
            await RunningBot(place).replay(1)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("POST", "/inbox/failed"),
        ("GET", "/inbox/failed/1/replay"),
        ("POST", "/inbox/failed/one/replay"),
        ("POST", "/inbox/failed/one/discard"),
        ("GET", "/outbox/ring"),
        ("POST", f"/inbox/failed/{'9' * 30}/replay"),
        ("GET", "/inbox/failed?limit=-1"),
        ("GET", f"/inbox/failed?limit={'9' * 5_000}"),
    ],
)
async def test_nothing_else_can_be_asked(tmp_path: Path, place: Path, method: str, path: str) -> None:
    inbox = await with_failed(tmp_path, "a")
    async with (
        answering(place, inbox, nothing),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(place))) as client,
        client.request(method, f"http://bot{path}") as response,
    ):
        assert response.status == 400
    assert len(await inbox.failed()) == 1
    await inbox.close()


@pytest.mark.parametrize("answer", [b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"])
async def test_somebody_else_at_the_socket_is_no_answer(place: Path, answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(speak, place):
        with pytest.raises(NoAnswer):
            await RunningBot(place).failed()


async def test_a_folder_in_which_nothing_can_be_made_leaves_the_bot_running(tmp_path: Path) -> None:
    inbox = await with_failed(tmp_path, "a")
    async with answering(tmp_path / "missing" / "control.sock", inbox, nothing):
        assert len(await inbox.failed()) == 1
    await inbox.close()
