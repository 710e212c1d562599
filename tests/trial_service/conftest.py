"""A real service on a loopback port, a clock that stands still, and people who speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from bot.adapters.logochat_wire import SIGNATURE_HEADER, signature
from bot.clock import TOKYO, ManualClock
from bot.serving import listening
from trial.service import REHEARSAL, ChatService, Limits, Rate

ADMIN = "admin-token"
MORNING = datetime(2023, 7, 3, 9, 0, tzinfo=TOKYO)


@dataclass
class Reply:
    """What came back: the status, the body as JSON (None when there is none) and the headers."""

    status: int
    body: Any
    headers: Any

    def __getitem__(self, key: str) -> Any:
        return self.body[key]


class Client:
    """Somebody who calls the service with one token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str, id: str = "") -> None:
        self.session = session
        self.url = url
        self.token = token
        self.id = id

    async def call(self, method: str, path: str, body: Any = None, *, key: str | None = None, **options: Any) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        if key is not None:
            headers["Idempotency-Key"] = key
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else orjson.dumps(body)
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:
            raw = await response.read()
            content = orjson.loads(raw) if raw and "json" in response.content_type else raw or None
            return Reply(response.status, content, response.headers)

    async def get(self, path: str) -> Reply:
        return await self.call("GET", path)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Reply:
        return await self.call("POST", path, body, key=key)

    async def put(self, path: str, body: Any = None) -> Reply:
        return await self.call("PUT", path, body)

    async def delete(self, path: str, body: Any = None) -> Reply:
        return await self.call("DELETE", path, body)

    async def say(self, room: str, text: str, **more: Any) -> str:
        """Write into a room; the id of the message."""
        reply = await self.post(f"/v1/rooms/{room}/messages", {"text": text, **more})
        assert reply.status == 201, reply
        return str(reply["message_id"])

    async def read(self, room: str, message: str) -> None:
        reply = await self.post(f"/v1/rooms/{room}/read", {"message_id": message})
        assert reply.status == 204, reply

    async def room(self, *members: str, title: str = "課", history: str = "shown") -> str:
        """A new group room; its id."""
        reply = await self.post("/v1/rooms", {"title": title, "members": list(members), "history": history})
        assert reply.status == 201, reply
        return str(reply["room_id"])


class Receiver:
    """A bot's callback address: keeps what it is told, and answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.silent = False
        self.secret = ""
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        raw = await request.read()
        assert request.headers[SIGNATURE_HEADER] == signature(self.secret, raw)
        body = orjson.loads(raw)
        self.requests.append(body)
        if self.silent:
            await asyncio.Event().wait()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.events += body["events"]
        return web.Response(status=status)

    def told(self, type: str) -> list[dict[str, Any]]:
        """The events of one type that were taken."""
        return [event for event in self.events if event["type"] == type]


class City:
    """The service with its people and one bot."""

    def __init__(self, service: ChatService, clock: ManualClock, session: aiohttp.ClientSession) -> None:
        self.service = service
        self.clock = clock
        self.session = session
        self.receiver = Receiver()
        self.admin = Client(session, service.url, ADMIN)

    async def people(self, count: int, prefix: str = "s", **more: Any) -> list[str]:
        """Make people without signing them in; their ids."""
        users = [
            {"login": f"{prefix}{n}", "name": f"職員{n}", "department": "総務課", "password": "kairanban", **more}
            for n in range(1, count + 1)
        ]
        reply = await self.admin.post("/v1/admin/users", {"users": users})
        assert reply.status == 200, reply
        return [user["user_id"] for user in reply["users"]]

    async def sign_in(self, login: str) -> Client:
        reply = await Client(self.session, self.service.url, "").post(
            "/v1/login", {"login": login, "password": "kairanban"}
        )
        assert reply.status == 200, reply
        return Client(self.session, self.service.url, reply["token"], reply["user_id"])

    async def join(self, *logins: str) -> list[Client]:
        """Make these people and sign them in."""
        for login in logins:
            await self.people(1, prefix=login)
        return [await self.sign_in(f"{login}1") for login in logins]

    async def bot(self, name: str = "回覧板") -> Client:
        reply = await self.admin.post("/v1/admin/bots", {"name": name, "callback_url": self.receiver.url})
        assert reply.status == 200, reply
        self.receiver.secret = reply["secret"]
        return Client(self.session, self.service.url, reply["token"], reply["bot_id"])

    async def quiet(self) -> None:
        """Wait until every callback that is due was answered and every frame was written."""
        await self.service.activity.idle()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
def limits() -> Limits:
    """Small where a test reaches them; a test module overrides this to make them smaller."""
    return Limits(login=Rate(1, 5_000))


@pytest.fixture
def callback_time_limit() -> float:
    return 5.0


@pytest.fixture
async def service(
    tmp_path: Path, clock: ManualClock, limits: Limits, callback_time_limit: float
) -> AsyncIterator[ChatService]:
    service = ChatService(
        database=tmp_path / "service.sqlite3",
        files=tmp_path / "files",
        clock=clock,
        admin_token=ADMIN,
        password_cost=REHEARSAL,
        limits=limits,
        callback_time_limit=callback_time_limit,
    )
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def city(service: ChatService, clock: ManualClock) -> AsyncIterator[City]:
    async with aiohttp.ClientSession() as session:
        city = City(service, clock, session)
        app = web.Application()
        app.router.add_post("/callback", city.receiver.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        async with listening(runner, "127.0.0.1", 0) as port:
            city.receiver.url = f"http://127.0.0.1:{port}/callback"
            yield city
            await service.stop()
