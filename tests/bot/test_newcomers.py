"""Whoever is not known yet: packed bodies, connections that ask nothing, and what is logged of them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from bot import Router
from bot.http_server import LIMITS, HttpServer
from bot.serving import listening
from bot.testing import Harness
from tests.bot.test_dispatch import said


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "GZIP", "identity, gzip"])
async def test_a_packed_body_is_refused_unread_even_with_a_right_signature(encoding: str) -> None:
    async with Harness(Router()) as harness, harness.serving() as address, aiohttp.ClientSession(address) as client:
        body = harness.platform.encode(said("alice", "hello"))
        headers = {**harness.platform.sign(body), "Content-Encoding": encoding}
        async with client.post("/webhooks/fake", data=body, headers=headers) as response:
            assert response.status == 415
        assert harness.inbox.commits == 0


async def test_a_body_that_is_said_to_be_as_it_is_passes() -> None:
    async with Harness(Router()) as harness, harness.serving() as address, aiohttp.ClientSession(address) as client:
        body = harness.platform.encode(said("alice", "hello"))
        headers = {**harness.platform.sign(body), "Content-Encoding": "identity"}
        async with client.post("/webhooks/fake", data=body, headers=headers) as response:
            assert response.status == 200


async def _hello(request: web.BaseRequest) -> web.StreamResponse:
    await request.read()
    return web.Response(text="hello")


@asynccontextmanager
async def door(**bounds: float) -> AsyncIterator[int]:
    async with listening(web.ServerRunner(HttpServer(_hello)), "127.0.0.1", 0, **bounds) as port:  # type: ignore[arg-type] # one of them is a number of connections
        yield port


@pytest.mark.parametrize("beginning", [b"", b"\r\n\r\n", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nA: b\r\n"])
async def test_headers_that_do_not_end_end_the_connection(beginning: bytes) -> None:
    async with door(header_seconds=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(beginning)
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionError):
                assert await reader.read() == b""
                raise ConnectionResetError
        writer.close()


@pytest.mark.parametrize("cut", [1, 10, 17, 18, 19, 20])
async def test_headers_that_come_in_two_pieces_are_heard_and_their_connection_stays(cut: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with door(header_seconds=0.3) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in (request[: -cut - 1], request[-cut - 1 :]):
            writer.write(piece)
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"hello")
        with pytest.raises(TimeoutError):  # open still, when the time for the first headers is long over
            await asyncio.wait_for(reader.read(1), 0.6)
        writer.write(request)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_whoever_only_holds_the_door_open_keeps_nobody_out() -> None:
    async with door(most_waiting=20) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/") as response:
            assert await response.text() == "hello"
        for _, writer in idle:
            writer.close()


TOKEN = "tok-5f1c0ffee-known"
MALFORMED = [
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\x01\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \x7f%s\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer %s\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\n\n",
    b"GET / HTTP/9.%s\r\nHost: x\r\n\r\n",
    b"%s / HTTP/1.1 more\r\nHost: x\r\n\r\n",
    b"GET /?t=%s\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[%s/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: %s" + b"a" * 9_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"Authorization: %s\r\n" * 300 + b"\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: %s\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\nabc\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc%s\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: %s\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: x\r\nUpgrade: %s\r\nConnection: upgrade\r\nContent-Length: -1\r\n\r\n",
]


@pytest.mark.parametrize("application", [False, True], ids=["server", "application"])
async def test_a_token_in_a_request_that_cannot_be_read_stands_in_no_log(
    application: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    if application:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", _hello)
        runner: web.BaseRunner = web.AppRunner(app, **LIMITS)
    else:
        runner = web.ServerRunner(HttpServer(_hello))
    async with listening(runner, "127.0.0.1", 0) as port:
        for request in MALFORMED:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request.replace(b"%s", TOKEN.encode()))
            writer.write_eof()
            with suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 5)
            writer.close()
    formatted = [logging.Formatter().format(record) for record in caplog.records]
    assert any("unreadable request" in line for line in formatted)
    assert not [line for line in formatted if TOKEN in line]
    assert TOKEN not in "".join(capfd.readouterr())
