"""What the outbox tells the rest of the house about messages that have been sent, while it writes that down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import Address
from bot.outbox.store import Result

log = structlog.get_logger(__name__)


@dataclass(slots=True)  # not frozen: one is made for every message
class SentDelivery:
    """A delivery that has just been recorded as sent; `platform_id` is the platform's id of the message."""

    delivery_id: int
    adapter: str
    topic: str | None
    platform_id: str | None
    address: Address
    finished_at: datetime


SentHook = Callable[[AsyncConnection, Sequence[SentDelivery]], Awaitable[None]]

GivenUpHook = Callable[[str], None]
"""Called with an adapter's name once it is on record that deliveries of it are dead.

It must return at once; it rings whoever has work to do. What that is stands in the rows.
"""

TroubleHook = Callable[[Exception], object]
"""Called with what hindered the outbox from writing something down. It must return at once."""


Listener = tuple[SentHook, tuple[str, ...]]
"""A hook and the beginnings of the topics that it is called for; none for whatever is sent."""


async def run_hooks(db: AsyncConnection, hooks: Sequence[Listener], adapter: str, results: Sequence[Result]) -> None:
    """Call every hook with what was sent of its topics; one that raises leaves nothing behind."""
    sent = [
        SentDelivery(
            result.claimed.delivery.id,
            adapter,
            result.claimed.topic,
            result.platform_id,
            result.claimed.delivery.address,
            result.finished_at,
        )
        for result in results
        if result.state == "sent" and result.claimed.delivery.action == "send"
    ]
    for hook, topics in hooks:
        concerned = [each for each in sent if (each.topic or "").startswith(topics)] if topics else sent
        if not concerned:
            continue
        try:
            async with db.begin_nested():
                await hook(db, concerned)
        except Exception:
            # Were the whole turn lost with it, one mistake in book-keeping would stop emergencies, too.
            log.exception("outbox.hook_failed", adapter=adapter, hook=repr(hook))
