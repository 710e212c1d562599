"""One attempt to handle one event: handlers, replies and the event's key in one commit, or nothing."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Literal

import structlog

from bot import audit, handled
from bot.choices import Choices, Unclear
from bot.clock import Clock
from bot.context import Context
from bot.endings import AlreadyHandled, Endings
from bot.errors import Forbidden, Refused
from bot.events import ButtonPressed, Event, MessageReceived
from bot.inbox import Record
from bot.outbox import Outbox
from bot.router import NEXT, Router
from bot.storage import Database
from bot.texts import Texts

log = structlog.get_logger(__name__)

Outcome = Literal["handled", "refused", "duplicate"]


class Attempts:
    """Runs handlers under a time limit; `texts` has the sentences for `Refused`."""

    def __init__(
        self,
        router: Router,
        *,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        texts: Texts,
        time_limit: timedelta,
    ) -> None:
        self._router = router
        self._database = database
        self._endings = Endings(database, outbox, clock, time_limit.total_seconds())
        self._choices = Choices(database, clock)
        self._clock = clock
        self._texts = texts
        self._time_limit = time_limit.total_seconds()

    async def stop(self) -> None:
        """Break off what is still being written; its events stay in the inbox."""
        await self._endings.close()

    async def run(self, record: Record) -> Outcome:
        """Handle an event. Whatever a handler raises besides `Refused` comes through, with nothing changed.

        Raises `TimeoutError` past the time limit. If a commit was under way then, the event's key tells next time.
        """
        event = record.event
        try:
            async with asyncio.timeout(self._time_limit):
                if (record.redelivered or record.attempts) and await self._is_known(event):
                    return "duplicate"
                try:
                    await self._handle(event)
                except Refused as refusal:
                    await self._refuse(event, refusal)
                    return "refused"
        except AlreadyHandled:
            return "duplicate"
        return "handled"

    async def _handle(self, event: Event) -> None:
        meant = await self._choices.meant(event)
        if isinstance(meant, Unclear):
            await self._ask_which(event, meant)
            return
        event = meant or event
        async with AsyncExitStack() as stack:
            ctx = self._context(event, stack)
            for handler in self._router.handlers(event):
                if await handler(ctx) is not NEXT:
                    break
            await ctx.finish()

    async def _ask_which(self, event: Event, unclear: Unclear) -> None:
        """Let somebody say which of several choices they mean: none of them happens unasked."""
        async with AsyncExitStack() as stack:
            ctx = self._context(event, stack)
            await ctx.reply(self._texts("choices.which"), unclear.buttons)
            await ctx.finish()

    async def _refuse(self, event: Event, refusal: Refused) -> None:
        """Say why not, once what the handler had begun is rolled back."""
        async with AsyncExitStack() as stack:
            ctx = self._context(event, stack)
            log.warning("refused", reason=str(refusal), adapter=event.adapter, key=event.key, actor=ctx.actor)
            if isinstance(event, MessageReceived | ButtonPressed):
                key = refusal.key if refusal.key in self._texts else "refused.other"
                await ctx.reply(self._texts(key, **refusal.values))
            if isinstance(refusal, Forbidden):
                await audit.record_refusal(await ctx.db(), self._clock, refusal)
            await ctx.finish()

    def _context(self, event: Event, stack: AsyncExitStack) -> Context[Any]:
        command, arguments = self._router.invocation(event)
        return Context(
            event,
            clock=self._clock,
            database=self._database,
            endings=self._endings,
            stack=stack,
            command=command,
            arguments=arguments,
        )

    async def _is_known(self, event: Event) -> bool:
        async with self._database.snapshot() as db:
            return bool(await handled.known(db, [event]))
