"""The door: webhooks, and what operators look at.

`POST /webhooks/{adapter}` answers 200 once the request's events are on disk, whatever becomes of them later. What is
signed wrongly is answered 401 and leaves no trace; what is signed and cannot be read is kept as `Unknown`. An adapter
that `Answers` has its own word about what is sent back, and about the addresses below its own.

The door is aiohttp's low-level server with a table of paths, not an `Application`: there are four kinds of them and no
patterns, and what an application does around a handler costs as much as the durable commit behind ours.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter

import structlog
from aiohttp import web

from bot.adapter import Adapter, Answers, Reply
from bot.answers import Accepted
from bot.bounds import bounded
from bot.clock import Clock
from bot.errors import InboxUnavailable, MalformedPayload
from bot.events import Event, unknown
from bot.http_server import WHOLE_BODY, HttpServer
from bot.inbox import Inbox
from bot.metrics import Metrics
from bot.readiness import Check, found

log = structlog.get_logger(__name__)

BODY_LIMIT = 2**20
"""Bytes in a webhook's body at most."""
REASON_LENGTH = 1_000
"""Characters of an error that are kept beside the body that it is about; some repeat half of it."""
RETRY_AFTER = 10
"""Seconds after which a platform is asked to try again while the log is full."""

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def build_server(
    adapters: Sequence[Adapter],
    inbox: Inbox,
    clock: Clock,
    metrics: Metrics,
    *,
    checks: Mapping[str, Check],
    refresh: Callable[[], Awaitable[None]],
    remarks: Callable[[], Sequence[str]] = tuple,
    body_limit: int = BODY_LIMIT,
) -> web.Server:
    """The server, to be made in the running loop.

    `checks` say why a part is not ready, `refresh` updates gauges, `remarks` are lines about what is no reason to be
    not ready: a platform that is down must not take the others' webhooks with it.
    """

    async def healthz(request: web.BaseRequest) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.BaseRequest) -> web.Response:
        states = await found(checks)
        lines = "".join(f"{name}: {'ok' if why is None else f'not ready: {why}'}\n" for name, why in states.items())
        lines += "".join(f"{remark}\n" for remark in remarks())
        return web.Response(status=503 if any(states.values()) else 200, text=lines)

    async def prometheus(request: web.BaseRequest) -> web.Response:
        await refresh()
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    paths: dict[str, tuple[str, Answer]] = {
        f"/webhooks/{adapter.name}": ("POST", intake(adapter, inbox, clock, metrics, body_limit))
        for adapter in adapters
    }
    paths |= {"/healthz": ("GET", healthz), "/readyz": ("GET", readyz), "/metrics": ("GET", prometheus)}
    answering = {f"/webhooks/{adapter.name}" for adapter in adapters if isinstance(adapter, Answers)}

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path
        found = paths.get(path)
        if answering and (above := "/".join(path.split("/", 3)[:3])) in answering:
            return await paths[above][1](request)
        if found is None:
            return web.Response(status=404, text=f"There is nothing here. There are: {', '.join(sorted(paths))}.\n")
        method, handler = found
        if request.method != method and not (method == "GET" and request.method == "HEAD"):
            return web.Response(status=405, headers={"Allow": method}, text=f"This address takes {method}.\n")
        return await handler(request)

    return HttpServer(answer)


