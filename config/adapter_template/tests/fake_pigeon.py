"""The far side on a loopback port: what the platform's documentation promises and forbids, and nothing more."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from bot.serving import listening
from bot.testing.conformance import Behaviour

TOKEN = "token-of-the-bot"
SECRET = "secret-of-the-bot"


class FakePigeon:
    """A service that can be told to misbehave."""

    def __init__(self) -> None:
        self.url = ""
        self.behaviour: Behaviour = "well"
        self.messages: dict[str, dict[str, Any]] = {}
        self.by_key: dict[str, str] = {}
        self.released = asyncio.Event()

    def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    def texts(self) -> Sequence[str]:
        return [message["text"] for message in self.messages.values()]

    def sign(self, body: bytes) -> dict[str, str]:
        return {"X-Pigeon-Signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        match self.behaviour:
            case "busy":
                return web.Response(status=429, headers={"Retry-After": "7"})
            case "broken":
                return web.Response(status=500)
            case "refusing":
                return web.json_response({"error": "The bot may not write there."}, status=403)
            case "gibberish":
                return web.Response(status=201, text="well done")
            case "silent":
                await self.released.wait()
            case "cut":
                assert request.transport is not None
                request.transport.abort()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        if request.method == "DELETE":
            gone = self.messages.pop(request.match_info["message"], None)
            if gone is None:
                return web.json_response({"error": "There is no such message."}, status=404)
            return web.Response(status=204)
        key = request.headers["Idempotency-Key"]
        if key not in self.by_key:
            self.by_key[key] = f"m{len(self.by_key) + 1}"
            self.messages[self.by_key[key]] = await request.json()
        return web.json_response({"message": self.by_key[key]}, status=201)


@asynccontextmanager
async def running_pigeon() -> AsyncIterator[FakePigeon]:
    fake = FakePigeon()
    application = web.Application()
    application.router.add_post("/messages", fake.handle)
    application.router.add_delete("/messages/{message}", fake.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    async with listening(runner, "127.0.0.1", 0) as port:
        fake.url = f"http://127.0.0.1:{port}"
        try:
            yield fake
        finally:
            fake.released.set()
