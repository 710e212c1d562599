"""The way of one request: who calls, may they call now, what do they say, one transaction, then tell the others.

A `Route` is one operation of the API: `trial.service.api_*` list them, `trial.service.openapi` documents them from the
same table, and `Core.endpoint` makes each an aiohttp handler. Most handlers are plain functions
`handler(call, given) -> answer` that run inside the transaction; those that stream, hash or stay open are `special`.
"""

from __future__ import annotations

import asyncio
import hmac
import sqlite3
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from bot.adapters.logochat_wire import IDEMPOTENCY_HEADER
from bot.clock import Clock
from bot.http_server import WHOLE_BODY, is_packed, packed
from trial.service import accounts, idempotency, problems
from trial.service.callbacks import Courier
from trial.service.change import Change
from trial.service.faults import Misbehaviour
from trial.service.files import Folder
from trial.service.hub import Hub
from trial.service.limits import Buckets, Limits
from trial.service.passwords import Passwords
from trial.service.store import transaction

Caller = Literal["anyone", "person", "bot", "admin"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON = "application/json"
UPLOAD = "multipart/form-data"
DOWNLOAD = "application/octet-stream"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `body` or `query` is the model that `handler` gets as its second argument, if there is one."""

    method: str
    path: str
    summary: str
    handler: Callable[..., Any]
    caller: Caller = "person"
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    special: bool = False
    takes: str = JSON
    gives: str = JSON


@dataclass(slots=True)
class Call:
    """One request, inside its transaction: `who` calls, about what `path` names."""

    core: Core
    change: Change
    who: str
    path: Mapping[str, str]


@dataclass(slots=True)
class Core:
    """What all operations share."""

    db: sqlite3.Connection
    clock: Clock
    hub: Hub
    courier: Courier
    folder: Folder
    passwords: Passwords
    limits: Limits
    buckets: Buckets
    misbehaviour: Misbehaviour
    admin_token: str = field(repr=False)
    stopping: asyncio.Event

    def change(self) -> Change:
        """A change at this moment."""
        return Change(self.db, self.clock.now())

    def publish(self, change: Change) -> None:
        """Tell everybody, once the change is committed. Each frame is encoded once."""
        for members, frame in change.frames:
            self.hub.push(members, frame.model_dump_json().encode())
        for bot in change.bots:
            self.courier.ring(bot)
        for callback in change.later:
            callback()

    def identify(self, caller: Caller, request: web.Request) -> str:
        """Who calls, by the bearer token; 401 when it is not one of this kind of caller, 429 when too often."""
        if caller == "anyone":
            return ""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise problems.Unauthorized("Send the header 'Authorization: Bearer <token>'.")
        if caller == "admin":
            if not hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self.admin_token.encode()):
                raise problems.Unauthorized("This is not the administrator's token.")
            return "admin"
        change = self.change()
        if caller == "person":
            who, rate, mend = accounts.person_with(change, token), self.limits.person, "POST /v1/login to get one."
        else:
            who, rate, mend = accounts.bot_with(change, token), self.limits.bot, "The administrator can reset it."
        if who is None:
            raise problems.Unauthorized(f"This token is not valid, or no longer. {mend}")
        self.buckets.take(who, rate, change.now)
        return who

    async def read(self, request: web.Request, model: type[BaseModel]) -> tuple[bytes, Any]:
        """The raw body and what it says; 413, 400 or 422 when it cannot be."""
        try:
            async with asyncio.timeout(WHOLE_BODY.total_seconds()):
                raw = await request.read()
        except (TimeoutError, web.RequestPayloadError):
            raise problems.BadRequest("The body did not come as its headers said, or not in time.") from None
        return raw, model.model_validate_json(raw)

    def endpoint(self, route: Route) -> Handler:
        """The aiohttp handler of one operation."""
        work = self._special(route) if route.special else self._plain(route)

        async def handle(request: web.Request) -> web.StreamResponse:
            if is_packed(request):
                return packed()
            try:
                return await work(request)
            except problems.Problem as problem:
                return problem.response()
            except ValidationError as error:
                return problems.from_validation(error).response()
            except web.HTTPRequestEntityTooLarge:
                size = self.limits.body_bytes
                return problems.TooLarge(f"The body is larger than {size} bytes; send less at a time.").response()
            except ConnectionError:
                return web.Response(status=499)  # nobody is there to read it
            except Exception:
                # As plain text: a renderer that shows local variables would show tokens.
                trace = traceback.format_exc()
                log.error("request_failed", method=route.method, route=route.path, trace=trace)
                return problems.Problem("Something is wrong with the service; it was logged. Try again.").response()

        return handle

    def _special(self, route: Route) -> Handler:
        async def work(request: web.Request) -> web.StreamResponse:
            response: web.StreamResponse = await route.handler(self, request, self.identify(route.caller, request))
            return response

        return work

    def _plain(self, route: Route) -> Handler:
        handler, body, query, status = route.handler, route.body, route.query, route.status
        writes, is_bot = route.method != "GET", route.caller == "bot"

        async def work(request: web.Request) -> web.StreamResponse:
            who = self.identify(route.caller, request)
            cut = is_bot and await self._misbehave()
            raw: bytes = b""
            given: tuple[Any, ...] = ()
            if body is not None:
                raw, model = await self.read(request, body)
                given = (model,)
            elif query is not None:
                given = (query.model_validate(dict(request.query)),)
            change = self.change()
            call = Call(self, change, who, request.match_info)
            if not writes:
                answered = status, _encode(handler(call, *given))
            else:
                with transaction(self.db):
                    answered = once(call, request, raw, lambda: (status, _encode(handler(call, *given))))
                self.publish(change)
            if cut and request.transport is not None:
                request.transport.abort()
            return respond(*answered)

        return work

    async def _misbehave(self) -> bool:
        """Do what was drawn for this bot call; True if it is to be carried out and then cut off."""
        fault = self.misbehaviour.draw()
        if fault == "rate_limited":
            raise problems.TooManyRequests("Too many calls (on request of the administrator).", after=1)
        if fault == "error":
            raise problems.Problem("The service fails (on request of the administrator).")
        if fault == "hang":
            await self.stopping.wait()  # or until the bot hangs up, which cancels this
            raise problems.Problem("The service never answered (on request of the administrator).")
        return fault == "cut"


def respond(status: int, body: bytes) -> web.Response:
    """An answer in JSON, or none for an empty body."""
    return web.Response(status=status, body=body, content_type=JSON) if body else web.Response(status=status)


def once(call: Call, request: web.Request, content: bytes, act: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
    """What `act` answers or, when this `Idempotency-Key` has come before, what it answered then.

    `content` is what must be the same in both requests.
    """
    key = request.headers.get(IDEMPOTENCY_HEADER) if request.method == "POST" else None
    if key is None:
        return act()
    idempotency.checked(key)
    fingerprint = idempotency.fingerprint(request.method, request.path, content)
    earlier = idempotency.recall(call.change, call.who, key, fingerprint)
    if earlier is not None:
        return earlier
    answer = act()
    idempotency.remember(call.change, call.who, key, fingerprint, answer)
    return answer


def _encode(answer: BaseModel | None) -> bytes:
    return b"" if answer is None else answer.model_dump_json().encode()
