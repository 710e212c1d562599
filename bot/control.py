"""The control socket: what the operator of this machine may ask of a bot while it runs.

The inbox's file belongs to one process, so whoever wants to know what it could not handle has to ask that process. The
socket is a file beside the inbox that its owner alone may open: nothing listens on the network, and there is no token
that could be lost. The bot opens it after it has the inbox's lock, so a socket that is there already belongs to nobody:
it was left by a process that was killed.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import structlog
from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from bot.errors import InboxUnavailable, KairanbanError
from bot.http_server import HttpServer
from bot.inbox import FailedEvent, Inbox
from bot.serving import serving_at

log = structlog.get_logger(__name__)

MOST = 10_000
"""Failed events in one answer."""
_FAILED = "/inbox/failed"
_RING = "/outbox/ring"
_EVENTS: TypeAdapter[list[FailedEvent]] = TypeAdapter(list[FailedEvent])
_OWNER_ONLY = 0o600
_PATIENCE = aiohttp.ClientTimeout(total=30)


class NotRunning(KairanbanError):
    """Nobody answers at the socket."""


class NoAnswer(KairanbanError):
    """Somebody is there, and does not answer as a bot does."""


class NotOurs(KairanbanError):
    """The bot runs under another account, which alone may ask."""


# ------------------------------------------------------------------ the bot's end


@asynccontextmanager
async def answering(path: Path, inbox: Inbox, ring: Callable[[], None]) -> AsyncIterator[None]:
    """Answer at `path` while the block runs; `ring` lets the outbox look for what others have queued.

    Where that cannot be, the log says why, and the bot runs all the same.
    """
    try:
        bound = _bound(path)
    except OSError as error:
        log.warning("control_unavailable", socket=str(path), error=_why(path, error))
        yield
        return
    try:
        async with serving_at(HttpServer(_answers(inbox, ring)), bound):
            try:
                yield
            finally:
                await asyncio.to_thread(path.unlink, missing_ok=True)
    finally:
        bound.close()


def _bound(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        bound.bind(str(path))
        path.chmod(_OWNER_ONLY)  # nobody can have come in before: it does not listen yet
    except OSError:
        bound.close()
        raise
    return bound


def _why(path: Path, error: OSError) -> str:
    if error.errno is None:  # Python's own word for a path that the system has no room for
        length = len(os.fsencode(path))
        return f"The path of a socket has 107 bytes at most, and this one {length}: name a shorter storage folder."
    if path.exists() and not path.is_socket():
        return "Something that is no socket is in its place: move it away."
    return f"{error.strerror}: make the storage folder one in which the bot may write."


def _answers(inbox: Inbox, ring: Callable[[], None]) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if (request.method, request.path) == ("POST", _RING):
            ring()
            return web.Response(status=204)
        match request.method, request.path.removeprefix(_FAILED).split("/"):
            case "GET", [""] if (limit := request.query.get("limit", "100")).isdecimal() and len(limit) < 9:
                found = await inbox.failed(min(int(limit), MOST))
                return web.Response(body=_EVENTS.dump_json(list(found)), content_type="application/json")
            case "POST", ["", number, "replay"] if number.isdecimal() and len(number) < 19:
                return web.Response(status=204 if await inbox.replay(int(number)) else 404)
            case "POST", ["", number, "discard"] if number.isdecimal() and len(number) < 19:
                return web.Response(status=204 if await inbox.discard(int(number)) else 404)
        return web.Response(status=400, text="There is nothing here.\n")

    async def answer_or_say_why(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await answer(request)
        except InboxUnavailable as error:
            return web.Response(status=503, text=str(error))

    return answer_or_say_why


# -------------------------------------------------------------- the other end


class RunningBot:
    """The bot that answers at `path`. Every method raises NotRunning, NotOurs or NoAnswer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def failed(self, limit: int = 100) -> list[FailedEvent]:
        """As `Inbox.failed`."""
        status, body = await self._ask("GET", f"{_FAILED}?limit={limit}")
        try:
            if status == 200:
                return _EVENTS.validate_json(body)
        except ValidationError:
            pass
        raise NoAnswer(_said(status, body))

    async def replay(self, id: int) -> bool:
        """As `Inbox.replay`."""
        return await self._done(f"{_FAILED}/{id}/replay")

    async def discard(self, id: int) -> bool:
        """As `Inbox.discard`."""
        return await self._done(f"{_FAILED}/{id}/discard")

    async def ring(self) -> None:
        """Let it send now what others have queued."""
        await self._done(_RING)

    async def _done(self, path: str) -> bool:
        status, body = await self._ask("POST", path)
        if status not in {204, 404}:
            raise NoAnswer(_said(status, body))
        return status == 204

    async def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._path)), timeout=_PATIENCE) as client,
                client.request(method, f"http://bot{path}") as response,
            ):
                return response.status, await response.read()
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, PermissionError):
                raise NotOurs(f"{self._path} belongs to another account.") from error
            raise NotRunning(f"Nobody answers at {self._path}.") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error


def _said(status: int, body: bytes) -> str:
    return f"It answered {status}: {body[:200].decode(errors='replace').strip()}"
