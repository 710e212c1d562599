"""The worst night at the size of a large city: one notice to 100,000 people, and everybody reads at once.

    python -m benchmarks.scale [--people 100000] [--readers 10000]

Three questions, each with a gate:

- queueing: how long does `Broadcasts.confirm` take until 100,000 recipients and deliveries are durably queued on
  SQLite (`synchronous=FULL`), and how much memory does it take?
- delivery: how fast does the outbox send what was queued, with an attempt row each, receipts waiting and hooks run,
  beside a bare aiohttp client loop of the same size? Three times, between bare rounds, each in a fresh process, so that
  a machine that slows down slows both; the ratio is the median of those to the mean of the bare ones before and after.
- receipts: 10,000 signed callbacks, one read each, over 64 connections, while the headquarters asks `/既読` again and
  again: are all counted, and what does the slowest answer take? The callers work in the same process as the bot,
  which leaves it less time than it would have.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from time import perf_counter, process_time
from typing import Any

import aiohttp
import orjson
import structlog
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.city import OFFICER, SECRET, City, city, draft, memory, send
from benchmarks.outbox import bare_round, receiver
from bot import Bot
from bot.adapters.logochat_wire import SIGNATURE_HEADER, signature
from bot.outbox import SentDelivery
from bot.serving import serving
from bot.tables import attempts, deliveries
from handlers.broadcasts import build_router

PEOPLE = 100_000
READERS = 10_000
ROUNDS = 3
CALLERS = 64
ASK_EVERY = 0.1
"""Seconds between two questions of the headquarters."""
QUEUEING_GATE = 2.0
MEMORY_GATE = 100.0
DELIVERY_GATE = 0.9
STATUS_GATE = 1.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """Seconds by the wall and of the processor, MB of memory, and deliveries a second."""

    queueing_seconds: float
    queueing_cpu: float
    queueing_memory: float
    rate: float
    sending_memory: float


@dataclass(frozen=True, slots=True)
class Receipts:
    """Seconds: until all were answered 200, until all were counted, and how long `/既読` took at most."""

    arriving: float
    counted: float
    slowest_status: float
    asked: int
    read: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: `value` must not be above `gate`, or below it where more is better."""

    name: str
    value: float
    unit: str
    gate: float
    more_is_better: bool = False

    @property
    def passed(self) -> bool:
        return self.value >= self.gate if self.more_is_better else self.value <= self.gate


# ----------------------------------------------------------------- delivery


async def queue_and_deliver(people: int, url: str) -> Delivery:
    """Queue one notice to everybody, then send it."""
    with tempfile.TemporaryDirectory() as folder:
        async with city(Path(folder), people, url) as here:
            number, fingerprint = await draft(here)
            async with memory() as grown:
                began, cpu_began = perf_counter(), process_time()
                confirmation = await send(here, number, fingerprint)
                seconds, cpu = perf_counter() - began, process_time() - cpu_began
                queueing_memory = grown()
            assert (confirmation.outcome, confirmation.recipients) == ("sent", people)
            async with memory() as grown:
                rate = people / await _deliver(here)
                sending_memory = grown()
            async with here.database.snapshot() as db:
                sent = select(func.count()).select_from(deliveries).where(deliveries.c.state == "sent")
                assert await db.scalar(sent) == people
                assert await db.scalar(select(func.count()).select_from(attempts)) == people
            return Delivery(seconds, cpu, queueing_memory, rate, sending_memory)


async def _deliver(here: City) -> float:
    """Seconds until the outbox has sent and recorded everything."""
    await here.adapter.open()
    began = perf_counter()
    await here.outbox.start()
    await here.activity.idle()
    took = perf_counter() - began
    await here.outbox.stop()
    await here.adapter.close()
    return took


# ----------------------------------------------------------------- receipts


async def read_all_at_once(readers: int, url: str) -> Receipts:
    """Everybody's receipt arrives by webhook, while `/既読` is asked."""
    with tempfile.TemporaryDirectory() as folder:
        async with city(Path(folder), readers, url) as here:
            number, fingerprint = await draft(here)
            await send(here, number, fingerprint)
            await _deliver(here)
            async with here.database.snapshot() as db:
                told = (await db.execute(select(deliveries.c.address, deliveries.c.platform_id))).all()
            callbacks = [_signed(_read(user, message)) for user, message in told]
            bot = Bot(
                build_router(here.broadcasts),
                [here.adapter],
                storage=folder,
                database=here.database,
                outbox=here.outbox,
                clock=here.clock,
                activity=here.activity,
            )
            async with bot, serving(bot.web_server(), "127.0.0.1", 0) as port:
                return await _receipts(here, number, callbacks, f"http://127.0.0.1:{port}/webhooks/logochat")


Call = tuple[bytes, dict[str, str]]