def intake(adapter: Adapter, inbox: Inbox, clock: Clock, metrics: Metrics, body_limit: int = BODY_LIMIT) -> Answer:
    """The handler of one adapter's webhook."""
    name = adapter.name
    body_limit = max(body_limit, adapter.capabilities.body_limit or 0)
    answers = adapter if isinstance(adapter, Answers) else None
    accepted, unsigned, malformed, too_large, unavailable, broken = (
        metrics.requests.labels(name, answer)
        for answer in ("accepted", "unsigned", "malformed", "too_large", "unavailable", "unfinished")
    )
    seconds = metrics.intake_seconds.labels(name)
    count_events = _event_counter(metrics, name)

    async def webhook(request: web.BaseRequest) -> web.StreamResponse:
        try:
            body = await _read(request, body_limit)
        except (TimeoutError, web.RequestPayloadError):
            broken.inc()
            answer = web.Response(status=408, text="The body did not come to its end.\n")
            answer.force_close()
            return answer
        if body is None:
            too_large.inc()
            answer = web.Response(status=413, text=f"A request has at most {body_limit} bytes.\n")
            answer.force_close()  # the rest of it is not going to be read
            return answer
        started = perf_counter()
        if not _verified(adapter, request.headers, body):
            unsigned.inc()
            return web.Response(status=401, text="The signature does not match the body.\n")
        reply = _reply(name, answers, request, body) if answers else None
        if reply is not None and not reply.events:
            accepted.inc()
            return _as_response(reply)
        try:
            events = bounded(adapter.parse(body))
        except Exception as error:  # a platform's news must never be lost to an adapter's mistake
            malformed.inc()
            log.warning("webhook_unreadable", adapter=name, bytes=len(body), error=type(error).__name__)
            key = hashlib.sha256(body).hexdigest()
            events = [unknown(name, body, key=key, occurred_at=clock.now(), reason=str(error)[:REASON_LENGTH])]
        try:
            new = await inbox.append(events)
        except InboxUnavailable as error:
            unavailable.inc()
            log.error("webhook_unavailable", adapter=name, error=str(error))
            return web.Response(
                status=503, text="Please send it again later.\n", headers={"Retry-After": str(RETRY_AFTER)}
            )
        accepted.inc()
        count_events(events, new)
        seconds.observe(perf_counter() - started)
        return Accepted() if reply is None else _as_response(reply)

    return webhook


async def _read(request: web.BaseRequest, limit: int) -> bytes | None:
    """The raw body as it came, or None once it is known to be longer than `limit`; no more than that is ever held.

    Raises TimeoutError for one that does not come to its end.
    """
    if request.content_length is not None and request.content_length > limit:
        return None
    if request.content.is_eof():  # it came with its headers, as nearly every webhook does
        body = await request.content.readany()
        if request.content.at_eof():
            return body if len(body) <= limit else None
    else:
        body = b""
    pieces = bytearray(body)
    async with asyncio.timeout(WHOLE_BODY.total_seconds()):
        while len(pieces) <= limit and (piece := await request.content.readany()):
            pieces += piece
    return bytes(pieces) if len(pieces) <= limit else None


def _verified(adapter: Adapter, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        return adapter.verify(headers, body)
    except Exception:
        # Whoever is not authenticated must not be able to do more than be turned away.
        log.exception("webhook_verify_failed", adapter=adapter.name)
        return False


def _reply(name: str, adapter: Answers, request: web.BaseRequest, body: bytes) -> Reply | None:
    """The adapter's own answer; None where the request is a plain webhook, or a body that `parse` is to refuse."""
    path = request.rel_url.raw_path.removeprefix(f"/webhooks/{name}")
    try:
        reply = adapter.answer(request.method, path, body)
    except MalformedPayload:
        reply = None
    if reply is None and (request.method, path) != ("POST", ""):
        return Reply(b"There is nothing here.\n", 404, "text/plain")
    return reply


def _as_response(reply: Reply) -> web.Response:
    return web.Response(body=reply.body, status=reply.status, content_type=reply.content_type)


def _event_counter(metrics: Metrics, adapter: str) -> Callable[[Sequence[Event], int], None]:
    received = {
        event_type: metrics.events.labels(adapter, event_type, "received")
        for event_type in (
            "message_received",
            "button_pressed",
            "message_read",
            "member_joined",
            "member_left",
            "message_unsent",
            "unknown",
            "unused",
        )
    }
    repeated = metrics.events.labels(adapter, "any", "repeated")

    def count(events: Sequence[Event], new: int) -> None:
        for event in events:
            received[event.type].inc()
        if new < len(events):
            repeated.inc(len(events) - new)

    return count
