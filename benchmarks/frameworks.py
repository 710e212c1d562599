"""The whole bot beside frameworks that store nothing: how many callbacks a second are answered, and handled?

    make compare        (installs the frameworks into a folder of their own first)

- kairanban: an event is on disk before its 200, and is handled once, in a transaction with its key
- aiogram (Telegram): its own aiohttp handler, which answers first and handles in memory; a crash loses what it answered
- Bolt for Python (Slack): its own dispatch behind aiohttp, which handles in memory and then answers

Each gets text messages as its platform sends them, authenticated as its platform does it, none twice; one handler
looks at the text. Servers stand on one core, one at work at a time, the load comes from the other. A round's events are
waited for, so that the second figure is the rate at which all of them were handled.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import orjson
import uvloop
from aiohttp import web
from rich.console import Console
from rich.table import Table

from benchmarks.intake import drained, load, requests, start
from config.loops import run as run_on_a_loop

FRAMEWORKS = Path(".venv/frameworks")
KINDS = ("dispatch", "aiogram", "bolt")
NAMES = {"dispatch": "kairanban", "aiogram": "aiogram", "bolt": "Bolt for Python"}
TAILS = {"dispatch": b"", "aiogram": b"{}", "bolt": b""}
"""What an answer's body is."""
EVENTS = 2_000
ROUNDS = 9
SECRET = "benchmark-secret"
TEXT = "了解しました。参集します。"

Count = Callable[[], None]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


# ------------------------------------------------------------------ servers


def aiogram_handler(count: Count) -> Handler:
    import aiogram  # noqa: PLC0415 - in a folder of its own, and only where it is measured
    from aiogram.webhook.aiohttp_server import SimpleRequestHandler  # noqa: PLC0415

    dispatcher = aiogram.Dispatcher()

    async def heard(message: aiogram.types.Message) -> None:
        assert message.text
        count()

    heard.__annotations__["message"] = aiogram.types.Message
    dispatcher.message()(heard)
    handler: Handler = SimpleRequestHandler(dispatcher, aiogram.Bot("42:BENCHMARK"), secret_token=SECRET).handle
    return handler


def bolt_handler(count: Count) -> Handler:
    from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request  # noqa: PLC0415
    from slack_bolt.async_app import AsyncApp  # noqa: PLC0415
    from slack_bolt.authorization import AuthorizeResult  # noqa: PLC0415

    async def authorize(**_: Any) -> Any:
        return AuthorizeResult(
            enterprise_id=None, team_id="T1", bot_user_id="UB", bot_id="B1", bot_token="xoxb-benchmark"
        )

    app = AsyncApp(signing_secret=SECRET, authorize=authorize)

    async def heard(event: dict[str, Any]) -> None:
        assert event["text"]
        count()

    app.event("message")(heard)

    async def handler(request: web.Request) -> web.StreamResponse:
        answer: web.StreamResponse = await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))
        return answer

    return handler


async def serve(kind: str) -> None:
    """One framework behind aiohttp, until the parent ends it; prints its port. `/handled` says how many were."""
    handled = 0

    def count() -> None:
        nonlocal handled
        handled += 1

    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=str(handled))

    application = web.Application()
    application.router.add_post("/callback", {"aiogram": aiogram_handler, "bolt": bolt_handler}[kind](count))
    application.router.add_get("/handled", tell)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


# --------------------------------------------------------------------- load


def callbacks(kind: str, count: int, run: str) -> list[bytes]:
    """Whole HTTP requests, each with an event of its own."""
    if kind == "dispatch":
        return requests(count, run)
    return [{"aiogram": _telegram, "bolt": _slack}[kind](number, run) for number in range(count)]


def _telegram(number: int, run: str) -> bytes:
    person = {"id": number % 1200 + 1, "first_name": "a"}
    message = {"message_id": number, "date": 1_696_118_400, "text": TEXT, "from": {**person, "is_bot": False}}
    update = {"update_id": number, "message": {**message, "chat": {**person, "type": "private"}}}
    return _request({"X-Telegram-Bot-Api-Secret-Token": SECRET}, orjson.dumps(update))


