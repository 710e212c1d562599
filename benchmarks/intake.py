"""Durable intake beside a bare handler: what do parse, de-duplication and a commit before the 200 cost?

    python -m benchmarks.intake [--seconds 0.3] [--rounds 12]

Three servers share one core, one at work at a time; the load comes from the other core over kept-alive loopback
connections, with signed callbacks of one event each, none twice.

- bare: an aiohttp handler under uvloop that reads the body, checks the signature and stores nothing
- intake: the webhook of the house with a `SqliteInbox` that commits with `synchronous=FULL`; no handler runs, and the
  events are taken out between the rounds
- dispatch: the same with a whole bot behind it, which handles each event in a transaction meanwhile

Rounds are short and alternate, so that a machine that slows down slows both of a pair, and the servers are started anew
several times, because one process can be luckier than another; the figure is the median of the rounds' ratios. After
each of its rounds the whole bot is waited for until its backlog is empty: that gives the rate at which it handles, and
no round begins in the shadow of the one before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import structlog
import uvloop
from aiohttp import web

from bot import Bot, Context, Router
from bot.adapters.logochat import LogoChat
from bot.adapters.logochat_wire import SIGNATURE_HEADER, signature
from bot.clock import SystemClock
from bot.events import MessageReceived
from bot.inbox import SqliteInbox
from bot.metrics import Metrics
from bot.serving import listening, serving
from bot.web import build_server
from config.loops import run as run_on_a_loop

SECRET = "benchmark-secret"
GATE = 0.85
KINDS = ("bare", "intake", "dispatch")
CONNECTIONS = 256
SECONDS = 0.3
ROUNDS = 8
STARTS = 6


# ------------------------------------------------------------------ servers


def adapter() -> LogoChat:
    return LogoChat("http://127.0.0.1:1", "benchmark-token", SECRET)


@asynccontextmanager
async def bare(folder: Path) -> AsyncIterator[int]:
    verify = adapter().verify

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response() if verify(request.headers, body) else web.Response(status=401)

    application = web.Application()
    application.router.add_post("/webhooks/logochat", handler)
    async with listening(web.AppRunner(application, access_log=None), "127.0.0.1", 0) as port:
        yield port


@asynccontextmanager
async def intake(folder: Path) -> AsyncIterator[int]:
    async def ready() -> None:
        return None

    async def nothing() -> None:
        pass

    async def drain() -> None:
        """Between the rounds only: to acknowledge is the workers' part, and the dispatch figure has it."""
        seen = -1
        while True:
            await asyncio.sleep(0.1)
            if inbox.commits == seen:
                await inbox.acknowledge([record.id for record in await inbox.take(100_000)])
            seen = inbox.commits

    inbox = SqliteInbox(folder / "inbox.sqlite3", SystemClock())
    await inbox.open()
    drainer = asyncio.create_task(drain())
    server = build_server([adapter()], inbox, SystemClock(), Metrics(), checks={"all": ready}, refresh=nothing)
    async with serving(server, "127.0.0.1", 0) as port:
        yield port
    drainer.cancel()
    await inbox.close()


@asynccontextmanager
async def dispatch(folder: Path) -> AsyncIterator[int]:
    router = Router()

    async def heard(ctx: Context[MessageReceived]) -> None:
        assert ctx.event.text

    router.on(MessageReceived)(heard)
    async with Bot(router, [adapter()], storage=folder) as bot, serving(bot.web_server(), "127.0.0.1", 0) as port:
        yield port


async def serve(kind: str) -> None:
    """One server, until the parent ends it; prints its port."""
    server = {"bare": bare, "intake": intake, "dispatch": dispatch}[kind]
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    async with AsyncExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="kairanban-bench-")))
        print(await parts.enter_async_context(server(folder)), flush=True)
        await ending.wait()


# --------------------------------------------------------------------- load


