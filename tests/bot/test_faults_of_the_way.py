"""A proxy's login page, a redirect, an answer of something else: a fault of the way on every platform, and of nobody.

Such a try is one of a platform that is down: `Retry` without a wait, so that the circuit sees it, and nothing that was
to be sent is given up for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from bot.adapter import Adapter, Delivery, Retry
from bot.adapters.line import Line
from bot.adapters.lineworks import LineWorks
from bot.adapters.logochat import LogoChat
from bot.adapters.matrix import Matrix
from bot.clock import ManualClock
from bot.messages import Address, Message
from bot.serving import listening
from bot.testing.fakes.lineworks_rules import new_account
from bot.testing.harness import START
from examples.slack_adapter import Slack

SHORT = timedelta(seconds=2)
PAGE = "<!DOCTYPE html><title>ログイン</title><p>ネットワークをご利用いただくにはログインしてください。</p>"
REDIRECT = (Path(__file__).parent / "cases" / "line_redirect.http").read_text(encoding="ascii")


def matrix(url: str, clock: ManualClock) -> Matrix:
    adapter = Matrix(url, "a", "h", "@bot:x", clock=clock, timeout=SHORT)
    adapter._rooms.learn({"@alice:x": ["!r:x"]})  # as after its first look at the homeserver
    return adapter


def lineworks(url: str, clock: ManualClock) -> LineWorks:
    token_url = f"{url}/token"
    return LineWorks("1", "s", new_account(), clock=clock, api=url, token_url=token_url, timeout=SHORT)


PLATFORMS: dict[str, tuple[Callable[[str, ManualClock], Adapter], str]] = {
    "line": (lambda url, clock: Line("t", "s", base_url=url, clock=clock, timeout=SHORT), "U" + "a" * 32),
    "lineworks": (lineworks, "u1"),
    "logochat": (lambda url, clock: LogoChat(url, "t", "s", clock=clock, timeout=SHORT), "u1"),
    "matrix": (matrix, "@alice:x"),
    "slack": (lambda url, clock: Slack("t", "s", clock, api=url), "U1"),
}

ANSWERS: dict[str, tuple[int, str, dict[str, str]]] = {
    "a redirect to a login page": (302, "", {"Location": "http://proxy.invalid/login"}),
    "another redirect": (307, PAGE, {"Location": "/elsewhere", "Content-Type": "text/html"}),
    "a redirect in JSON": (308, '{"message":"moved","code":"X","errcode":"M_X"}', {"Content-Type": "application/json"}),
    "300": (300, "", {}),
    "304": (304, "", {}),
    "a login page with 200": (200, PAGE, {"Content-Type": "text/html"}),
    "a login page with 201": (201, PAGE, {"Content-Type": "text/html"}),
    "JSON that is nobody's": (200, '{"portal":"https://login.invalid"}', {"Content-Type": "application/json"}),
    "a list": (200, "[]", {"Content-Type": "application/json"}),
    "a number": (200, "7", {"Content-Type": "application/json"}),
    "a page with 400": (400, PAGE, {"Content-Type": "text/html"}),
    "an empty 400": (400, "", {}),
    "a page with 403": (403, PAGE, {"Content-Type": "text/html"}),
    "a page with 404": (404, PAGE, {"Content-Type": "text/html"}),
    "an empty 404": (404, "", {}),
    "JSON of something else with 404": (404, '{"detail":"Not Found"}', {"Content-Type": "application/json"}),
    "a list with 404": (404, "[]", {"Content-Type": "application/json"}),
    "a page with 405": (405, PAGE, {"Content-Type": "text/html"}),
    "a page with 407": (407, PAGE, {"Proxy-Authenticate": "Basic"}),
    "a page with 409": (409, PAGE, {"Content-Type": "text/html"}),
    "a page with 410": (410, PAGE, {"Content-Type": "text/html"}),
    "a page with 413": (413, PAGE, {"Content-Type": "text/html"}),
    "an empty 413": (413, "", {}),
    "a page with 421": (421, PAGE, {"Content-Type": "text/html"}),
    "a page with 422": (422, PAGE, {"Content-Type": "text/html"}),
    "a page with 429": (429, PAGE, {"Content-Type": "text/html"}),
    "a page with 431": (431, PAGE, {"Content-Type": "text/html"}),
    "a page with 451": (451, PAGE, {"Content-Type": "text/html"}),
    "a page with 511": (511, PAGE, {"Content-Type": "text/html"}),
    "a page with 502": (502, PAGE, {"Content-Type": "text/html"}),
}


@asynccontextmanager
async def something_in_the_way(status: int, body: str, headers: dict[str, str]) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return web.json_response({"access_token": "t", "expires_in": "3600", "token_type": "Bearer"})
        return web.Response(status=status, body=body.encode(), headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with listening(web.AppRunner(application, access_log=None, shutdown_timeout=0.1), "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


def delivery(adapter: str, person: str, number: int, **rest: Any) -> Delivery:
    address = Address(adapter=adapter, kind="person", id=person)
    return Delivery(number, f"key-{number}", address, Message(text="お知らせ"), **rest)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("found", ANSWERS)
async def test_what_is_not_in_the_platforms_own_words_is_tried_again_and_counts_as_the_platform_being_down(
    platform: str, found: str
) -> None:
    make, person = PLATFORMS[platform]
    async with something_in_the_way(*ANSWERS[found]) as url:
        adapter = make(url, ManualClock(START))
        await adapter.open()
        try:
            outcomes = [*await adapter.send([delivery(platform, person, 1)])]
            outcomes += await adapter.send([delivery(platform, person, 2, uncertain=True)])
            if adapter.capabilities.deletes:
                back = delivery(
                    platform, person, 3, action="delete", message_id="!r:x/$e" if platform == "matrix" else "m:1"
                )
                outcomes += await adapter.send([back])
            if adapter.capabilities.batch_size > 1:
                shared = [delivery(platform, person, n, shared_call="key-4") for n in (4, 5)]
                outcomes += await adapter.send(shared)
                moment = int(START.timestamp() * 1_000)
                outcomes += await adapter.send([delivery(platform, person, 6, reply_token=f"{moment}:r")])
        finally:
            await adapter.close()
    for outcome in outcomes:
        assert isinstance(outcome, Retry), outcome
        assert outcome.after is None, "no rest that the platform asked for: it is out of reach"


async def test_the_specimen_is_among_them() -> None:
    status, _, headers = ANSWERS["a redirect to a login page"]
    assert REDIRECT.startswith(f"HTTP/1.1 {status} ")
    assert f"Location: {headers['Location']}" in REDIRECT


@pytest.mark.parametrize(
    ("platform", "status", "body"),
    [
        ("line", 404, {"message": "Not found"}),
        ("line", 413, {"message": "Request entity too large"}),
        ("line", 400, {"message": "The request body has 1 error(s)"}),
        ("lineworks", 404, {"code": "NOT_FOUND", "description": "No such user"}),
        ("lineworks", 403, {"code": "FORBIDDEN"}),
        ("logochat", 404, {"title": "Not Found", "status": 404, "detail": "There is nobody of this id."}),
        ("logochat", 413, {"title": "Too large", "status": 413, "detail": "The text is too long."}),
        ("matrix", 413, {"errcode": "M_TOO_LARGE", "error": "event too large"}),
        ("matrix", 403, {"errcode": "M_FORBIDDEN", "error": "not in the room"}),
    ],
)
async def test_the_platforms_own_no_is_a_no(platform: str, status: int, body: dict[str, Any]) -> None:
    make, person = PLATFORMS[platform]
    headers = {"Content-Type": "application/json"}
    async with something_in_the_way(status, orjson.dumps(body).decode(), headers) as url:
        adapter = make(url, ManualClock(START))
        await adapter.open()
        try:
            [outcome] = await adapter.send([delivery(platform, person, 1)])
        finally:
            await adapter.close()
    assert not isinstance(outcome, Retry), outcome
