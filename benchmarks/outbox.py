"""How much a durable outbox costs, beside a client that keeps nothing.

(a) bare: the aiohttp client, as many calls under way, the same bodies and headers, nothing written down.
(b) outbox: the real Outbox and the real LogoChat adapter send deliveries that are queued in SQLite with
    durability "full": claimed, sent, and recorded with an attempt row each.

Both send to the same receiver in another process. The rounds alternate, so that a machine that slows down slows both.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
import uvloop
from sqlalchemy import func, insert, select

from bot.activity import Activity
from bot.adapters.logochat import LogoChat
from bot.adapters.logochat_wire import BOT_PREFIX, IDEMPOTENCY_HEADER
from bot.clock import SystemClock
from bot.messages import Message, Priority
from bot.outbox import Outbox
from bot.storage import Database
from bot.tables import attempts, deliveries, messages

DELIVERIES = 5_000
ROUNDS = 7
CONCURRENCY = 32
GATE = 0.9
TOKEN = "benchmark-token"
MESSAGE = Message(
    text="【訓練】災害対策本部からのお知らせです。読んだら「確認しました」を押してください。", reference="broadcast:1"
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Deliveries a second, round by round."""

    bare: list[float]
    outbox: list[float]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: both of a round met the same machine."""
        return statistics.median(outbox / bare for bare, outbox in zip(self.bare, self.outbox, strict=True))


async def bare_round(base_url: str, count: int) -> float:
    """Seconds that a plain client loop takes for `count` messages."""
    bodies = iter(
        [
            (
                f"broadcast:1:{number}",
                orjson.dumps({"user_id": f"u{number}", "text": MESSAGE.text, "reference": MESSAGE.reference}),
            )
            for number in range(count)
        ]
    )
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONCURRENCY),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    ) as session:

        async def work() -> None:
            for key, body in bodies:
                async with session.post(url, data=body, headers={IDEMPOTENCY_HEADER: key}) as response:
                    answer = orjson.loads(await response.read())
                    assert response.status == 201
                    assert answer["message_id"]

        url = f"{base_url}{BOT_PREFIX}/messages"
        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        return time.perf_counter() - began


async def outbox_round(base_url: str, count: int, folder: Path) -> float:
    """Seconds that the outbox takes to drain `count` queued deliveries, until the last one is recorded."""
    async with queued(folder / "outbox.db", count) as database:
        clock, activity = SystemClock(), Activity()
        adapter = LogoChat(base_url, TOKEN, "benchmark-secret", concurrency=CONCURRENCY)
        outbox = Outbox(database, {adapter.name: adapter}, clock, activity)
        await adapter.open()
        began = time.perf_counter()
        await outbox.start()
        await activity.idle()
        took = time.perf_counter() - began
        await outbox.stop()
        await adapter.close()
        async with database.snapshot() as db:
            sent = select(func.count()).select_from(deliveries).where(deliveries.c.state == "sent")
            assert await db.scalar(sent) == count
            assert await db.scalar(select(func.count()).select_from(attempts)) == count
        return took


@asynccontextmanager
async def queued(path: Path, count: int) -> AsyncIterator[Database]:
    """A fresh database in which one message waits for `count` people."""
    database = Database.open(f"sqlite+aiosqlite:///{path}", durability="full")
    await database.create_tables()
    now = SystemClock().now()
    async with database.transaction() as db:
        await db.execute(insert(messages).values(id=1, body=MESSAGE.model_dump_json(), created_at=now))
        await db.execute(
            insert(deliveries),
            [
                {
                    "key": f"broadcast:1:{number}",
                    "message_id": 1,
                    "adapter": "logochat",
                    "kind": "person",
                    "address": f"u{number}",
                    "topic": "broadcast:1",
                    "priority": int(Priority.NOTICE),
                    "due_at": now,
                    "created_at": now,
                }
                for number in range(count)
            ],
        )
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def receiver() -> Iterator[str]:
    """The receiving process; its address."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.receiver"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


async def measure(count: int = DELIVERIES, rounds: int = ROUNDS) -> Rates:
    """Alternate both after one round each to warm up."""
    bare: list[float] = []
    outbox: list[float] = []
    with receiver() as base_url:
        for turn in range(rounds + 1):
            with tempfile.TemporaryDirectory() as folder:
                gc.collect()
                bare_seconds = await bare_round(base_url, count)
                gc.collect()
                outbox_seconds = await outbox_round(base_url, count, Path(folder))
            if turn:
                bare.append(count / bare_seconds)
                outbox.append(count / outbox_seconds)
    return Rates(bare, outbox)


def run() -> Rates:
    """The whole benchmark, on uvloop."""
    return uvloop.run(measure())


if __name__ == "__main__":
    rates = run()
    print(f"bare {statistics.median(rates.bare):,.0f}/s, outbox {statistics.median(rates.outbox):,.0f}/s")
    print(f"ratio {rates.ratio:.3f}, gate {GATE}")
