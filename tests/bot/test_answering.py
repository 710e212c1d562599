"""Platforms that want more than an empty 200: the door hands their requests to the adapter, signatures first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from bot import Bot, Context, Router
from bot.adapter import Reply
from bot.clock import ManualClock
from bot.events import MessageReceived
from bot.serving import serving
from bot.testing.platform import FakePlatform
from tests.bot.test_dispatch import said

CLOCK = ManualClock(datetime(2023, 7, 3, tzinfo=UTC))


class Talkative(FakePlatform):
    """Answers a challenge and a question, and takes events below an address of its own."""

    def answer(self, method: str, path: str, body: bytes) -> Reply | None:
        if body.startswith(b"challenge:"):
            return Reply(body.partition(b":")[2], content_type="text/plain")
        if path.startswith("/transactions/") and method == "PUT":
            return Reply(events=True)
        return Reply(path.encode(), 404) if path.startswith("/users/") and method == "GET" else None


@asynccontextmanager
async def door(folder: Path) -> AsyncIterator[tuple[Bot, Talkative, aiohttp.ClientSession]]:
    platform = Talkative(CLOCK)
    router = Router()

    @router.on(MessageReceived)
    async def echo(ctx: Context[MessageReceived]) -> None:
        await ctx.reply(ctx.event.text)

    async with AsyncExitStack() as stack:
        bot = await stack.enter_async_context(Bot(router, [platform], storage=folder, clock=CLOCK))
        port = await stack.enter_async_context(serving(bot.web_server(), "127.0.0.1", 0))
        client = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
        yield bot, platform, client


async def ask(
    client: aiohttp.ClientSession, platform: Talkative, method: str, path: str, body: bytes = b""
) -> tuple[int, bytes, str]:
    async with client.request(method, "/webhooks/fake" + path, data=body, headers=platform.sign(body)) as response:
        return response.status, await response.read(), response.content_type


async def test_a_challenge_is_answered_in_the_adapters_words_and_stores_nothing(tmp_path: Path) -> None:
    async with door(tmp_path) as (bot, platform, client):
        assert await ask(client, platform, "POST", "", b"challenge:abc") == (200, b"abc", "text/plain")
        assert bot.inbox.backlog == 0


async def test_events_below_an_address_are_stored_before_the_adapters_answer(tmp_path: Path) -> None:
    async with door(tmp_path) as (bot, platform, client):
        body = platform.encode(said("alice", "hello"))
        assert await ask(client, platform, "PUT", "/transactions/7", body) == (200, b"{}", "application/json")
        await bot.idle()
        assert [message.text for message in platform.sent] == ["hello"]
        assert (await ask(client, platform, "POST", "", body))[:2] == (200, b""), "The plain way is still there."


async def test_a_question_is_answered_with_the_path_as_it_was_sent(tmp_path: Path) -> None:
    async with door(tmp_path) as (_, platform, client):
        assert (await ask(client, platform, "GET", "/users/%E3%81%82"))[:2] == (404, b"/users/%E3%81%82")


async def test_what_the_adapter_does_not_know_is_not_there(tmp_path: Path) -> None:
    async with door(tmp_path) as (_, platform, client):
        for method, path in (("GET", ""), ("POST", "/elsewhere"), ("DELETE", "/users/a")):
            assert (await ask(client, platform, method, path))[0] == 404
        async with client.get("/webhooks/fakes/users/a") as response:
            assert response.status == 404, "An address that only begins alike is nobody's."


async def test_nobody_is_answered_without_a_signature(tmp_path: Path) -> None:
    async with door(tmp_path) as (_, _, client):
        for path in ("", "/users/a", "/transactions/1"):
            async with client.put("/webhooks/fake" + path, data=b"challenge:abc") as response:
                assert response.status == 401


async def test_while_the_log_is_full_the_adapters_answer_is_withheld(tmp_path: Path) -> None:
    async with door(tmp_path) as (bot, platform, client):
        await bot.inbox.close()
        body = platform.encode(said("alice", "hello"))
        assert (await ask(client, platform, "PUT", "/transactions/8", body))[0] == 503