def requests(count: int, run: str) -> list[bytes]:
    """Whole HTTP requests, signed, each with an event of its own."""
    whole = []
    for number in range(count):
        body = (
            f'{{"bot_id":"b1","events":[{{"type":"message","event_id":"{run}-{number}",'
            f'"occurred_at":"2023-10-01T09:00:00+09:00","room_id":"r{number % 500}","direct":true,'
            f'"user_id":"u{number % 1200}","message_id":"m{number}","text":"了解しました。参集します。","files":0}}]}}'
        ).encode()
        head = (
            "POST /webhooks/logochat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"{SIGNATURE_HEADER}: {signature(SECRET, body)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        whole.append(head.encode() + body)
    return whole


class Client(asyncio.Protocol):
    """One connection that sends the next request as soon as the last is answered."""

    def __init__(self, todo: list[bytes], finished: asyncio.Future[None], tail: bytes) -> None:
        self._todo = todo
        self._tail = b"\r\n\r\n" + tail
        self._finished = finished
        self._transport: Any = None
        self.answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 200"), data
        assert data.endswith(self._tail), "The answer came in pieces."
        self.answered += 1
        self.send()

    def send(self) -> None:
        if self._todo:
            self._transport.write(self._todo.pop())
        elif not self._finished.done():
            self._finished.set_result(None)


async def load(port: int, todo: list[bytes], seconds: float, tail: bytes = b"") -> float:
    """Requests a second, over up to `seconds` or until none is left to do; `tail` is the body of every answer."""
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()
    made = [
        await loop.create_connection(lambda: Client(todo, finished, tail), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    started = perf_counter()
    for _, client in made:
        client.send()
    await asyncio.wait({finished}, timeout=seconds)
    elapsed = perf_counter() - started
    answered = sum(client.answered for _, client in made)
    for transport, _ in made:
        transport.abort()
    return answered / elapsed


async def drained(port: int) -> None:
    """Return once the bot behind the port has handled all that it took in."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                lines = (await response.text()).splitlines()
            if next(float(line.split()[1]) for line in lines if line.startswith("kairanban_inbox_backlog ")) == 0:
                return
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------------- run


def run(seconds: float = SECONDS, rounds: int = ROUNDS, kinds: tuple[str, ...] = KINDS) -> dict[str, float]:
    """Rates in requests a second and their ratios to the bare handler's, medians over all rounds of all starts.

    Each kind is set against the bare handler by itself: what a bot has still to handle when its round is over would
    otherwise be handled at the next kind's expense.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("The benchmark needs two cores: one for the server, one for the load.")
    figures: dict[str, float] = {}
    for kind in kinds:
        if kind != "bare":
            pairs = [pair for _ in range(STARTS) for pair in _against_bare(kind, seconds, rounds, cores)]
            figures[f"bare beside {kind} per second"] = statistics.median(bare for bare, *_ in pairs)
            figures[f"{kind} per second"] = statistics.median(own for _, own, _ in pairs)
            figures[f"{kind} ratio"] = statistics.median(own / bare for bare, own, _ in pairs)
            if kind == "dispatch":
                figures["handled per second"] = statistics.median(handled for *_, handled in pairs)
    return figures


def _against_bare(kind: str, seconds: float, rounds: int, cores: list[int]) -> list[tuple[float, float, float]]:
    """For each round the bare rate, the kind's own, and at what rate all of it was handled."""
    servers = {each: start(each, cores[0]) for each in ("bare", kind)}
    os.sched_setaffinity(0, {cores[1]})
    found = []
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for number in range(-1, rounds):  # the first only warms up
                rates: dict[str, float] = {}
                for each in servers if number % 2 else reversed(servers):
                    port = servers[each][1]
                    todo = requests(int(seconds * 30_000), f"{each}-{number}")
                    began = perf_counter()
                    rates[each] = runner.run(load(port, todo, seconds))
                    if each == "dispatch":
                        runner.run(drained(port))
                        rates["handled"] = rates[each] * seconds / (perf_counter() - began)
                if number >= 0:
                    found.append((rates["bare"], rates[kind], rates.get("handled", 0.0)))
    finally:
        os.sched_setaffinity(0, set(cores))
        for process, _ in servers.values():
            process.terminate()
            process.wait()
    return found


def start(kind: str, core: int, module: str = "benchmarks.intake") -> tuple[subprocess.Popen[str], int]:
    """A server in a process of its own on one core, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--serve", kind, "--core", str(core)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def main() -> None:
    options = argparse.ArgumentParser(description="Durable intake beside a bare handler.")
    options.add_argument("--seconds", type=float, default=SECONDS)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--serve", choices=KINDS, help=argparse.SUPPRESS)
    options.add_argument("--core", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        os.sched_setaffinity(0, {given.core})
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
        run_on_a_loop(serve(given.serve))
        return
    figures = run(given.seconds, given.rounds)
    for name, figure in figures.items():
        print(f"{name:32} {figure:10.3f}" if "ratio" in name else f"{name:32} {figure:10,.0f}")
    print(f"gate: intake ratio {figures['intake ratio']:.3f}, at least {GATE}")


if __name__ == "__main__":
    main()
