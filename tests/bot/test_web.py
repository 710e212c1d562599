"""The door: what gets in, what is turned away, and what operators see."""

import asyncio
import hashlib
import io
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest

from bot import Context, Router
from bot.adapter import Retry
from bot.events import EVENT, MessageReceived, Unknown, Unused
from bot.inbox.file import EventFile
from bot.inbox.seals import Seals
from bot.testing import Harness
from bot.testing.harness import START
from tests.bot.test_dispatch import said


@asynccontextmanager
async def door(router: Router | None = None) -> AsyncIterator[tuple[Harness, aiohttp.ClientSession]]:
    async with (
        Harness(router or Router()) as harness,
        harness.serving() as address,
        aiohttp.ClientSession(address) as client,
    ):
        yield harness, client


async def knock(harness: Harness, client: aiohttp.ClientSession, body: bytes, **headers: str) -> int:
    signed = headers or harness.platform.sign(body)
    async with client.post("/webhooks/fake", data=io.BytesIO(body), headers=signed) as response:
        return response.status


async def test_a_signed_event_is_answered_200_and_handled_once_however_often_it_comes() -> None:
    router = Router()

    @router.on(MessageReceived)
    async def hears(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("heard")

    async with door(router) as (harness, client):
        body = harness.platform.encode(said("alice", "hello", key="e1"))
        assert await knock(harness, client, body) == 200
        assert await knock(harness, client, body) == 200
        await harness.idle()
        assert [message.text for message in harness.sent] == ["heard"]


@pytest.mark.parametrize("signature", ["0" * 64, "", "あ"])
async def test_a_wrong_signature_is_answered_401_and_nothing_is_stored(signature: str) -> None:
    async with door() as (harness, client):
        body = harness.platform.encode(said("alice", "hello"))
        assert await knock(harness, client, body, **{"X-Fake-Signature": signature}) == 401
        assert harness.inbox.commits == 0


async def test_an_adapter_that_stumbles_over_a_signature_turns_the_request_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stumble(*args: object) -> bool:
        raise ValueError("on purpose")

    async with door() as (harness, client):
        monkeypatch.setattr(harness.platform, "verify", stumble)
        assert await knock(harness, client, b"{}") == 401


@pytest.mark.parametrize("body", [b"no json", b"", b"\xff\xfe", b'{"events": 1}'])
async def test_a_signed_body_that_cannot_be_read_is_answered_200_and_kept(body: bytes) -> None:
    router = Router()
    kept: list[Unknown] = []

    @router.on(Unknown)
    async def keep(ctx: Context[Unknown]) -> None:
        kept.append(ctx.event)

    async with door(router) as (harness, client):
        assert await knock(harness, client, body) == 200
        assert await knock(harness, client, body) == 200
        await harness.idle()
        (event,) = kept
        assert event.key == hashlib.sha256(body).hexdigest()
        assert event.payload == body.decode("utf-8", "backslashreplace")
        assert event.reason == "The body is no list of events."


async def test_a_signed_body_that_nobody_can_read_is_kept_with_its_payload_where_it_can_be_replayed() -> None:
    async with door() as (harness, client):
        assert await knock(harness, client, b"no json") == 200
        await harness.idle()
        (kept,) = await harness.inbox.failed()
        assert EVENT.validate_json(kept.payload).model_dump()["payload"] == "no json"
        assert kept.error == "The body is no list of events."
        assert await harness.inbox.replay(kept.id)
        await harness.idle()
        assert [each.id for each in await harness.inbox.failed()] == [kept.id]


UNUSED = Unused(adapter="fake", key="u1", conversation="", occurred_at=START, payload='{"a":1}', reason="Not for us.")


async def test_what_is_known_and_not_for_us_is_no_failure_and_counted_apart_from_what_is_unreadable() -> None:
    async with door() as (harness, client):
        assert await knock(harness, client, harness.platform.encode(UNUSED)) == 200
        assert await knock(harness, client, harness.platform.encode(UNUSED)) == 200
        await harness.idle()
        assert (await harness.inbox.failed(), harness.inbox.backlog, harness.sent) == ([], 0, [])
        async with client.get("/metrics") as response:
            counted = (await response.text()).splitlines()
        assert 'kairanban_events_total{adapter="fake",outcome="received",type="unused"} 2.0' in counted
        assert 'kairanban_events_total{adapter="fake",outcome="ignored",type="unused"} 1.0' in counted
        assert "kairanban_inbox_failed 0.0" in counted


async def test_what_is_known_and_not_for_us_is_on_disk_at_the_200_and_its_payload_goes_with_the_acknowledgement() -> (
    None
):
    def kept(harness: Harness) -> list[tuple[str, bytes | None]]:
        # The log is opened a second time, as after a crash: its lock would keep out everybody else.
        with TemporaryDirectory() as copy:
            for file in harness.inbox.path.parent.glob("inbox.sqlite3*"):
                shutil.copy(file, copy)
            seals = Seals(harness.inbox.path, durable=False)
            seals.load()
            with closing(sqlite3.connect(Path(copy, harness.inbox.path.name))) as file_:
                rows = list(file_.execute("SELECT state, payload FROM events"))
                return [(state, None if payload is None else seals.unseal(payload)) for state, payload in rows]

    async with door() as (harness, client):
        async with harness.database.transaction():  # so that nothing can be noted as seen through meanwhile
            assert await knock(harness, client, harness.platform.encode(UNUSED)) == 200
            [(state, payload)] = kept(harness)
            assert state == "pending"
            assert EVENT.validate_json(payload or b"") == UNUSED
        await harness.idle()
        await harness.inbox.close()
        assert kept(harness) == [("done", None)]


async def test_a_handler_may_take_what_is_not_for_us_all_the_same() -> None:
    router = Router()
    seen: list[str] = []

    @router.on(Unused)
    async def take(ctx: Context[Unused]) -> None:
        seen.append(ctx.event.reason)

    async with door(router) as (harness, client):
        assert await knock(harness, client, harness.platform.encode(UNUSED)) == 200
        await harness.idle()
        assert seen == ["Not for us."]


async def test_a_body_over_a_megabyte_is_answered_413_with_and_without_a_length() -> None:
    async with door() as (harness, client):
        body = b" " * (2**20 + 1)
        assert await knock(harness, client, body) == 413
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 64 * 2**20:
                sent += 2**16
                yield b" " * 2**16

        try:
            async with client.post("/webhooks/fake", data=endless(), headers=harness.platform.sign(b"")) as response:
                assert response.status == 413
        except aiohttp.ClientError:
            pass  # cut off while it was still sending, which is right too
        assert sent < 64 * 2**20
        assert harness.inbox.commits == 0
        assert await knock(harness, client, b" " * 2**20) == 200


async def test_an_unknown_adapter_is_answered_404_with_the_known_ones() -> None:
    async with door() as (_, client), client.post("/webhooks/nobody", data=b"") as response:
        assert response.status == 404
        assert "fake" in await response.text()


async def test_a_log_that_cannot_be_written_is_answered_503_and_the_repetition_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: EventFile, rows: object) -> list[int | None]:
        raise sqlite3.OperationalError("database or disk is full")

    async with door() as (harness, client):
        body = harness.platform.encode(said("alice", "hello"))
        with monkeypatch.context() as broken:
            broken.setattr(EventFile, "append", full)
            async with client.post("/webhooks/fake", data=body, headers=harness.platform.sign(body)) as response:
                assert response.status == 503
                assert int(response.headers["Retry-After"]) > 0
        assert await knock(harness, client, body) == 200


