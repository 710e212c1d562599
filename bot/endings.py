"""How a handler's work ends: its event's key and its replies are written, in the commit that holds its own changes.

Most handlers change nothing themselves: they look, and answer. Theirs are written together: whatever has come to its
end while the last commit was under way shares the next one, a few statements for all of them. If one spoils it for the
others, each is written by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from bot import choices, handled
from bot.clock import Clock
from bot.events import BaseEvent
from bot.outbox import Outbox, Outgoing
from bot.storage import Database
from bot.unreachable import mark_reachable


class AlreadyHandled(Exception):
    """Somebody else's commit holds this event's effects; ours must not."""


@dataclass(slots=True, eq=False)
class Ending:
    """What is still to be written for an event, and to be called after the commit."""

    event: BaseEvent
    outgoing: list[Outgoing] = field(default_factory=list)
    callbacks: list[Callable[[], None]] = field(default_factory=list)
    alive: str | None = None
    """Whoever speaks to us at an address is there, though it has refused a message before."""


class Endings:
    """Writes them; `time_limit` is for one transaction that several share."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock, time_limit: float) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._time_limit = time_limit
        self._waiting: list[tuple[Ending, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write_with(self, db: AsyncConnection, ending: Ending) -> None:
        """Write into a handler's own transaction, which is still to be committed. Raises `AlreadyHandled`."""
        if not await self._write(db, [ending]):
            raise AlreadyHandled(ending.event.key)
        for callback in ending.callbacks:
            self._database.after_commit(db, callback)

    async def write(self, ending: Ending) -> None:
        """Write with others; returns after the commit. Raises `AlreadyHandled`, and whatever hinders the writing.

        Whoever is cancelled meanwhile does not know what has become of it; the event's key knows.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ending, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_what_waits())
        await written

    async def close(self) -> None:
        """Break off what is under way; nobody waits for it any more."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _write_what_waits(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting, []
                if not await self._written(together):
                    for each in together:
                        await self._written([each])
        finally:
            self._writing = None

    async def _written(self, together: Sequence[tuple[Ending, asyncio.Future[None]]]) -> bool:
        """Write endings in one transaction and tell those who wait; False if several have failed together."""
        together = [each for each in together if not each[1].done()]  # whoever no longer waits tries again
        if not together:
            return True
        try:
            async with asyncio.timeout(self._time_limit), self._database.transaction(shared=True) as db:
                new = await self._write(db, [ending for ending, _ in together])
        except Exception as error:
            if len(together) > 1:
                return False
            for _, written in together:
                _tell(written, error)
            return True
        for ending, written in together:
            _tell(written, _call(ending.callbacks) if ending in new else AlreadyHandled(ending.event.key))
        return True

    async def _write(self, db: AsyncConnection, endings: Sequence[Ending]) -> Sequence[Ending]:
        """Write keys, and what belongs to those that are new; which these are."""
        now = self._clock.now()
        keys = await handled.record(db, [ending.event for ending in endings], now)
        new = []
        for ending in endings:
            key = (ending.event.adapter, ending.event.key)
            if key in keys:
                keys.discard(key)  # should two be the same event, the second is a repetition
                new.append(ending)
                if ending.alive is not None:
                    await mark_reachable(db, ending.event.adapter, ending.alive, ending.event.occurred_at)
        outgoing = [item for ending in new for item in ending.outgoing]
        if outgoing:
            await self._outbox.enqueue_all(db, outgoing)
            await choices.note_replies(db, outgoing, now)
        return new


def _call(callbacks: Sequence[Callable[[], None]]) -> Exception | None:
    try:
        for callback in callbacks:
            callback()
    except Exception as error:
        return error
    return None


def _tell(written: asyncio.Future[None], error: Exception | None) -> None:
    if not written.done():
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
