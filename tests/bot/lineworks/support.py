"""A LINE WORKS and a bot at it, for the tests in this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.adapter import Delivery, Outcome
from bot.adapters.lineworks import LineWorks
from bot.clock import Clock, ManualClock
from bot.messages import Address, Button, Message
from bot.testing.fakes import FakeLineWorks

START = datetime(2023, 7, 3, tzinfo=UTC)
IMPATIENT = timedelta(seconds=2)
"""How long to wait for a platform that never answers: long for a busy machine, short for a test."""


def bot_at(works: FakeLineWorks, **options: Any) -> LineWorks:
    """An adapter for the fake, not open yet."""
    given: dict[str, Any] = {"clock": works.clock, "api": works.api, "token_url": works.token_url}
    return LineWorks(works.bot_id, works.bot_secret, works.account, **{**given, **options})


@asynccontextmanager
async def opened(works: FakeLineWorks, **options: Any) -> AsyncIterator[LineWorks]:
    bot = bot_at(works, **options)
    await bot.open()
    try:
        yield bot
    finally:
        await bot.close()


@asynccontextmanager
async def running(
    clock: Clock | None = None, *, timeout: timedelta = timedelta(seconds=30), **options: Any
) -> AsyncIterator[tuple[FakeLineWorks, LineWorks]]:
    """A fake and an open adapter under one clock."""
    async with FakeLineWorks(clock or ManualClock(START), **options) as works, opened(works, timeout=timeout) as bot:
        yield works, bot


def delivery(
    text: str = "訓練です",
    *,
    to: str = "u1",
    room: bool = False,
    buttons: Sequence[Button] = (),
    reference: str | None = None,
    key: str = "k1",
    uncertain: bool = False,
) -> Delivery:
    address = Address(adapter="lineworks", kind="room" if room else "person", id=to)
    message = Message(text=text, buttons=tuple(buttons), reference=reference)
    return Delivery(id=1, key=key, address=address, message=message, uncertain=uncertain)


async def send(bot: LineWorks, *deliveries: Delivery) -> Outcome:
    """Send them, one call each; what came of the last."""
    outcomes = [(await bot.send([each]))[0] for each in deliveries]
    return outcomes[-1]