async def test_a_handler_that_takes_long_delays_no_answer() -> None:
    router = Router()
    release = asyncio.Event()

    @router.on(MessageReceived)
    async def slow(ctx: Context[MessageReceived]) -> None:
        await ctx.db()
        await release.wait()
        await ctx.reply("done")

    async with door(router) as (harness, client):
        for number in range(5):
            assert await knock(harness, client, harness.platform.encode(said(f"p{number}", "hello"))) == 200
        assert harness.sent == []
        release.set()
        await harness.idle()
        assert len(harness.sent) == 5


async def test_health_and_readiness_tell_apart_alive_and_able() -> None:
    async with door() as (harness, client):
        for path in ("/healthz", "/readyz"):
            async with client.get(path) as response:
                assert response.status == 200
        await harness.inbox.close()
        async with client.get("/readyz") as response:
            assert response.status == 503
            assert await response.text() == (
                "database: ok\ninbox: not ready: it is closed\ndispatch: ok\noutbox: ok\nplatform fake: ok\n"
            )
        await harness.database.close()
        await harness.bot.dispatcher.stop()
        async with client.get("/healthz") as response:
            assert response.status == 200


async def test_a_platform_that_is_down_is_named_and_leaves_the_bot_ready() -> None:
    router = Router()

    @router.command("ping")
    async def ping(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("pong")

    async with door(router) as (harness, client):
        harness.platform.respond = lambda _: Retry("The connection failed.")
        began = harness.clock.now()
        await harness.post("alice", "/ping")
        await harness.advance(timedelta(minutes=1))
        async with client.get("/readyz") as response:
            assert response.status == 200
            assert f"platform fake: down since {began:%Y-%m-%d %H:%M:%S} UTC" in await response.text()
        async with client.get("/metrics") as response:
            assert 'kairanban_platform_up{adapter="fake"} 0.0' in await response.text()
        harness.platform.respond = None
        await harness.advance(timedelta(minutes=2))  # its only message may wait for 64 seconds by now
        async with client.get("/metrics") as response:
            assert 'kairanban_platform_up{adapter="fake"} 1.0' in await response.text()


async def test_readiness_survives_a_check_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object) -> Any:
        raise ConnectionRefusedError("the database is away")

    async with door() as (harness, client):
        with monkeypatch.context() as outage:
            outage.setattr(harness.database, "transaction", away)
            async with client.get("/readyz") as response:
                assert response.status == 503
                assert "database: not ready" in await response.text()


