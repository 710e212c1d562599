"""A LINE in memory, on a loopback port: it enforces LINE's published rules and misbehaves when asked to.

    async with FakeLine() as line:
        adapter = Line(line.channel_access_token, line.channel_secret, base_url=line.url)
        alice = line.person("alice")
        ...                              # your bot sends, and alice sees it
        assert line.seen(alice)[-1].text == "お知らせ"
        line.webhook = "http://127.0.0.1:8781/webhooks/line"
        await line.press(alice, "確認しました")

What a person sees is what LINE would show; a call that breaks a rule is answered as LINE answers it, and is in `calls`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import orjson
from aiohttp import web

from bot.clock import TOKYO, Clock, SystemClock
from bot.serving import listening
from bot.testing.fakes import line_rules as rules
from bot.testing.fakes.line_rules import Json, Problem

Behaviour = Literal["well", "busy", "broken", "cut", "silent", "refusing", "gibberish", "acted", "acted_broken"]
"""How calls that send are treated: well; busy (429, and as with LINE no Retry-After); broken (500); cut off; silent,
never answered; refusing (400); gibberish, done but with a senseless answer; acted, done and then cut off;
acted_broken, done and then 500."""

REPLY_TOKEN_LIFE = timedelta(minutes=1)
RETRY_KEY_MEMORY = timedelta(hours=24)
TAKES_RETRY_KEY = frozenset({"push", "multicast", "narrowcast", "broadcast"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One message object on somebody's screen; `buttons` are pairs of label and data, `by` is the call it came by."""

    id: str
    chat: str
    text: str
    buttons: tuple[tuple[str, str], ...]
    quick_replies: tuple[str, ...]
    by: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the API, and what it was answered."""

    path: str
    headers: Mapping[str, str]
    body: Any
    status: int

    @property
    def retry_key(self) -> str | None:
        return self.headers.get("X-Line-Retry-Key")


@dataclass(slots=True)
class _Accepted:
    request_id: str
    at: datetime
    answer: dict[str, Any]


@dataclass(eq=False)
class FakeLine:
    """One official account. `quota` is how many messages a month it may send, None for any number."""

    clock: Clock = field(default_factory=SystemClock)
    channel_access_token: str = "fake-channel-access-token"  # noqa: S105 - good on this fake only
    channel_secret: str = "fake-channel-secret"  # noqa: S105 - the same
    quota: int | None = None
    webhook: str | None = None
    """Where the bot takes its webhooks, such as `http://127.0.0.1:8781/webhooks/line`."""
    port: int = 0
    destination: str = "U" + "b" * 32
    """The bot's own user id."""
    friends: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    rooms: dict[str, set[str]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    url: str = ""
    used: int = 0
    """Messages sent in this month, one for every person."""
    tells_quota: bool = True
    """Whether questions about the month's messages are answered; else with 500."""
    on_call: Callable[[str], None] = lambda path: None
    """Called with the path of each call once it is answered, to change the fake's mind in the middle of something."""
    _seen: list[tuple[str, Seen]] = field(default_factory=list)
    _tokens: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _accepted: dict[str, _Accepted] = field(default_factory=dict)
    _behaviour: tuple[Behaviour, int | None] = ("well", None)
    _month: tuple[int, int] | None = None
    _last: dict[str, Any] | None = None

    # ----------------------------------------------------------------- life

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=2**21)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._closing = asyncio.Event()
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        self._listening = listening(runner, "127.0.0.1", self.port)
        self.port = await self._listening.__aenter__()
        self.url = f"http://127.0.0.1:{self.port}"
        self._client = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        await self._client.close()
        await self._listening.__aexit__(None, None, None)

    def behave(self, behaviour: Behaviour, times: int | None = None) -> None:
        """Treat the next `times` calls that send like this, or all from now on."""
        self._behaviour = (behaviour, times)

    # --------------------------------------------------------------- people

    def person(self, name: str) -> str:
        """The user id of a friend of the bot with this name, who is one from now on."""
        user = "U" + hashlib.sha256(name.encode()).hexdigest()[:32]
        self.friends.add(user)
        return user

    def room(self, name: str, members: Sequence[str]) -> str:
        """The id of a group with these members and the bot."""
        group = "C" + hashlib.sha256(name.encode()).hexdigest()[:32]
        self.rooms[group] = set(members)
        return group

    def seen(self, person: str) -> list[Seen]:
        """What somebody has got from the bot, in its order, in all their chats."""
        return [seen for user, seen in self._seen if user == person]

    def texts(self) -> list[str]:
        """The texts of all messages that people can see."""
        return [seen.text for _, seen in self._seen]

    # ------------------------------------------------------------- webhooks

    def sign(self, body: bytes) -> dict[str, str]:
        """The headers of a webhook with this body."""
        digest = hmac.digest(self.channel_secret.encode(), body, hashlib.sha256)
        return {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "LineBotWebhook/2.0",
            "X-Line-Signature": base64.b64encode(digest).decode(),
        }

    def callback(self, *events: Mapping[str, Any]) -> bytes:
        """The body of a webhook with these events; none makes it a connection check."""
        return orjson.dumps({"destination": self.destination, "events": events})

    def event(
        self, kind: str, person: str | None, room: str | None = None, *, answerable: bool = False, **rest: Any
    ) -> dict[str, Any]:
        """An event as LINE writes it; `answerable` gives it a reply token, `rest` is what is its own."""
        source: dict[str, Any] = {"type": "user"} if room is None else {"type": "group", "groupId": room}
        if person is not None:
            source["userId"] = person
        event: dict[str, Any] = {
            "type": kind,
            "mode": "active",
            "timestamp": int(self.clock.now().timestamp() * 1000),
            "source": source,
            "webhookEventId": uuid.uuid4().hex[:26].upper(),
            "deliveryContext": {"isRedelivery": False},
            **rest,
        }
        if answerable:
            event["replyToken"] = token = uuid.uuid4().hex
            self._tokens[token] = (room or person or "", self.clock.now())
        return event

    async def post(self, *events: Mapping[str, Any]) -> int:
        """Sign these events and post them to the bot; the status that it answers."""
        self._last = {"events": events}
        return await self._deliver(self.callback(*events))

    async def redeliver(self) -> int:
        """Post the last webhook again, marked as LINE marks a redelivery."""
        assert self._last is not None, "Nothing has been posted to the bot yet."
        again = [{**event, "deliveryContext": {"isRedelivery": True}} for event in self._last["events"]]
        return await self._deliver(self.callback(*again))

    async def say(self, person: str, text: str, *, room: str | None = None) -> int:
        """Somebody writes to the bot, in pair talk or in a group."""
        message = {"id": str(uuid.uuid4().int)[:18], "type": "text", "quoteToken": uuid.uuid4().hex, "text": text}
        return await self.post(self.event("message", person, room, answerable=True, message=message))

    async def press(self, person: str, button: str, *, room: str | None = None) -> int:
        """Somebody presses a button that they see, named by its label or its data; the latest one that is so named."""
        chat = room or person
        data = next(
            (
                data
                for seen in reversed(self.seen(person))
                if seen.chat == chat
                for label, data in seen.buttons
                if button in {label, data}
            ),
            None,
        )
        assert data is not None, f"{person} sees no button {button!r}."
        return await self.post(self.event("postback", person, room, answerable=True, postback={"data": data}))

    async def follow(self, person: str) -> int:
        """Somebody befriends or unblocks the bot."""
        self.friends.add(person)
        self.blocked.discard(person)
        return await self.post(self.event("follow", person, answerable=True, follow={"isUnblocked": False}))

    async def block(self, person: str) -> int:
        """Somebody blocks the bot: what it sends is accepted and not shown."""
        self.blocked.add(person)
        return await self.post(self.event("unfollow", person))

    async def _deliver(self, body: bytes) -> int:
        assert self.webhook is not None, "Say where the bot is: fake.webhook = 'http://…/webhooks/line'."
        async with self._client.post(self.webhook, data=body, headers=self.sign(body)) as response:
            return response.status

    # ------------------------------------------------------------------ API

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/v2/bot/")
        raw = await request.read()
        request_id = str(uuid.uuid4())
        try:
            body = await self._obey(request, path, raw, request_id)
            answer = web.json_response(body, status=202 if path == "message/narrowcast" else 200, dumps=_dumps)
        except Problem as problem:
            answer = web.json_response(problem.body, status=problem.status, dumps=_dumps, headers=problem.headers)
        except _Stray as stray:
            answer = stray.answer
        answer.headers["X-Line-Request-Id"] = request_id
        self.calls.append(Call(path, dict(request.headers), _readable(raw), answer.status))
        self.on_call(path)
        return answer

    async def _obey(self, request: web.Request, path: str, raw: bytes, request_id: str) -> dict[str, Any]:
        if request.headers.get("Authorization") != f"Bearer {self.channel_access_token}":
            raise Problem(
                401, "Authentication failed. Confirm that the access token in the authorization header is valid."
            )
        if request.method == "GET":
            return self._look(path)
        if request.method != "POST":
            raise Problem(405, "Method not allowed")
        if path.startswith("group/") and path.endswith("/leave"):
            self.rooms.pop(path.split("/")[1], None)
            return {}
        return await self._send(request, path, _document(request, raw), request_id)

    def _look(self, path: str) -> dict[str, Any]:
        if path.startswith("message/quota") and not self.tells_quota:
            raise Problem(500, "Internal server error")
        match path.split("/"):
            case ["info"]:
                return {"userId": self.destination, "basicId": "@fake", "displayName": "回覧板", "chatMode": "bot"}
            case ["message", "quota"]:
                return {"type": "none"} if self.quota is None else {"type": "limited", "value": self.quota}
            case ["message", "quota", "consumption"]:
                self._turn_month()
                return {"totalUsage": self.used}
            case ["profile", user] if user in self.friends:
                return {"userId": user, "displayName": user[:8], "language": "ja"}
            case ["group", group, "members", "ids"] if group in self.rooms:
                return {"memberIds": sorted(self.rooms[group])}
        raise Problem(404, "Not found")

    async def _send(self, request: web.Request, path: str, body: Json, request_id: str) -> dict[str, Any]:
        kind = path.removeprefix("message/")
        act = {
            "reply": self._reply,
            "push": self._push,
            "multicast": self._multicast,
            "narrowcast": self._broadcast,
            "broadcast": self._broadcast,
        }.get(kind)
        key = request.headers.get("X-Line-Retry-Key")
        if key is not None and kind not in TAKES_RETRY_KEY:
            raise Problem(400, "The retry key is not supported for this API")
        if kind.startswith("validate/") and kind.removeprefix("validate/") in TAKES_RETRY_KEY | {"reply"}:
            rules.check_messages(body)
            return {}
        if act is None:
            raise Problem(404, "Not found")
        behaviour = self._next_behaviour()
        await self._misbehave(behaviour, request)
        key = None if key is None else rules.check_retry_key(key)
        self._refuse_repetition(key)
        answer = act(kind, body)
        if key is not None:
            self._accepted[key] = _Accepted(request_id, self.clock.now(), answer)
        if behaviour == "acted":
            _cut(request)
        if behaviour == "acted_broken":
            raise Problem(500, "Internal server error")
        if behaviour == "gibberish":
            raise _Stray(web.Response(text="<html>?</html>", content_type="text/html"))
        return answer

    def _next_behaviour(self) -> Behaviour:
        behaviour, times = self._behaviour
        if times is not None:
            self._behaviour = (behaviour, times - 1) if times > 1 else ("well", None)
        return behaviour

    async def _misbehave(self, behaviour: Behaviour, request: web.Request) -> None:
        match behaviour:
            case "busy":
                raise Problem(429, "The API rate limit exceeded. Try again later.")
            case "broken":
                raise Problem(500, "Internal server error")
            case "refusing":
                raise Problem(400, "The request was refused")
            case "cut":
                _cut(request)
            case "silent":
                await self._closing.wait()
                _cut(request)

    def _refuse_repetition(self, key: str | None) -> None:
        known = None if key is None else self._accepted.get(key)
        if known is not None and self.clock.now() < known.at + RETRY_KEY_MEMORY:
            problem = Problem(
                409,
                "The retry key is already accepted",
                headers={"X-Line-Accepted-Request-Id": known.request_id},
            )
            problem.body |= known.answer
            raise problem

    # ---------------------------------------------------------------- calls

    def _reply(self, kind: str, body: Json) -> dict[str, Any]:
        messages = rules.check_messages(body)
        chat, issued = self._tokens.pop(str(body.get("replyToken")), ("", self.clock.now()))
        if not chat or self.clock.now() > issued + REPLY_TOKEN_LIFE:
            raise Problem(400, "Invalid reply token")
        return self._show(kind, [chat], messages)

    def _push(self, kind: str, body: Json) -> dict[str, Any]:
        messages, to = rules.check_messages(body), rules.check_recipient(body)
        if to not in self.friends and to not in self.rooms:
            raise Problem(400, "Failed to send messages")
        self._count(len(self.rooms.get(to, {to})))
        return self._show(kind, [to], messages)

    def _multicast(self, kind: str, body: Json) -> dict[str, Any]:
        messages, people = rules.check_messages(body), rules.check_recipients(body)
        self._count(len(people))
        self._show(kind, people, messages)
        return {}

    def _broadcast(self, kind: str, body: Json) -> dict[str, Any]:
        messages = rules.check_messages(body)
        self._count(len(self.friends))
        self._show(kind, sorted(self.friends), messages)
        return {}

    def _count(self, people: int) -> None:
        self._turn_month()
        if self.quota is not None and self.used + people > self.quota:
            raise Problem(429, "You have reached your monthly limit.")
        self.used += people

    def _turn_month(self) -> None:
        now = self.clock.now().astimezone(TOKYO)
        if self._month != (now.year, now.month):
            self.used = 0 if self._month is not None else self.used
            self._month = (now.year, now.month)

    def _show(self, kind: str, chats: Sequence[str], messages: Sequence[Json]) -> dict[str, Any]:
        """Put messages on the screens of those who are in these chats; LINE's answer to it."""
        sent = [{"id": str(uuid.uuid4().int)[:18], "quoteToken": uuid.uuid4().hex} for _ in messages]
        for chat in chats:
            for person in sorted(self.rooms.get(chat, {chat})):
                if person in self.blocked or (chat == person and person not in self.friends):
                    continue
                for message, receipt in zip(messages, sent, strict=True):
                    self._seen.append((person, _as_seen(message, receipt["id"], chat, kind, self.clock.now())))
        return {"sentMessages": sent}


class _Stray(Exception):
    """An answer that is no LINE's."""

    def __init__(self, answer: web.Response) -> None:
        self.answer = answer
        super().__init__("stray")


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise _Stray(web.Response(status=500))


def _document(request: web.Request, raw: bytes) -> Json:
    if request.content_type != "application/json":
        raise Problem(415, "Unsupported Media Type")
    body = _readable(raw)
    if not isinstance(body, dict):
        raise Problem(400, "The request body could not be parsed as JSON")
    return body


def _readable(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _dumps(document: object) -> str:
    return orjson.dumps(document).decode()


def _as_seen(message: Json, number: str, chat: str, by: str, at: datetime) -> Seen:
    buttons = tuple(
        (component["action"]["label"], component["action"].get("data", ""))
        for component in message.get("contents", {}).get("body", {}).get("contents", ())
        if component.get("type") == "button"
    )
    items = message.get("quickReply", {}).get("items", ())
    chips = tuple(item["action"]["label"] for item in items)
    return Seen(number, chat, message.get("text", ""), buttons, chips, by, at)
