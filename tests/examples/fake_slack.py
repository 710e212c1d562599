"""A small Slack on a loopback port that holds callers to the rules that docs.slack.dev publishes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web

from bot.serving import listening
from bot.testing.conformance import Behaviour

TOKEN = "xoxb-fake-token"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
BOT = "U0BOT"
PAIR_TALKS = {"U1": "D1", "U2": "D2"}
CHANNELS = {"C1", *PAIR_TALKS.values()}


@dataclass
class Slack:
    """What a test sees of it. `errors` are answered, one a call, before anything else."""

    api: str = ""
    behaviour: Behaviour = "well"
    errors: list[str] = field(default_factory=list)
    posts: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    def texts(self) -> Sequence[str]:
        return [post["text"] for post in self.posts.values()]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        arguments = await request.json()
        match self.behaviour:
            case "busy":
                return _answer({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "30"})
            case "broken":
                return web.Response(status=500, text="oops")
            case "refusing":
                return _answer({"ok": False, "error": "channel_not_found"})
            case "gibberish":
                return web.Response(text="well done")
            case "silent":
                await self.released.wait()
            case "cut":
                assert request.transport is not None
                request.transport.abort()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            error: str | None = "invalid_auth"
        elif self.errors:
            error = self.errors.pop(0)
        elif request.match_info["method"] == "chat.postMessage":
            error = _wrong_with(arguments)
        else:
            known = (arguments["channel"], arguments["ts"]) in self.posts
            error = None if known else "message_not_found"
        if error is not None:
            return _answer({"ok": False, "error": error})
        return _answer({"ok": True, **self._act(request.match_info["method"], arguments)})

    def _act(self, method: str, arguments: dict[str, Any]) -> dict[str, str]:
        if method == "chat.delete":
            channel, ts = arguments["channel"], arguments["ts"]
            del self.posts[channel, ts]
        else:
            channel, ts = (
                PAIR_TALKS.get(arguments["channel"], arguments["channel"]),
                f"16883{next(self.numbers):05}.000100",
            )
            self.posts[channel, ts] = arguments
        return {"channel": channel, "ts": ts}


def _wrong_with(post: Mapping[str, Any]) -> str | None:
    """The error of chat.postMessage for these arguments, by the limits of the method and of Block Kit."""
    if PAIR_TALKS.get(post["channel"], post["channel"]) not in CHANNELS:
        return "channel_not_found"
    if not post.get("text"):
        return "no_text"
    if len(post["text"]) > 40_000:
        return "msg_too_long"
    blocks = post.get("blocks", [])
    elements = [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
    right = (
        len(blocks) <= 50
        and len(elements) <= 25
        and len({element["action_id"] for element in elements}) == len(elements)
        and all(0 < len(each["text"]["text"]) <= 75 and len(each["value"]) <= 2_000 for each in elements)
        and all(0 < len(block["text"]["text"]) <= 3_000 for block in blocks if block["type"] == "section")
    )
    return None if right else "invalid_blocks"


def _answer(document: Mapping[str, object], **options: Any) -> web.Response:
    return web.json_response(document, **options)


def signed(body: bytes, at: datetime, secret: str = SECRET) -> dict[str, str]:
    """The headers that Slack sends with a body."""
    timestamp = str(int(at.timestamp()))
    signature = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={signature}"}


def callback(kind: str, *, number: int = 1, **event: object) -> bytes:
    """An event as the Events API wraps it."""
    common = {"type": kind, "channel": "D1", "channel_type": "im", "user": "U1", "ts": "1688342400.000200"}
    return orjson.dumps(
        {
            "type": "event_callback",
            "team_id": "T1",
            "event_id": f"Ev{number}",
            "event_time": 1688342400,
            "authorizations": [{"team_id": "T1", "user_id": BOT, "is_bot": True}],
            "event": {name: value for name, value in (common | event).items() if value is not None},
        }
    )


def pressed(*values: str, channel: str = "D1") -> bytes:
    """A press of buttons, as interactivity posts it: a form with one field."""
    actions = [
        {"type": "button", "action_id": str(n), "value": value, "action_ts": f"1688342500.{n:06}"}
        for n, value in enumerate(values)
    ]
    container = {"type": "message", "message_ts": "1688342400.000200", "channel_id": channel}
    payload = {"type": "block_actions", "user": {"id": "U1"}, "container": container, "actions": actions}
    return urlencode({"payload": orjson.dumps(payload).decode()}).encode()


@asynccontextmanager
async def running_slack() -> AsyncIterator[Slack]:
    slack = Slack()
    application = web.Application()
    application.router.add_post("/api/{method:chat\\.(?:postMessage|delete)}", slack.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    async with listening(runner, "127.0.0.1", 0) as port:
        slack.api = f"http://127.0.0.1:{port}/api"
        try:
            yield slack
        finally:
            slack.released.set()