async def test_metrics_count_what_came_and_what_became_of_it() -> None:
    router = Router()

    @router.command("ping")
    async def ping(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("pong")

    @router.command("fail")
    async def fails(ctx: Context[MessageReceived]) -> None:
        raise ValueError("on purpose")

    async with door(router) as (harness, client):
        body = harness.platform.encode(said("alice", "/ping"), said("bob", "/fail"))
        await knock(harness, client, body)
        await knock(harness, client, body)
        await knock(harness, client, b"no json")
        await knock(harness, client, body, **{"X-Fake-Signature": "wrong"})
        await harness.idle()
        await harness.advance(timedelta(minutes=10))
        async with client.get("/metrics") as response:
            assert response.content_type == "text/plain"
            lines = (await response.text()).splitlines()
        for expected in (
            'kairanban_webhook_requests_total{adapter="fake",answer="accepted"} 3.0',
            'kairanban_webhook_requests_total{adapter="fake",answer="unsigned"} 1.0',
            'kairanban_webhook_requests_total{adapter="fake",answer="malformed"} 1.0',
            'kairanban_events_total{adapter="fake",outcome="received",type="message_received"} 4.0',
            'kairanban_events_total{adapter="fake",outcome="repeated",type="any"} 2.0',
            'kairanban_events_total{adapter="fake",outcome="handled",type="message_received"} 1.0',
            'kairanban_events_total{adapter="fake",outcome="retried",type="message_received"} 2.0',
            'kairanban_events_total{adapter="fake",outcome="failed",type="message_received"} 1.0',
            'kairanban_events_total{adapter="fake",outcome="failed",type="unknown"} 1.0',
            'kairanban_deliveries{adapter="fake",state="sent"} 1.0',
            "kairanban_inbox_backlog 0.0",
            "kairanban_inbox_failed 2.0",
            'kairanban_intake_seconds_count{adapter="fake"} 3.0',
        ):
            assert expected in lines
