"""The other end of `benchmarks.outbox`: takes messages in a process of its own and answers 201 to each.

Below aiohttp on purpose: it must have time to spare, or it would hide the difference that is measured.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import cast

import uvloop

_ANSWER = '{"message_id":"m%09d","room_id":"r1","sent_at":"2023-07-03T00:00:00Z"}'
_HEAD = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_FULL_HEAD = (_HEAD % len(_ANSWER % 0)).encode()


class Receiver(asyncio.Protocol):
    """One connection of a client that sends its next request when it has the answer."""

    numbers = itertools.count()

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, gap, body = self._received.partition(b"\r\n\r\n")
        if not gap:
            return
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        if len(body) >= length:
            self._received = b""
            self._transport.write(_FULL_HEAD + (_ANSWER % next(self.numbers)).encode())


async def main() -> None:
    """Listen on a free port, print it, and serve until killed."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
