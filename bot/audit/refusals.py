"""Refusals in the audit: they outlive the transaction that they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.audit.chain import append
from bot.clock import Clock
from bot.errors import Forbidden
from bot.storage import Database


async def record_refusal(db: AsyncConnection, clock: Clock, refusal: Forbidden) -> None:
    """Write down who wanted what: `broadcast.confirm` becomes the action `broadcast.refused`."""
    area, _, wanted = refusal.action.partition(".")
    await append(
        db,
        clock,
        actor=refusal.actor,
        action=f"{area}.refused",
        subject=refusal.subject,
        details={"wanted": wanted, "reason": refusal.key},
    )


@asynccontextmanager
async def auditing(database: Database, clock: Clock) -> AsyncIterator[AsyncConnection]:
    """`database.transaction()` outside of handlers: a refusal rolls it back and is written down."""
    try:
        async with database.transaction() as db:
            yield db
    except Forbidden as refusal:
        async with database.transaction() as db:
            await record_refusal(db, clock, refusal)
        raise