def _slack(number: int, run: str) -> bytes:
    message = {"type": "message", "channel": f"D{number % 1200}", "channel_type": "im", "user": f"U{number % 1200}"}
    bot = {"team_id": "T1", "user_id": "UB", "is_bot": True}
    body = orjson.dumps(
        {
            "type": "event_callback",
            "event_id": f"Ev{run}-{number}",
            "event_time": 1_696_118_400,
            "team_id": "T1",
            "api_app_id": "A1",
            "event": {**message, "text": TEXT, "ts": f"1696118400.{number:06}"},
            "authorizations": [bot],
        }
    )
    sent_at = str(int(time.time()))  # Slack's signatures hold for five minutes
    signed = hmac.digest(SECRET.encode(), f"v0:{sent_at}:".encode() + body, hashlib.sha256).hex()
    return _request({"X-Slack-Signature": f"v0={signed}", "X-Slack-Request-Timestamp": sent_at}, body)


def _request(headers: dict[str, str], body: bytes) -> bytes:
    lines = ["POST /callback HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def _all_handled(kind: str, port: int, total: int) -> None:
    if kind == "dispatch":
        return await drained(port)
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{port}/handled") as response:
                if int(await response.text()) >= total:
                    return None
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------------- run


def run(rounds: int = ROUNDS, events: int = EVENTS) -> dict[str, tuple[float, float]]:
    """For each kind the events answered and handled a second, medians over the rounds."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("The benchmark needs two cores: one for the server, one for the load.")
    servers: dict[str, tuple[subprocess.Popen[str], int]] = {}
    rates: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    try:
        for kind in KINDS:
            module = "benchmarks.intake" if kind == "dispatch" else "benchmarks.frameworks"
            servers[kind] = start(kind, cores[0], module)
        os.sched_setaffinity(0, {cores[1]})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for number in range(-1, rounds):  # the first only warms up
                for kind, (_, port) in servers.items():
                    todo = callbacks(kind, events, str(number))
                    began = perf_counter()
                    answered = runner.run(load(port, todo, 60.0, TAILS[kind]))
                    runner.run(_all_handled(kind, port, events * (number + 2)))
                    if number >= 0:
                        rates[kind].append((answered, events / (perf_counter() - began)))
    finally:
        os.sched_setaffinity(0, set(cores))
        for process, _ in servers.values():
            process.terminate()
            process.wait()
    return {
        kind: (statistics.median(answered for answered, _ in of), statistics.median(handled for _, handled in of))
        for kind, of in rates.items()
    }


def main() -> int:
    """0 if the house answers and handles more than the others, though it alone keeps what it was told."""
    options = argparse.ArgumentParser(description="The whole bot beside frameworks that store nothing.")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--events", type=int, default=EVENTS)
    options.add_argument("--serve", choices=KINDS, help=argparse.SUPPRESS)
    options.add_argument("--core", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    sys.path.append(str(FRAMEWORKS))
    if given.serve:
        os.sched_setaffinity(0, {given.core})
        logging.disable(logging.WARNING)
        run_on_a_loop(serve(given.serve))
        return 0
    if not FRAMEWORKS.exists():
        sys.exit("The frameworks to compare with are not installed: `make compare` brings them.")
    rates = run(given.rounds, given.events)
    shown = Table("framework", "answered a second", "handled a second", "what a crash loses")
    for kind, (answered, handled) in rates.items():
        lost = "nothing" if kind == "dispatch" else "what it was handling"
        shown.add_row(NAMES[kind], f"{answered:,.0f}", f"{handled:,.0f}", lost)
    Console(width=None if sys.stdout.isatty() else 120).print(shown)
    best = tuple(max(rate[place] for rate in rates.values()) for place in (0, 1))
    return 0 if rates["dispatch"] == best else 1


if __name__ == "__main__":
    sys.exit(main())
