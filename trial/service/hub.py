"""Who is connected by WebSocket, and the frames that go to them.

A frame is encoded once, however many see it. Each connection has its own queue and its own writer, so one slow phone
delays nobody; one that falls `BACKLOG` frames behind is cut off and reads the history when it is back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from aiohttp import WSCloseCode, WSMsgType, web

from bot.activity import Activity

BACKLOG = 5_000


class Connection:
    """One WebSocket of one person."""

    def __init__(self, hub: Hub, socket: web.WebSocketResponse) -> None:
        self._hub = hub
        self._socket = socket
        self._frames: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._open = True

    def push(self, frame: bytes) -> None:
        """Queue a frame; does nothing once the connection is closed."""
        if not self._open:
            return
        if len(self._frames) >= BACKLOG:
            self.close()
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
        except ConnectionError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Forget what is queued and end the writer; may be called twice."""
        self._open = False
        self._hub.activity.leave(len(self._frames))
        self._frames.clear()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Hub:
    """All connections, by person."""

    def __init__(self, activity: Activity) -> None:
        self.activity = activity
        self.frames_sent = 0
        self._connections: dict[str, set[Connection]] = {}
        self._sockets: set[web.WebSocketResponse] = set()

    def push(self, members: Iterable[str], frame: bytes) -> None:
        """Send a frame to those of `members` who are connected."""
        connections = self._connections
        for member in members:
            for connection in connections.get(member, ()):
                connection.push(frame)

    async def serve(self, member: str, socket: web.WebSocketResponse, greeting: bytes) -> None:
        """Keep a signed-in person's connection until it ends."""
        connection = Connection(self, socket)
        self._connections.setdefault(member, set()).add(connection)
        self._sockets.add(socket)
        connection.push(greeting)
        writer = asyncio.create_task(connection.write())
        try:
            async for _ in socket:
                pass  # whatever a client says after it has signed in is passed over
        finally:
            self._sockets.discard(socket)
            mine = self._connections[member]
            mine.discard(connection)
            if not mine:
                del self._connections[member]
            connection.close()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def close(self) -> None:
        """Say goodbye to everybody."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)
