"""POST to one address again and again, in a fraction of the time that aiohttp's session takes.

A session does much for a request that a bot's messages never need: cookies, redirects, proxies, tracing, encodings. At
100,000 messages that was two thirds of all the work of sending. Here a request is written as bytes and the answer read
by aiohttp's parser, over connections that are kept.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

from aiohttp import StreamReader
from multidict import CIMultiDictProxy
from yarl import URL

from bot.adapters.connection import Connection

IDLE_SECONDS = 15.0
"""How long a connection that nobody uses is kept: less than servers keep theirs, so that few close under a request."""

Answer = tuple[int, bytes, CIMultiDictProxy[str]]
"""Status, body, headers."""


class Poster:
    """Connections to `url`; as many as there are calls at one time. `headers` go with every request.

    `timeout` is in seconds, for a whole call. `limit` is how many bytes an answer may have: a longer one is cut off
    there, and its connection with it.
    """

    def __init__(self, url: URL, headers: Mapping[str, str], *, timeout: float, limit: int) -> None:
        assert url.host is not None
        assert url.port is not None
        self._host, self._port = url.host, url.port
        self._timeout = timeout
        self._limit = limit
        self._ssl = ssl.create_default_context() if url.scheme == "https" else None
        lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}", "Accept: */*"]
        lines += [f"{name}: {_checked(value)}" for name, value in headers.items()]
        self._head = "\r\n".join(lines).encode()
        self._idle: list[tuple[float, Connection]] = []
        self._open: set[Connection] = set()
        self._deadlines: dict[Connection, float] = {}  # of the calls under way
        self._watch: asyncio.TimerHandle | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One request with these headers besides; raises `aiohttp.ClientError`, `TimeoutError` or `OSError`."""
        head = b"".join(b"\r\n%s: %s" % (name.encode(), _checked(value).encode()) for name, value in headers.items())
        request = b"%s%s\r\nContent-Length: %d\r\n\r\n%s" % (self._head, head, len(body), body)
        now = asyncio.get_running_loop().time()
        connection = self._reuse(now - IDLE_SECONDS) or await self._connect()
        self._deadlines[connection] = deadline = now + self._timeout
        if self._watch is None or deadline < self._watch.when():
            self._watch_deadlines()
        finished = False
        try:
            message, content = await connection.ask(request)
            answer = content.read_nowait() if content.is_eof() else await self._rest(content)
            finished = len(answer) <= self._limit
            return message.code, answer[: self._limit], message.headers
        finally:
            del self._deadlines[connection]
            if finished and connection in self._open and connection.is_reusable:
                self._idle.append((now, connection))
            else:
                self._drop(connection)

    async def close(self) -> None:
        """End all connections; a request under way fails."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for connection in list(self._open):
            connection.close()
        self._open.clear()
        self._idle.clear()

    async def _rest(self, content: StreamReader) -> bytes:
        """A body that has not come whole, up to the first bytes beyond the limit."""
        body = bytearray()
        async for chunk in content.iter_any():
            body += chunk
            if len(body) > self._limit:
                break
        return bytes(body)

    def _watch_deadlines(self) -> None:
        """End the calls whose time is up, and come back when that of the next one will be.

        A timer for each call would cost more than all else that is done for it here.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection, deadline in self._deadlines.items():
            if deadline <= now:
                connection.fail(TimeoutError())
        if self._watch is not None:
            self._watch.cancel()
        left = [deadline for deadline in self._deadlines.values() if deadline > now]
        self._watch = loop.call_at(min(left), self._watch_deadlines) if left else None

    def _reuse(self, oldest: float) -> Connection | None:
        while self._idle:
            since, connection = self._idle.pop()
            if connection.is_reusable and since >= oldest:
                return connection
            self._drop(connection)
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout):
            _, connection = await loop.create_connection(
                lambda: Connection(loop), self._host, self._port, ssl=self._ssl
            )
        self._open.add(connection)
        return connection

    def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.close()


def _checked(value: str) -> str:
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError("A header's value must not contain a line break: it would become another header.")
    return value
