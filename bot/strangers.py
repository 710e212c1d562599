"""What anybody may do at a door before it is known who they are: send one plain request, soon.

Nothing is unpacked: a signature is over the bytes as they came, and no platform packs its callbacks. Headers that do not
end within `HEADER_SECONDS` end the connection, and of more than `MOST_WAITING` such connections the oldest goes first, so
that whoever only holds the door open keeps nobody out. What a stranger wrote is never logged: there are tokens in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

HEADER_SECONDS = 10.0
"""From the connection to the end of its first request's headers."""
BODY_SECONDS = 10.0
"""For the rest of a body of which the headers are there."""
KEEP_OPEN_SECONDS = 150.0
"""Between two requests, unfinished headers of the second included; longer than reverse proxies keep theirs (60 to 120 s)."""
LINGERING_SECONDS = 0.5
"""In which what is refused is taken and thrown away, so that its sender gets to see the answer."""
MOST_WAITING = 256
"""Connections whose first request is unfinished; a process may often open no more than 1,024 files."""

_END_OF_HEADERS = b"\r\n\r\n"


class _WithoutTheirWords(logging.Filter):
    """Turns aiohttp's account of a request that it could not read, bytes included, into one line without them."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            record.msg, record.args = f"unreadable request: {type(error).__name__}", ()
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True


_log = logging.getLogger("aiohttp.server")
_log.addFilter(_WithoutTheirWords())

PLAIN: dict[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": KEEP_OPEN_SECONDS,
    "lingering_time": LINGERING_SECONDS,
    "logger": _log,
}
"""Arguments of `web.Server` and of `web.AppRunner` for every door of this program."""


def plain_server(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> web.Server:
    """A low-level server that unpacks nothing and answers a packed body with 415; to be made in the running loop."""

    async def answer_what_is_plain(request: web.BaseRequest) -> web.StreamResponse:
        return packed() if is_packed(request) else await answer(request)

    return web.Server(answer_what_is_plain, **PLAIN)


def is_packed(request: web.BaseRequest) -> bool:
    """Whether a request says that its body is compressed, in whatever way."""
    if "Content-Encoding" not in request.headers:
        return False
    given = ",".join(request.headers.getall("Content-Encoding"))
    return any(each.strip().lower() not in {"", "identity"} for each in given.split(","))


def packed() -> web.Response:
    """415, and no more of that request is read."""
    refused = web.Response(
        status=415, headers={"Accept-Encoding": "identity"}, text="Send the body as it is, without Content-Encoding.\n"
    )
    refused.force_close()
    return refused


class Threshold:
    """Makes the protocols of a listening socket: each is watched until its first request's headers are there."""

    def __init__(
        self,
        answers: Callable[[], asyncio.Protocol],
        *,
        header_seconds: float = HEADER_SECONDS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._answers = answers
        self._seconds = header_seconds
        self._most = most_waiting
        self._waiting: dict[_Newcomer, float] = {}
        """Newcomers, oldest first, and when their time is over."""
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> asyncio.Protocol:
        return _Newcomer(self, self._answers())

    def close(self) -> None:
        """Watch no more; what is open is the server's to close."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def came(self, newcomer: _Newcomer) -> None:
        loop = asyncio.get_running_loop()
        while len(self._waiting) >= self._most:
            self._send_away(next(iter(self._waiting)))
        self._waiting[newcomer] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)

    def went(self, newcomer: _Newcomer) -> None:
        self._waiting.pop(newcomer, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._waiting:
            oldest, until = next(iter(self._waiting.items()))
            if until > loop.time():
                self._timer = loop.call_at(until, self._look)
                return
            self._send_away(oldest)

    def _send_away(self, newcomer: _Newcomer) -> None:
        self.went(newcomer)
        newcomer.send_away()


class _Newcomer(asyncio.Protocol):
    """Passes everything on, and steps aside for good once the headers have ended."""

    def __init__(self, threshold: Threshold, answers: asyncio.Protocol) -> None:
        self._threshold = threshold
        self._answers = answers
        self._transport: asyncio.Transport | None = None
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._threshold.came(self)
        self._answers.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        # Blank lines before a request are no headers: the parser passes over them, too.
        seen = self._end + data if self._end else data.lstrip(b"\r\n")
        if _END_OF_HEADERS in seen:
            self._threshold.went(self)
            if self._transport is not None:
                self._transport.set_protocol(self._answers)
        self._end = seen[-3:]
        self._answers.data_received(data)

    def eof_received(self) -> bool | None:
        return self._answers.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._threshold.went(self)
        self._transport = None
        self._answers.connection_lost(exc)

    def pause_writing(self) -> None:
        self._answers.pause_writing()

    def resume_writing(self) -> None:
        self._answers.resume_writing()

    def send_away(self) -> None:
        if self._transport is not None:
            self._transport.abort()
