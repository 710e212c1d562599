"""Connections that have not asked anything yet: bounded in time and in number.

Headers that do not end within `HEADER_SECONDS` end the connection, and of more than `MOST_WAITING` such connections the
oldest goes first: whoever only holds the door open keeps nobody out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

HEADER_SECONDS = 10.0
"""From the connection to the end of its first request's headers."""
MOST_WAITING = 256
"""Connections whose first request is unfinished; a process may often open no more than 1,024 files."""

_END_OF_HEADERS = b"\r\n\r\n"


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
