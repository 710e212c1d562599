"""Listening at an address while a block runs, and ending so that no connection is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from socket import socket

from aiohttp import web

from bot.bilingual import both, reason
from bot.errors import ConfigurationError
from bot.newcomers import HEADER_SECONDS, MOST_WAITING, Threshold

_BACKLOG = 128
_TURNS_TO_A_CONNECTION = 3
"""How often asyncio's loop goes round from an accepted socket to a connection that aiohttp knows of and can end."""


@asynccontextmanager
async def serving(server: web.Server, host: str, port: int) -> AsyncIterator[int]:
    """Answer on an address while the block runs; gives the port, which 0 leaves to the system."""
    async with listening(web.ServerRunner(server), host, port) as bound:
        yield bound


@asynccontextmanager
async def listening(
    runner: web.BaseRunner,
    host: str,
    port: int,
    *,
    backlog: int = _BACKLOG,
    header_seconds: float = HEADER_SECONDS,
    most_waiting: int = MOST_WAITING,
) -> AsyncIterator[int]:
    """As `serving`, for an application or a server with settings of its own: the runner is set up and cleaned up here.

    Connections that do not finish their first headers are bounded in time and number, as `bot.newcomers` has it.

    `web.TCPSite` would close what it listens on at once. A connection that was accepted in that very moment is then
    neither known to aiohttp nor closed by asyncio: it stays open, unanswered, for as long as the process lives.

    Raises ConfigurationError where the address cannot be had.
    """

    threshold: Threshold | None = None

    async def at_a_port(answers: web.Server) -> asyncio.Server:
        nonlocal threshold
        threshold = Threshold(answers, header_seconds=header_seconds, most_waiting=most_waiting)
        try:
            return await asyncio.get_running_loop().create_server(threshold, host, port, backlog=backlog)
        except OSError as error:
            raise ConfigurationError(
                both("bot", "serving.taken", host=host, port=port, reason=reason(error))
            ) from error

    try:
        async with _accepting(runner, at_a_port) as listener:
            yield listener.sockets[0].getsockname()[1]
    finally:
        if threshold is not None:
            threshold.close()


@asynccontextmanager
async def serving_at(server: web.Server, bound: socket) -> AsyncIterator[None]:
    """As `serving`, on a UNIX socket that is bound already."""

    async def there(answers: web.Server) -> asyncio.Server:
        return await asyncio.get_running_loop().create_unix_server(answers, sock=bound)

    async with _accepting(web.ServerRunner(server), there):
        yield


@asynccontextmanager
async def _accepting(
    runner: web.BaseRunner, listen: Callable[[web.Server], Awaitable[asyncio.Server]]
) -> AsyncIterator[asyncio.Server]:
    """Set up, listen, and in the end clean up, whatever went well until then."""
    await runner.setup()
    try:
        assert runner.server is not None
        listener = await listen(runner.server)
        try:
            yield listener
        finally:
            await _accept_no_more(listener)
    finally:
        await runner.cleanup()


async def _accept_no_more(server: asyncio.Server) -> None:
    """First take nothing more in, then let what came in become connections, then close the door."""
    loop = asyncio.get_running_loop()
    for each in server.sockets:
        with suppress(NotImplementedError):  # a loop without readers accepts in another way
            loop.remove_reader(each)
    for _ in range(_TURNS_TO_A_CONNECTION):
        await asyncio.sleep(0)
    server.close()
