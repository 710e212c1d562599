"""What strangers send to the door: nothing unpacks, nothing waits for ever, and no token reaches a log."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
import zlib
from datetime import timedelta
from io import BytesIO

import aiohttp
import pytest
from aiohttp import web

from bot import Context, Router
from bot.events import MessageReceived
from bot.http_server import HttpServer
from bot.serving import listening
from bot.testing import Harness
from tests.bot.test_dispatch import said
from tests.bot.test_web import door, knock

GIGABYTE = 10**9
LIVELY = 1.0
"""Seconds in which the bot answers meanwhile. Measured: 0.02; a body that is unpacked holds it for many."""


def bomb() -> bytes:
    """About a megabyte that unpacks to a gigabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)  # stands for itself, so it may be repeated
    return first + again * (GIGABYTE // 2**20 - 1) + packer.flush()


async def test_ten_bodies_that_unpack_to_a_gigabyte_hold_nobody_up() -> None:
    router = Router()
    heard = list[str]()

    @router.on(MessageReceived)
    async def hears(ctx: Context[MessageReceived]) -> None:
        heard.append(ctx.event.text or "")

    packed = bomb()
    assert 900_000 < len(packed) < 2**20
    async with door(router) as (harness, client):
        headers = {"Content-Encoding": "gzip", "X-Fake-Signature": "0"}
        storm = [
            asyncio.create_task(client.post("/webhooks/fake", data=BytesIO(packed), headers=headers)) for _ in range(10)
        ]
        slowest = 0.0
        for number in range(20):
            began = time.perf_counter()
            async with client.get("/healthz") as healthy:
                assert healthy.status == 200
            body = harness.platform.encode(said("alice", f"hello {number}", key=f"e{number}"))
            assert await knock(harness, client, body) == 200
            slowest = max(slowest, time.perf_counter() - began)
        answers = [await each for each in storm]
        assert {answer.status for answer in answers} == {415}
        for answer in answers:
            answer.close()
        await harness.idle()
        assert slowest < LIVELY
        assert len(heard) == 20


async def test_a_packed_body_is_refused_whatever_its_signature_is_over() -> None:
    async with door() as (harness, client):
        plain = harness.platform.encode(said("alice", "hello"))
        packed = gzip.compress(plain)
        for signature in (harness.platform.sign(plain), {"X-Fake-Signature": "0" * 64}):
            headers = {"Content-Encoding": "gzip", **signature}
            async with client.post("/webhooks/fake", data=BytesIO(packed), headers=headers) as response:
                assert response.status == 415
        assert harness.inbox.commits == 0


MALFORMED = [
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET-TOKEN\x01\r\n\r\n",
    b"POST /webhooks/fake HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET-TOKEN\r\nContent-Length: x\r\n\r\n",
    b"GET /healthz?token=SECRET-TOKEN\x7f HTTP/9.9\r\n\r\n",
    b"SECRET-TOKEN\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nAuthorization: Bearer SECRET-TOKEN" + b"a" * 20_000 + b"\r\n\r\n",
    b"POST /webhooks/fake HTTP/1.1\r\nHost: SECRET-TOKEN\r\nTransfer-Encoding: chunked\r\n\r\nSECRET-TOKEN\r\n",
]


@pytest.mark.parametrize("request_", MALFORMED)
async def test_a_request_that_cannot_be_read_is_400_and_no_token_of_it_is_logged(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Harness(Router()) as harness, harness.serving() as address:
        host, _, port = address.rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request_)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()
    assert b" 200 " not in answer.split(b"\r\n")[0]
    assert "SECRET-TOKEN" not in caplog.text
    for record in caplog.records:
        assert "SECRET-TOKEN" not in f"{record.getMessage()} {record.exc_info} {record.__dict__}"


async def test_a_connection_that_asks_nothing_is_closed() -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok")

    async with listening(web.ServerRunner(HttpServer(answer)), "127.0.0.1", 0, header_seconds=0.2) as port:
        for beginning in (b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginning)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/") as response:
            assert await response.text() == "ok"


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.web.WHOLE_BODY", timedelta(milliseconds=50))
    async with Harness(Router()) as harness, harness.serving() as address:
        host, _, port = address.rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /webhooks/fake HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
