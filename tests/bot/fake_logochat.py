"""The far side of the LoGoChat adapter: a small service on a loopback port that can be told to misbehave."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from bot.adapters.logochat_wire import BOT_PREFIX, IDEMPOTENCY_HEADER
from bot.serving import listening
from bot.testing.conformance import Behaviour

TOKEN = "token-of-the-bot"
SECRET = "secret-of-the-bot"
SENT_AT = "2023-07-03T00:00:00Z"


@dataclass
class Service:
    """What a test sees of it; `answer`, if set, answers every call instead."""

    url: str = ""
    behaviour: Behaviour = "well"
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    rooms: dict[str, list[str]] = field(default_factory=dict)
    users: list[dict[str, str]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    by_key: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    def texts(self) -> Sequence[str]:
        return [message["text"] for message in self.messages.values()]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.path, dict(request.headers), body))
        if self.answer is not None:
            return await self.answer(request)
        match self.behaviour:
            case "busy":
                return problem(429, "Please wait.", {"Retry-After": "7"})
            case "broken":
                return web.Response(status=500, text="<h1>oops</h1>")
            case "refusing":
                return problem(403, "The bot is not in this room.")
            case "gibberish":
                return web.Response(status=201, text="well done")
            case "silent":
                await self.released.wait()
                return web.Response()
            case "cut":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(401, "This token is not valid.")
        key = request.headers.get(IDEMPOTENCY_HEADER, "")
        if key in self.by_key:
            status, document = self.by_key[key]
        else:
            status, document = self.act(request, orjson.loads(body) if body else {})
            if key and request.method == "POST":
                self.by_key[key] = (status, document)
        return web.json_response(document, status=status) if status != 204 else web.Response(status=204)

    def act(self, request: web.Request, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        match request.method, request.path.removeprefix(BOT_PREFIX).strip("/").split("/"):
            case "POST", ["messages"]:
                number = f"m{next(self.numbers)}"
                self.messages[number] = body
                return 201, {"message_id": number, "room_id": "r0", "sent_at": SENT_AT}
            case "DELETE", ["messages", number]:
                self.messages.pop(number, None)
                return 204, {}
            case "GET", ["messages", number, "reads"]:
                return 200, {"message_id": number, "readers": [], "unread": ["u1"]}
            case "POST", ["rooms"]:
                room = f"r{len(self.rooms) + 1}"
                self.rooms[room] = list(body["members"])
                return 201, {"room_id": room, "title": body["title"], "members": self.rooms[room]}
            case "GET", ["rooms", room]:
                return 200, {"room_id": room, "title": "room", "members": self.rooms[room]}
            case "POST", ["rooms", room, "members"]:
                self.rooms[room] = list(dict.fromkeys([*self.rooms[room], *body["members"]]))
                return 204, {}
            case "DELETE", ["rooms", room, "members"]:
                self.rooms[room] = [member for member in self.rooms[room] if member not in body["members"]]
                return 204, {}
            case "GET", ["users"]:
                start, limit = int(request.query.get("cursor", "0")), int(request.query["limit"])
                more = start + limit < len(self.users)
                page = self.users[start : start + limit]
                return 200, {"users": page, "next_cursor": str(start + limit) if more else None}
        return 404, {"title": "Not Found", "status": 404, "detail": "There is no such thing."}


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(
        {"title": "Problem", "status": status, "detail": detail},
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


@asynccontextmanager
async def running_service() -> AsyncIterator[Service]:
    service = Service()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", service.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    async with listening(runner, "127.0.0.1", 0) as port:
        service.url = f"http://127.0.0.1:{port}"
        try:
            yield service
        finally:
            service.released.set()
