"""The HTTP server that strangers reach: nothing they send is unpacked, waited for without an end, or logged.

The body is what came over the line: a signature is over those bytes, and a megabyte that unpacks to a gigabyte stays a
megabyte. None of the platforms compresses what it sends (LINE, LINE WORKS, Matrix, LoGoチャット-compatible services).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

FIRST_REQUEST = timedelta(seconds=10)
"""From a connection until its first request has all its headers; then it is closed."""
WHOLE_BODY = timedelta(seconds=15)
"""From a request's headers until the last byte of its body."""

_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _WithoutWhatCame(logging.Filter):
    """aiohttp's errors about a request repeat it, and a token may stand in the line that it could not read."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, HttpProcessingError):
            record.msg, record.args, record.exc_info = "unreadable request: %s", (type(error).__name__,), None
        return True


_LOG = logging.getLogger("kairanban.http")
_LOG.addFilter(_WithoutWhatCame())

LIMITS: Mapping[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": 75.0,  # also ends the headers of a later request that never come to their end
    "lingering_time": 1.0,  # of a body that was refused, no more is read than is under way
    "logger": _LOG,
}
"""What any aiohttp server here is made with, an `AppRunner`'s too."""


class HttpServer(web.Server):
    """aiohttp's low-level server under `LIMITS`; a connection that does not ask anything is closed after seconds."""

    def __init__(self, handler: _Handler, *, first_request: timedelta = FIRST_REQUEST) -> None:
        super().__init__(self._answered, **LIMITS)
        self._handler = handler
        self._first_request = first_request.total_seconds()
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(self._first_request, handler.force_close)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._heard(handler)
        super().connection_lost(handler, exc)

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._silent:
            self._heard(request.protocol)
        return await self._handler(request)

    def _heard(self, handler: web.RequestHandler) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()
