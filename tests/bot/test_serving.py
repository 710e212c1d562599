"""A server that ends leaves no connection behind, in whatever moment of its end somebody called."""

from __future__ import annotations

import asyncio
import socket
import warnings

import pytest
from aiohttp import web

from bot.errors import ConfigurationError
from bot.serving import listening, serving


async def _hello(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="hello")


@pytest.mark.parametrize("turns", range(8))
def test_whoever_connects_in_the_moment_of_the_end_is_hung_up_on(turns: int) -> None:
    async def connect_and_end() -> bytes:
        async with serving(web.Server(_hello), "127.0.0.1", 0) as port:
            for _ in range(4):
                await asyncio.sleep(0)
            caller.connect(("127.0.0.1", port))
            for _ in range(turns):
                await asyncio.sleep(0)
        caller.settimeout(5)
        try:
            return caller.recv(1)
        except ConnectionResetError:
            return b""

    # asyncio's own loop: there, a connection that nobody ends warns when it is forgotten, and its caller waits.
    with (
        socket.socket() as caller,
        warnings.catch_warnings(),
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as run,
    ):
        warnings.simplefilter("error")
        assert run.run(connect_and_end()) == b""


async def test_what_cannot_be_listened_at_is_said_and_cleaned_up() -> None:
    cleaned = asyncio.Event()
    application = web.Application()

    async def clean(_: web.Application) -> None:
        cleaned.set()

    application.on_cleanup.append(clean)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}: .*Stop the program"):
            async with listening(web.AppRunner(application), "127.0.0.1", port):
                pass
    assert cleaned.is_set()
