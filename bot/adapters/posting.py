"""POST to one address again and again, in a third of the time that aiohttp's session takes.

A session does much for a request that a bot's messages never need: cookies, redirects, proxies, tracing, encodings. At
100,000 messages that was two thirds of all the work of sending. Here a request is written as bytes to aiohttp's own
protocol and read by its own parser, over connections that are kept. What goes wrong is raised as aiohttp raises it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy
from yarl import URL

IDLE_SECONDS = 15.0
"""How long a connection that nobody uses is kept: less than servers keep theirs, so that few close under a request."""

Answer = tuple[int, bytes, CIMultiDictProxy[str]]
"""Status, body, headers."""


class Poster:
    """Connections to `url`; as many as there are calls at one time. `headers` go with every request.

    `limit` is how many bytes an answer may have: a longer one is cut off there, and its connection with it.
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
        self._idle: list[tuple[float, ResponseHandler]] = []
        self._open: set[ResponseHandler] = set()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One request with these headers besides; raises `aiohttp.ClientError`, `TimeoutError` or `OSError`."""
        head = b"".join(b"\r\n%s: %s" % (name.encode(), _checked(value).encode()) for name, value in headers.items())
        request = b"%s%s\r\nContent-Length: %d\r\n\r\n%s" % (self._head, head, len(body), body)
        connection: ResponseHandler | None = None
        finished = False
        try:
            async with asyncio.timeout(self._timeout):
                connection = self._reuse()
                if connection is None:
                    connection = await self._connect()
                status, answer, answered, finished = await self._exchange(connection, request)
        except HttpProcessingError as error:
            raise aiohttp.ClientPayloadError(f"The answer is no HTTP: {error.message}") from None
        finally:
            if connection is not None:
                self._give_back(connection, keep=finished)
        return status, answer, answered

    async def close(self) -> None:
        """End all connections; a request under way fails."""
        for connection in list(self._open):
            connection.close()
        self._open.clear()
        self._idle.clear()

    async def _exchange(
        self, connection: ResponseHandler, request: bytes
    ) -> tuple[int, bytes, CIMultiDictProxy[str], bool]:
        """Status, body, headers, and whether the answer was read to its end."""
        if connection.transport is None:
            raise aiohttp.ServerDisconnectedError
        connection.set_response_params(read_until_eof=True)
        connection.transport.write(request)
        message, content = await connection.read()
        while 100 <= message.code < 200 and message.code != 101:  # what a server says beforehand, as 103 Early Hints
            message, content = await connection.read()
        body = bytearray()
        async for chunk in content.iter_any():
            body += chunk
            if len(body) > self._limit:
                return message.code, bytes(body[: self._limit]), message.headers, False
        return message.code, bytes(body), message.headers, True

    def _reuse(self) -> ResponseHandler | None:
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            since, connection = self._idle.pop()
            if connection.is_connected() and since >= oldest:
                return connection
            self._drop(connection)
        return None

    async def _connect(self) -> ResponseHandler:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: ResponseHandler(loop), self._host, self._port, ssl=self._ssl
        )
        self._open.add(connection)
        return connection

    def _give_back(self, connection: ResponseHandler, *, keep: bool) -> None:
        if keep and connection in self._open and not connection.should_close:
            self._idle.append((asyncio.get_running_loop().time(), connection))
        else:
            self._drop(connection)

    def _drop(self, connection: ResponseHandler) -> None:
        self._open.discard(connection)
        connection.close()


def _checked(value: str) -> str:
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError("A header's value must not contain a line break: it would become another header.")
    return value
