"""One kept connection: a request goes out as bytes, the answer is read by aiohttp's own parser.

aiohttp's `ResponseHandler` makes a parser, a queue and timers anew for every answer. Here the parser lives as long as
the connection, and one future says that an answer has begun; most have then ended, too. What goes wrong is raised as
aiohttp raises it.
"""

from __future__ import annotations

import asyncio

from aiohttp import ClientOSError, ClientPayloadError, ServerDisconnectedError
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser, RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

_READ_AT_ONCE = 2**16
_WITHOUT_BODY = {204, 304}
"""Statuses whose answers end with their headers (RFC 9112, section 6.3)."""

Begun = tuple[RawResponseMessage, StreamReader]
"""An answer whose head is here: status and headers, and its body, whole or still coming."""


class Connection(BaseProtocol):
    """One request after the other, never two at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._parser = HttpResponseParser(
            self, loop, _READ_AT_ONCE, payload_exception=ClientPayloadError, read_until_eof=True
        )
        self._waiter: asyncio.Future[Begun] | None = None
        self._body: StreamReader = EMPTY_PAYLOAD
        self._spent = False

    @property
    def is_reusable(self) -> bool:
        """Whether it is open, and what came over it has been understood to its end."""
        return not self._spent and self.transport is not None and not self.transport.is_closing()

    async def ask(self, request: bytes) -> Begun:
        """Send a request and wait until its answer begins; raises `aiohttp.ClientError`."""
        if self.transport is None:
            raise ServerDisconnectedError
        waiter: asyncio.Future[Begun] = self._loop.create_future()
        self._waiter = waiter
        self.transport.write(request)
        try:
            return await waiter
        finally:
            self._waiter = None

    def fail(self, error: BaseException) -> None:
        """Raise `error` in whoever waits for the answer or for the rest of it; nothing else can come over it then."""
        self._spent = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        elif not self._body.is_eof():
            self._body.set_exception(error)

    def close(self) -> None:
        """End it; whoever waits is told that the server is gone."""
        self._spent = True
        if self.transport is not None:
            self.transport.close()

    # ------------------------------------------------- what the loop calls

    def data_received(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            answers, upgraded, _ = self._parser.feed_data(data)
        except Exception as error:
            # The parser's own words can hold what the server sent.
            self._break(ClientPayloadError(f"The answer is no HTTP ({type(error).__name__})."))
            return
        for message, body in answers:
            if 100 <= message.code < 200 and not upgraded:
                continue  # what a server says beforehand, as 103 Early Hints
            if self._waiter is None or self._waiter.done():
                self._break(ClientPayloadError("There are more answers than requests."))
                return
            self._body = EMPTY_PAYLOAD if message.code in _WITHOUT_BODY else body
            self._spent = upgraded or message.should_close
            self._waiter.set_result((message, self._body))

    def connection_lost(self, exc: BaseException | None) -> None:
        self._spent = True
        assert self._parser is not None
        try:
            self._parser.feed_eof()  # the end of a body that ends with the connection
        except Exception as error:
            self.fail(ClientPayloadError(f"The answer broke off ({type(error).__name__})."))
        else:
            self.fail(ClientOSError(*exc.args) if isinstance(exc, OSError) else ServerDisconnectedError())
        super().connection_lost(exc)

    def _break(self, error: ClientPayloadError) -> None:
        self.fail(error)
        self.close()
