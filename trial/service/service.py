"""The service put together: one object that can be started, stopped and asked for its address."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from bot.activity import Activity
from bot.clock import Clock
from bot.http_server import LIMITS
from bot.serving import listening
from trial.service import api_admin, api_bot, api_entry, api_staff, openapi
from trial.service.callbacks import TIME_LIMIT, Courier
from trial.service.calls import JSON, Core, Route
from trial.service.faults import Misbehaviour
from trial.service.files import Folder
from trial.service.hub import Hub
from trial.service.limits import Buckets, Limits
from trial.service.passwords import STANDARD, PasswordCost, Passwords
from trial.service.problems import MethodNotAllowed, NotFound
from trial.service.store import connect

ROUTES: tuple[Route, ...] = (*api_entry.ROUTES, *api_staff.ROUTES, *api_bot.ROUTES, *api_admin.ROUTES)
_SHUTDOWN_SECONDS = 2.0
_BACKLOG = 4_096
"""A city hall opens its WebSockets in one moment; what the system refuses is only tried again after a second."""


class ChatService:
    """A chat service in the manner of LoGoChat, on its own database and folder of files.

    `activity` is busy while a callback that is due is under way or a frame waits to be written.
    """

    def __init__(
        self,
        *,
        database: Path,
        files: Path,
        clock: Clock,
        admin_token: str,
        password_cost: PasswordCost = STANDARD,
        activity: Activity | None = None,
        limits: Limits | None = None,
        callback_time_limit: float = TIME_LIMIT,
    ) -> None:
        self.activity = activity or Activity()
        self._clock = clock
        self._database = database
        self._files = files
        self._admin_token = admin_token
        self._passwords = Passwords(password_cost)
        self._limits = limits or Limits()
        self._callback_time_limit = callback_time_limit
        self._hub = Hub(self.activity)
        self._parts = AsyncExitStack()
        self.url = ""
        """Where it answers, such as http://127.0.0.1:8080; empty until started."""

    @property
    def frames_sent(self) -> int:
        """WebSocket frames handed to the network since this object was made."""
        return self._hub.frames_sent

    @property
    def frames_taken(self) -> int:
        """WebSocket frames that came from people and have had their effect."""
        return self._hub.frames_taken

    def app(self) -> web.Application:
        """The whole service as an aiohttp application: it opens its database on start-up and closes it on clean-up."""
        app = web.Application(client_max_size=self._limits.body_bytes)
        db = connect(self._database)
        core = Core(
            db=db,
            clock=self._clock,
            hub=self._hub,
            folder=Folder(self._files),
            passwords=self._passwords,
            limits=self._limits,
            buckets=Buckets(),
            misbehaviour=Misbehaviour(),
            admin_token=self._admin_token,
            stopping=asyncio.Event(),
            courier=Courier(db, self._clock, self.activity, time_limit=self._callback_time_limit),
        )
        core.folder.tidy(core.db)
        for route in ROUTES:
            app.router.add_route(route.method, route.path, core.endpoint(route))
        app.router.add_get("/openapi.json", _document)
        app.router.add_route("*", "/{rest:.*}", _nowhere)

        async def started(_: web.Application) -> None:
            await core.courier.start()

        async def stopping(_: web.Application) -> None:
            core.stopping.set()
            await core.hub.close()

        async def stopped(_: web.Application) -> None:
            await core.courier.stop()
            core.db.close()

        app.on_startup.append(started)
        app.on_shutdown.append(stopping)
        app.on_cleanup.append(stopped)
        return app

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one. Returns once requests are answered."""
        runner = web.AppRunner(self.app(), handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS, **LIMITS)
        bound = await self._parts.enter_async_context(
            listening(runner, host, port, backlog=_BACKLOG, most_waiting=_BACKLOG)
        )
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        """End all connections and close the database; may be called twice."""
        parts, self._parts = self._parts, AsyncExitStack()
        await parts.aclose()


async def _document(_: web.Request) -> web.Response:
    return web.Response(body=openapi.document(ROUTES), content_type=JSON)


async def _nowhere(request: web.Request) -> web.Response:
    """404 or 405, as problem documents."""
    allowed = [
        route.method
        for route in ROUTES
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), request.path) is not None
    ]
    if allowed:
        return MethodNotAllowed(request.method, allowed).response()
    return NotFound("There is nothing at this address; /openapi.json describes what there is.").response()
