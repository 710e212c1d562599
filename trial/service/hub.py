"""Who is connected by WebSocket, and the frames that go to them.

A frame is encoded once, however many see it. Each connection has its own queue and its own writer, so one slow phone
delays nobody; one that falls `BACKLOG` frames behind is cut off and reads the history when it is back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from aiohttp import WSCloseCode, WSMsgType, web

from bot.activity import Activity

BACKLOG = 5_000
CLOSE_SECONDS = 2.0
"""How long a client may take to say goodbye, on the machine's clock."""
UNAUTHORIZED = 4401
"""The close code for a token that is not, or no longer, valid; 4000 and up are an application's own."""


class Connection:
    """One WebSocket of one person."""

    def __init__(self, hub: Hub, socket: web.WebSocketResponse) -> None:
        self._hub = hub
        self._socket = socket
        self._frames: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._open = True
        self._farewell: int = WSCloseCode.OK

    def push(self, frame: bytes) -> None:
        """Queue a frame; does nothing once the connection is closed."""
        if not self._open:
            return
        if len(self._frames) >= BACKLOG:
            self.close(WSCloseCode.TRY_AGAIN_LATER)
            return
        self._frames.append(frame)
        self._hub.activity.enter()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def write(self) -> None:
        """Send what is queued, in order, until the connection is closed."""
        try:
            while self._open:
                while self._frames:
                    await self._socket.send_frame(self._frames[0], WSMsgType.TEXT)
                    self._hub.frames_sent += 1
                    if self._frames:  # not if it was closed while sending
                        self._frames.popleft()
                        self._hub.activity.leave()
                if self._open:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
            await self._socket.close(code=self._farewell)
        except ConnectionError:
            pass
        finally:
            self.close()

    def close(self, farewell: int = WSCloseCode.OK) -> None:
        """Forget what is queued; the writer says goodbye and ends. Only the first call counts."""
        if not self._open:
            return
        self._open = False
        self._farewell = farewell
        self._hub.activity.leave(len(self._frames))
        self._frames.clear()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Hub:
    """All connections, by person."""

    def __init__(self, activity: Activity) -> None:
        self.activity = activity
        self.frames_sent = 0
        self.frames_taken = 0
        self._connections: dict[str, set[Connection]] = {}
        self._sockets: set[web.WebSocketResponse] = set()

    def push(self, members: Iterable[str], frame: bytes) -> None:
        """Send a frame to those of `members` who are connected."""
        connections = self._connections
        for member in members:
            for connection in connections.get(member, ()):
                connection.push(frame)

    def disconnect(self, member: str, farewell: int) -> None:
        """Close every connection of a person; those with another valid session connect again."""
        for connection in self._connections.get(member, ()):
            connection.close(farewell)

    async def serve(
        self, member: str, socket: web.WebSocketResponse, greeting: bytes, take: Callable[[str | bytes], bytes | None]
    ) -> None:
        """Keep a signed-in person's connection until it ends.

        `take` is given each frame that comes, and may answer with one.
        """
        connection = Connection(self, socket)
        self._connections.setdefault(member, set()).add(connection)
        self._sockets.add(socket)
        connection.push(greeting)
        writer = asyncio.create_task(connection.write())
        try:
            async for frame in socket:
                answer = take(frame.data)
                if answer is not None:
                    connection.push(answer)
                self.frames_taken += 1  # once it has had its effect
        finally:
            self._sockets.discard(socket)
            mine = self._connections[member]
            mine.discard(connection)
            if not mine:
                del self._connections[member]
            connection.close()
            await asyncio.wait({writer}, timeout=CLOSE_SECONDS)  # it may be saying goodbye just now
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def close(self) -> None:
        """Say goodbye to everybody."""
        await asyncio.gather(*(socket.close(code=WSCloseCode.GOING_AWAY) for socket in list(self._sockets)))
