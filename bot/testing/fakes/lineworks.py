"""A LINE WORKS on a loopback port, for those who write bots: it keeps the rules, and breaks down on request.

    async with FakeLineWorks(clock) as works:
        bot = LineWorks(works.bot_id, works.bot_secret, works.account, api=works.api, token_url=works.token_url)
        ...
        assert works.texts() == ["こんにちは"]
        works.callback_url = "http://127.0.0.1:8781/webhooks/lineworks"
        await works.say("u1", "/ヘルプ")

Kept: the service account's JWT and the token's end, 240 calls a minute of each operation (10 for making rooms), pages
of 100 members, the schema and the lengths of a message, no push into rooms of 500, no id and no second try of a
callback. What the documentation leaves open varies from callback to callback: the case of headers, numbers or strings
for ids, milliseconds or none.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote

import aiohttp
import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from bot.adapters.lineworks_auth import ServiceAccount
from bot.adapters.lineworks_wire import BOT_HEADER, GRANT, SIGNATURE_HEADER, signature
from bot.clock import TOKYO, Clock, SystemClock
from bot.serving import listening
from bot.testing.fakes.lineworks_rules import (
    BOT_SCOPES,
    SCOPES,
    CreateChannel,
    CreatePost,
    FakeMessage,
    FakePost,
    FakeRoom,
    Limit,
    SendMessage,
    assertion_problem,
    new_account,
    oauth_problem,
    problem,
    public_key,
)

Fault = Literal["well", "busy", "broken", "cut", "silent", "refusing", "gibberish", "act_then_cut"]
"""How a call is treated: as in the conformance suite, or carried out and then cut off before it is answered."""


@dataclass(eq=False)
class FakeLineWorks:
    """One domain with one app and one bot. Without `users`, everybody to whom something is sent exists."""

    clock: Clock = field(default_factory=SystemClock)
    requests_per_minute: int = 240
    token_life: timedelta = timedelta(hours=24)
    users: set[str] | None = None
    callback_url: str = ""
    bot_id: str = "2000001"
    bot_secret: str = "bot-secret-of-the-fake"  # noqa: S105 - opens nothing
    account: ServiceAccount = field(default_factory=new_account)
    messages: list[FakeMessage] = field(default_factory=list)
    rooms: dict[str, FakeRoom] = field(default_factory=dict)
    boards: dict[int, list[FakePost]] = field(default_factory=dict)
    """The posts of each board, oldest first."""
    members: list[str] = field(default_factory=list)
    """Who may read the boards."""
    readers_at_once: int = 5_000
    people: dict[str, str | None] = field(default_factory=dict)
    """The domain's list of users: external keys by user id."""
    answered: list[tuple[str, int]] = field(default_factory=list)
    """Every call as (operation, status)."""
    lost: list[bytes] = field(default_factory=list)
    """Callbacks that were not answered 200; they are never sent again."""
    faults: deque[Fault] = field(default_factory=deque)
    """How the next calls to the bot's API are treated, one each; afterwards as `behave` says."""
    token_fault: Fault = "well"  # noqa: S105 - a fault, no token
    """How requests for a token are treated."""
    tokens: dict[str, datetime] = field(default_factory=dict)
    """Each token that was given out, and when it ends."""
    url: str = ""

    def __post_init__(self) -> None:
        self._behaviour: Fault = "well"
        self._limits: dict[str, Limit] = defaultdict(lambda: Limit(self.requests_per_minute))
        self._limits["create room"] = Limit(10)
        self._cursors: dict[str, int] = {}
        self._scopes: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._variant = itertools.count()
        self._released = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._released.clear()
        runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.1)
        self._listening = listening(runner, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{await self._listening.__aenter__()}"
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        await self._session.close()
        await self._listening.__aexit__(None, None, None)

    @property
    def api(self) -> str:
        return f"{self.url}/v1.0"

    @property
    def token_url(self) -> str:
        return f"{self.url}/oauth2/v2.0/token"

    # ---------------------------------------------------------------- to look at

    def texts(self) -> Sequence[str]:
        """What people can read, in the order in which it came."""
        return [message.text for message in self.messages]

    def count(self, status: int) -> int:
        """How many calls were answered so."""
        return sum(1 for _, answered in self.answered if answered == status)

    @property
    def busiest_half_hour(self) -> int:
        """The most calls of one operation in any half hour; the platform asks for no more than 15 times the limit."""
        return max((limit.busiest_half_hour for limit in self._limits.values()), default=0)

    # ------------------------------------------------------------------ to play

    def behave(self, behaviour: Fault) -> None:
        """Treat every call to the bot's API from now on like this."""
        self._behaviour = behaviour

    def revoke(self) -> None:
        """Make every token worthless that was given out so far."""
        self.tokens.clear()

    async def say(self, user: str, text: str, *, room: str | None = None) -> int:
        """Somebody writes to the bot; the status of the bot's answer."""
        return await self.post(self.event("message", user, room, content={"type": "text", "text": text}))

    async def press(self, user: str, button: Mapping[str, Any], *, room: str | None = None) -> int:
        """Somebody presses a button: the `action` of a message that the bot has sent."""
        if button["type"] == "postback":
            return await self.post(self.event("postback", user, room, data=button["data"]))
        said = {"type": "text", "text": button["label"], "postback": button["postback"]}
        return await self.post(self.event("message", user, room, content=said))

    def event(self, kind: str, user: str | None = None, room: str | None = None, **more: object) -> dict[str, object]:
        """A callback's document; the forms that the platform may choose between take turns."""
        variant = next(self._variant)
        domain: object = 40029600 if variant % 2 else "40029600"
        source = {"userId": user, "channelId": room, "domainId": domain}
        moment = self.clock.now().isoformat(timespec="milliseconds" if variant % 3 else "seconds")
        return {
            "type": kind,
            "source": {name: value for name, value in source.items() if value is not None},
            "issuedTime": moment.replace("+00:00", "Z"),
            **more,
        }

    def signed(self, document: object) -> tuple[dict[str, str], bytes]:
        """Headers and body of a callback, signed; the case of the headers' names takes turns."""
        body = orjson.dumps(document)
        style = (str, str.lower, str.upper)[next(self._variant) % 3]
        headers = {BOT_HEADER: self.bot_id, SIGNATURE_HEADER: signature(self.bot_secret, body)}
        return {style(name): value for name, value in headers.items()}, body

    async def post(self, document: object) -> int:
        """Send a callback, once; the status of the answer, 0 if there was none."""
        headers, body = self.signed(document)
        headers["Content-Type"] = "application/json; charset=UTF-8"
        try:
            async with self._session.post(self.callback_url, data=body, headers=headers) as response:
                status = response.status
        except aiohttp.ClientError:
            status = 0
        if status != 200:
            self.lost.append(body)
        return status

    # ----------------------------------------------------------------- the server

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if request.path == "/oauth2/v2.0/token":
            fault = self.token_fault
        else:
            fault = self.faults.popleft() if self.faults else self._behaviour
        if fault == "silent":
            await self._released.wait()
        if fault == "cut":
            return self._cut(request)
        operation, answer = self._act(request, body, fault)
        self.answered.append((operation, answer.status))
        return self._cut(request) if fault == "act_then_cut" else answer

    def _cut(self, request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def _act(self, request: web.BaseRequest, body: bytes, fault: Fault) -> tuple[str, web.Response]:
        parts = [part for part in request.rel_url.raw_path.split("/") if part]
        if parts == ["oauth2", "v2.0", "token"]:
            return "token", self._token(request, body) if fault in {"well", "act_then_cut"} else problem(500, "BROKEN")
        match request.method, parts:
            case "POST", ["v1.0", "bots", bot, ("users" | "channels") as kind, _, "messages"]:
                operation = f"send to {kind}"
            case "GET", ["v1.0", "bots", bot, "channels", _, "members"]:
                operation = "list members"
            case "POST", ["v1.0", "bots", bot, "channels"]:
                operation = "create room"
            case "POST", ["v1.0", "boards", _, "posts"]:
                operation, bot = "create post", self.bot_id
            case "GET", ["v1.0", "boards", _, "posts"]:
                operation, bot = "list posts", self.bot_id
            case "GET", ["v1.0", "boards", _, "posts", _, "readers"]:
                operation, bot = "list readers", self.bot_id
            case "GET", ["v1.0", "users"]:
                operation, bot = "list users", self.bot_id
            case _:
                return "unknown", problem(404, "NOT_FOUND", "There is no such operation.")
        now, limit = self.clock.now(), self._limits[operation]
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, now) <= now:
            return operation, problem(401, "UNAUTHORIZED", "Authentication failed.")
        if fault == "busy" or not limit.take(now):
            reset = {"rateLimit-reset": "7"} if fault == "busy" else {}
            headers = limit.headers(now) | reset
            return operation, problem(429, "TOO_MANY_REQUESTS", "API rate limit exceeded", headers)
        if fault == "broken":
            return operation, problem(500, "INTERNAL_SERVER_ERROR")
        if fault == "gibberish":
            return operation, web.Response(text="well done", headers=limit.headers(now))
        if fault == "refusing" or bot != self.bot_id:
            return operation, problem(403, "FORBIDDEN", "The app may not use this bot.")
        if operation == "list users" and "user.read" not in self._scopes[token].split():
            return operation, problem(403, "FORBIDDEN", "The token has not the scope user.read.")
        scopes = self._scopes[token].replace(",", " ").split()
        if "boards" in parts and not ({"board"} | ({"board.read"} if request.method == "GET" else set())) & {*scopes}:
            return operation, problem(403, "FORBIDDEN", "The token has not the scope board.")
        if "bots" in parts and not {"bot", "bot.read" if request.method == "GET" else "bot.message"} & {*scopes}:
            return operation, problem(403, "FORBIDDEN", "The token has not the scope bot.")
        answer = self._carry_out(operation, request, body)
        answer.headers.update(limit.headers(now))
        return operation, answer

    def _token(self, request: web.BaseRequest, body: bytes) -> web.Response:
        is_form = request.content_type == "application/x-www-form-urlencoded"
        fields = dict(parse_qsl(body.decode())) if is_form else {}
        if request.method != "POST" or fields.get("grant_type") != GRANT:
            return oauth_problem("unsupported_grant_type", "Ask with POST, a form, and the JWT bearer grant.")
        secrets = (self.account.client_id, self.account.client_secret)
        if (fields.get("client_id"), fields.get("client_secret")) != secrets:
            return oauth_problem("invalid_client", "The client id and its secret do not match.", 401)
        asked = fields.get("scope", "").replace(",", " ").split()
        if not SCOPES.issuperset(asked) or not BOT_SCOPES.intersection(asked):
            return oauth_problem("invalid_scope", "There is no such scope, or none for a bot is asked for.")
        mistake = assertion_problem(
            fields.get("assertion", ""),
            public_key(self.account),
            client_id=self.account.client_id,
            service_account=self.account.service_account,
            now=self.clock.now(),
        )
        if mistake is not None:
            return oauth_problem("invalid_grant", mistake)
        token = f"token-{next(self._numbers)}"
        self.tokens[token] = self.clock.now() + self.token_life
        self._scopes[token] = fields["scope"]
        life = str(int(self.token_life.total_seconds()))
        return web.json_response(
            {"access_token": token, "refresh_token": "r", "token_type": "Bearer", "expires_in": life, "scope": "bot"}
        )

    def _carry_out(self, operation: str, request: web.BaseRequest, body: bytes) -> web.Response:
        if operation == "list users":
            users = [{"userId": user, "userExternalKey": key} for user, key in self.people.items()]
            return self._page("users", users, request.query)
        if "boards" in request.rel_url.raw_path.split("/"):
            return self._board(operation, request, body)
        kind, *rest = [unquote(part) for part in request.rel_url.raw_path.split("/")[4:]]
        if operation == "list members":
            room = self.rooms.get(rest[0])
            if room is None:
                return problem(404, "NOT_FOUND", "The bot is not in this room.")
            return self._page("members", room.members, request.query)
        if request.content_type != "application/json":
            return problem(400, "INVALID_PARAMETER", "Content-Type must be application/json.")
        shape: type[BaseModel] = CreateChannel if operation == "create room" else SendMessage
        try:
            question = shape.model_validate_json(body)
        except ValidationError as error:
            return problem(400, "INVALID_PARAMETER", error.errors(include_input=False)[0]["msg"])
        if isinstance(question, CreateChannel):
            return self._create_room(question)
        return self._send("users" if kind == "users" else "channels", rest[0], orjson.loads(body)["content"])

    def _send(self, kind: Literal["users", "channels"], to: str, content: Mapping[str, Any]) -> web.Response:
        room = self.rooms.get(to)
        if (kind == "channels" and room is None) or (
            kind == "users" and self.users is not None and to not in self.users
        ):
            return problem(404, "NOT_FOUND", "There is nobody of this id here, or the bot is not in the room.")
        notified = room is None or len(room.members) < 500
        self.messages.append(FakeMessage(kind, to, content, self.clock.now(), notified))
        return web.Response(status=201)

    def _board(self, operation: str, request: web.BaseRequest, body: bytes) -> web.Response:
        _, _, _, board, _, *rest = request.rel_url.raw_path.split("/")
        posts = self.boards.get(int(board)) if board.isdigit() else None
        if posts is None:
            return problem(404, "NOT_FOUND", "There is no such board.")
        if operation == "list posts":
            found = [{"boardId": int(board), "postId": post.number, "title": post.title} for post in reversed(posts)]
            return self._page("posts", found, request.query)
        if operation == "list readers":
            found_post = next((post for post in posts if str(post.number) == rest[0]), None)
            if found_post is None:
                return problem(404, "NOT_FOUND", "There is no such post.")
            people = [{"userId": each, "userName": each, "isRead": each in found_post.readers} for each in self.members]
            return self._page("readers", people, request.query, most=self.readers_at_once)
        if request.content_type != "application/json":
            return problem(400, "INVALID_PARAMETER", "Content-Type must be application/json.")
        try:
            question = CreatePost.model_validate_json(body)
        except ValidationError as error:
            return problem(400, "INVALID_PARAMETER", error.errors(include_input=False)[0]["msg"])
        today = self.clock.now().astimezone(TOKYO).date()
        if question.mustReadEndDate is not None and not 0 <= (question.mustReadEndDate - today).days <= 30:
            return problem(400, "INVALID_PARAMETER", "mustReadEndDate is within 30 days.")
        post = FakePost(next(self._numbers), question.title, question.body, question.mustReadEndDate)
        posts.append(post)
        return web.json_response({"boardId": int(board), "postId": post.number, "title": post.title}, status=201)

    def _create_room(self, question: CreateChannel) -> web.Response:
        if len(set(question.members)) != len(question.members):
            return problem(400, "INVALID_PARAMETER", "Somebody is in the list of members twice.")
        room = f"channel-{next(self._numbers)}"
        self.rooms[room] = FakeRoom(question.title, list(question.members))
        return web.json_response({"channelId": room, "title": question.title}, status=201)

    def _page(self, name: str, entries: Sequence[object], query: Mapping[str, str], *, most: int = 100) -> web.Response:
        usual = {"users": "100", "readers": str(most)}.get(name, "50")
        count, cursor = query.get("count", usual), query.get("cursor")
        if not count.isdigit() or not 1 <= int(count) <= most or (cursor is not None and cursor not in self._cursors):
            return problem(400, "INVALID_PARAMETER", "count is from 1 to 100, and a cursor is one that we gave.")
        start = self._cursors[cursor] if cursor is not None else 0
        end = start + int(count)
        following = None
        if end < len(entries):
            # With the signs that an address must not have as they are.
            following = base64.b64encode(b"\xfb\xef\xbe" + str(end).encode()).decode() + "+/="
            self._cursors[following] = end
        return web.json_response({name: entries[start:end], "responseMetaData": {"nextCursor": following}})
