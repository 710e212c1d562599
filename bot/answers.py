"""The answer that nearly every webhook gets: 200 with nothing in it, as bytes that are ready.

Composing the headers of a response costs aiohttp more than checking a signature does. Whatever is not the plain case
(another HTTP version, a connection that is to be closed) goes aiohttp's own way.
"""

from __future__ import annotations

import time
from email.utils import formatdate

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter


class Accepted(web.Response):
    """200 OK, empty."""

    _second = 0
    _bytes = b""

    @classmethod
    def as_bytes(cls) -> bytes:
        """The whole response; the Date header (RFC 9110, section 6.6.1) is made anew each second."""
        now = int(time.time())
        if now != Accepted._second:
            Accepted._second = now
            date = formatdate(now, usegmt=True)
            Accepted._bytes = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: {date}\r\n\r\n".encode()
        return Accepted._bytes

    def __init__(self) -> None:
        self._sent = False

    @property
    def keep_alive(self) -> bool | None:
        return True if self._sent else super().keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if request.version == HttpVersion11 and request.keep_alive and request.transport is not None:
            request.transport.write(self.as_bytes())
            self._sent = True
            return None
        super().__init__()
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        if not self._sent:
            await super().write_eof(data)
