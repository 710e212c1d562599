"""The bot as a whole: its start, its end, and the ten lines that a newcomer writes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import Bot, ConfigurationError, Context, Router
from bot.clock import SystemClock
from bot.events import Event, MessageReceived
from bot.testing import FakePlatform

MOMENT = datetime(2023, 7, 3, tzinfo=UTC)


def said(text: str, key: str) -> MessageReceived:
    return MessageReceived(
        adapter="fake",
        key=key,
        conversation="alice",
        direct=True,
        occurred_at=MOMENT,
        sender="alice",
        message_id=key,
        text=text,
    )


class Listening(FakePlatform):
    """Says two things by itself and then no more."""

    async def listen(self, take: Callable[[Sequence[Event]], Awaitable[None]]) -> None:
        await take([said("/ping", "e1")])
        await take([said("/ping", "e2")])


@pytest.fixture
def router() -> Router:
    router = Router()

    @router.command("ping")
    async def ping(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("pong")

    return router


def test_the_ten_line_bot_answers_in_a_terminal() -> None:
    example = Path(__file__).parents[2] / "examples" / "ping.py"
    ended = subprocess.run(
        [sys.executable, str(example)], input="/ping\n", capture_output=True, text=True, timeout=60, check=True
    )
    assert "pong" in ended.stdout


def test_run_works_until_its_listeners_have_no_more_to_say(router: Router) -> None:
    platform = Listening(SystemClock())
    Bot(router, [platform]).run()
    assert [message.text for message in platform.sent] == ["pong", "pong"]
    assert not platform.is_open


def test_run_without_anything_to_wait_for_says_what_to_do(router: Router) -> None:
    with pytest.raises(ConfigurationError, match=r"run\(port=8080\)"):
        Bot(router, [FakePlatform(SystemClock())]).run()


def test_two_adapters_of_one_name_are_refused(router: Router) -> None:
    with pytest.raises(ConfigurationError, match="name of its own"):
        Bot(router, [FakePlatform(SystemClock()), FakePlatform(SystemClock())])


async def test_a_bot_with_a_storage_folder_remembers_after_a_restart(router: Router, tmp_path: Path) -> None:
    platform = FakePlatform(SystemClock())
    bot = Bot(router, [platform], storage=tmp_path / "data")
    for _ in range(2):
        async with bot:
            await bot.take([said("/ping", "e1")])
            await bot.idle()
    assert [message.text for message in platform.sent] == ["pong"]
    await bot.stop()


async def test_what_was_opened_is_closed_when_something_else_cannot_be(router: Router, tmp_path: Path) -> None:
    platform = FakePlatform(SystemClock())
    async with Bot(router, [platform], storage=tmp_path):
        with pytest.raises(ConfigurationError, match="in use"):
            await Bot(router, [FakePlatform(SystemClock())], storage=tmp_path).start()


async def test_a_stopped_bot_leaves_its_unfinished_events_for_the_next(tmp_path: Path) -> None:
    router = Router()
    begun, release = asyncio.Event(), asyncio.Event()

    @router.command("ping")
    async def ping(ctx: Context[MessageReceived]) -> None:
        begun.set()
        await release.wait()
        await ctx.reply("pong")

    platform = FakePlatform(SystemClock())
    async with Bot(router, [platform], storage=tmp_path) as bot:
        await bot.take([said("/ping", "e1"), said("/ping", "e2")])
        await begun.wait()
    assert bot.activity.is_idle
    release.set()
    async with Bot(router, [platform], storage=tmp_path) as bot:
        await bot.idle()
    assert [message.text for message in platform.sent] == ["pong", "pong"]


CLUMSY = """
from bot import Bot, Router
from bot.adapters.terminal import Terminal
from bot.dispatch import DispatchPolicy

router = Router()


@router.command("boom")
async def boom(ctx):
    token = "-".join(["hush", "hush"])
    raise RuntimeError(len(token))


Bot(router, adapters=[Terminal()], policy=DispatchPolicy(retry_after=())).run()
"""


def test_a_small_bot_that_fails_logs_where_and_not_with_which_values(tmp_path: Path) -> None:
    (tmp_path / "clumsy.py").write_text(CLUMSY)
    ran = subprocess.run(
        [sys.executable, "clumsy.py"],
        input="/boom\n",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    logged = ran.stdout + ran.stderr
    assert "handler_failed" in logged
    assert "raise RuntimeError(len(token))" in logged
    assert "hush-hush" not in logged