async def _receipts(here: City, number: int, callbacks: Sequence[Call], webhook: str) -> Receipts:
    answered = asyncio.Event()
    waits: list[float] = []

    async def on_sent(db: AsyncConnection, sent: Sequence[SentDelivery]) -> None:
        if any(each.topic is None and each.address.id == f"u{OFFICER}" for each in sent):
            answered.set()

    here.outbox.on_sent(on_sent)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CALLERS + 1)) as session:

        async def post(body: bytes, headers: dict[str, str]) -> None:
            async with session.post(webhook, data=body, headers=headers) as response:
                assert response.status == 200

        async def ask() -> None:
            while True:
                answered.clear()
                began = perf_counter()
                await post(*_signed(_question(f"ask-{len(waits)}", f"/既読 {number}")))
                await answered.wait()
                waits.append(perf_counter() - began)
                await asyncio.sleep(ASK_EVERY)

        async def call(todo: Iterator[Call]) -> None:
            for body, headers in todo:
                await post(body, headers)

        began = perf_counter()
        asking = asyncio.create_task(ask())
        todo = iter(callbacks)
        await asyncio.gather(*(call(todo) for _ in range(CALLERS)))
        arriving = perf_counter() - began
        await here.activity.idle()
        counted = perf_counter() - began
        asking.cancel()
    return Receipts(arriving, counted, max(waits, default=0.0), len(waits), (await here.broadcasts.status(number)).read)


def _signed(event: dict[str, object]) -> Call:
    body = orjson.dumps({"bot_id": "b1", "events": [event]})
    return body, {SIGNATURE_HEADER: signature(SECRET, body), "Content-Type": "application/json"}


def _event(key: str, user: str) -> dict[str, object]:
    return {
        "event_id": key,
        "occurred_at": "2026-10-01T02:10:00+09:00",
        "room_id": f"r{user}",
        "direct": True,
        "user_id": user,
    }


def _read(user: str, message: str) -> dict[str, object]:
    return _event(f"read-{user}", user) | {"type": "read", "message_id": message}


def _question(key: str, text: str) -> dict[str, object]:
    return _event(key, f"u{OFFICER}") | {"type": "message", "message_id": key, "text": text, "files": 0}


# ---------------------------------------------------------------------- run


def run(people: int = PEOPLE, readers: int = READERS) -> list[Figure]:
    """All figures; every part in a fresh process, one after the other."""
    with receiver() as url:
        bare = [float(_part("bare", people, url))]
        rounds: list[Delivery] = []
        for _ in range(ROUNDS):
            rounds.append(Delivery(**orjson.loads(_part("delivery", people, url))))
            bare.append(float(_part("bare", people, url)))
        receipts = Receipts(**orjson.loads(_part("receipts", readers, url)))
    assert receipts.read == readers
    ratio = median(each.rate / mean(bare[number : number + 2]) for number, each in enumerate(rounds))
    queueing = max(rounds, key=lambda each: each.queueing_seconds)  # the worst: this gate is no ratio
    sending_memory = max(each.sending_memory for each in rounds)
    print(
        f"queued in {queueing.queueing_seconds:.2f} s ({queueing.queueing_cpu:.2f} s of the processor) at most;"
        f" delivered {', '.join(f'{each.rate:,.0f}' for each in rounds)} a second,"
        f" bare {', '.join(f'{each:,.0f}' for each in bare)};"
        f" memory while sending +{sending_memory:.0f} MB;"
        f" receipts arrived in {receipts.arriving:.1f} s, counted after {receipts.counted:.1f} s,"
        f" /既読 asked {receipts.asked} times meanwhile"
    )
    grown = max(sending_memory, *(each.queueing_memory for each in rounds))
    return [
        Figure(f"scale: {people:,} recipients queued", queueing.queueing_seconds, "s", QUEUEING_GATE),
        Figure(f"scale: memory for {people:,} recipients", grown, "MB", MEMORY_GATE),
        Figure(f"scale: delivery to {people:,} / bare client loop", ratio, "", DELIVERY_GATE, more_is_better=True),
        Figure(f"scale: /既読 while {readers:,} receipts arrive", receipts.slowest_status, "s", STATUS_GATE),
    ]


def table(figures: Sequence[Figure]) -> Table:
    """The figures beside their gates."""
    shown = Table("benchmark", "measured", "gate", "")
    for figure in figures:
        gate = f"{'at least' if figure.more_is_better else 'at most'} {figure.gate:g} {figure.unit}"
        verdict = "[green]passed[/]" if figure.passed else "[red]not passed[/]"
        shown.add_row(figure.name, f"{figure.value:.3f} {figure.unit}", gate, verdict)
    return shown


def _part(name: str, size: int, url: str) -> str:
    command = [sys.executable, "-m", "benchmarks.scale", "--part", name, "--size", str(size), "--url", url]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


async def _bare(size: int, url: str) -> float:
    return size / await bare_round(url, size)


async def _delivery(size: int, url: str) -> str:
    return orjson.dumps(asdict(await queue_and_deliver(size, url))).decode()


async def _read_receipts(size: int, url: str) -> str:
    return orjson.dumps(asdict(await read_all_at_once(size, url))).decode()


_Part = Callable[[int, str], Coroutine[Any, Any, object]]
_PARTS: dict[str, _Part] = {"bare": _bare, "delivery": _delivery, "receipts": _read_receipts}


def main() -> int:
    """0 if every gate is passed."""
    options = argparse.ArgumentParser(description="One notice to a large city, and everybody reads it at once.")
    options.add_argument("--people", type=int, default=PEOPLE)
    options.add_argument("--readers", type=int, default=READERS)
    options.add_argument("--part", choices=_PARTS, help=argparse.SUPPRESS)
    options.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options.add_argument("--url", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.part:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
        print(uvloop.run(_PARTS[given.part](given.size, given.url)))
        return 0
    figures = run(given.people, given.readers)
    Console(width=None if sys.stdout.isatty() else 120).print(table(figures))
    return 0 if all(figure.passed for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
