"""The thread that owns the inbox's file, and the queue in front of it."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.errors import ConfigurationError
from bot.events import Event
from bot.inbox.file import EventFile, NewRow

log = structlog.get_logger(__name__)

_ROWS_PER_COMMIT = 500
_LINGER = 0.2
"""Seconds that the note 'handled' waits for an append to share a commit with. Lost in a crash, it costs a repetition
that the event's key in the main database stops."""


@dataclass(slots=True, eq=False)
class Append:
    """Events of one request, and who waits for them."""

    events: Sequence[Event]
    rows: Sequence[NewRow]
    future: asyncio.Future[Any]


@dataclass(slots=True, eq=False)
class Call:
    """Anything else to be done with the file."""

    function: Callable[[EventFile], object]
    future: asyncio.Future[Any]


class Done:
    """Rows to be noted as handled, some time soon."""

    __slots__ = ("ids",)

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = ids


Settled = list[tuple[Append | Call, object]]
"""Requests with their results; a result that is an exception is to be raised."""


class Writer:
    """Carries requests to the file in their order; appends that have queued up share one commit."""

    def __init__(self, settle: Callable[[Settled], None], loop: asyncio.AbstractEventLoop) -> None:
        self._settle = settle
        self._loop = loop
        self._queue: queue.SimpleQueue[Append | Call | Done | None] = queue.SimpleQueue()
        self._done: list[int] = []
        self._thread: threading.Thread | None = None
        self.put = self._queue.put
        self.commits = 0
        """How often appends were committed."""

    async def open(self, opener: Callable[[], EventFile]) -> None:
        """Start the thread; raises what `opener` raises there."""
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(opener, opened), name="inbox", daemon=True)
        self._thread.start()
        await opened

    async def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self, opener: Callable[[], EventFile], opened: asyncio.Future[None]) -> None:
        try:
            file = opener()
        except ConfigurationError as error:
            self._loop.call_soon_threadsafe(opened.set_exception, error)
            return
        self._loop.call_soon_threadsafe(opened.set_result, None)
        try:
            while self._work(file):
                pass
        finally:
            self._flush(file)
            file.close()

    def _work(self, file: EventFile) -> bool:
        """One round: wait, take what there is, and settle it with one wake-up of the loop; False at the end."""
        try:
            item = self._queue.get(timeout=_LINGER if self._done else None)
        except queue.Empty:
            self._flush(file)
            return True
        appends: list[Append] = []
        rows: list[NewRow] = []
        settled: Settled = []
        while item is not None:
            match item:
                case Append():
                    appends.append(item)
                    rows += item.rows
                case Done():
                    self._done += item.ids
                case Call():
                    self._commit(file, appends, rows, settled)
                    appends, rows = [], []
                    self._flush(file)
                    settled.append((item, _attempt(item.function, file)))
            if len(rows) >= _ROWS_PER_COMMIT:
                break
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
        self._commit(file, appends, rows, settled)
        if len(self._done) >= _ROWS_PER_COMMIT:
            self._flush(file)
        if settled:
            self._loop.call_soon_threadsafe(self._settle, settled)
        return item is not None

    def _commit(self, file: EventFile, appends: list[Append], rows: list[NewRow], settled: Settled) -> None:
        if not appends:
            return
        result = _attempt(lambda file: file.append(rows), file)
        self.commits += 1
        if isinstance(result, list):
            position = 0
            for append in appends:
                settled.append((append, result[position : position + len(append.rows)]))
                position += len(append.rows)
        else:
            settled += [(append, result) for append in appends]

    def _flush(self, file: EventFile) -> None:
        if self._done:
            ids, self._done = self._done, []
            if isinstance(error := _attempt(lambda file: file.finish(ids), file), Exception):
                log.error("inbox_acknowledge_failed", error=str(error), events=len(ids))


def _attempt(function: Callable[[EventFile], object], file: EventFile) -> object:
    """The function's result or what it raised: the thread must outlive every request, so nothing may pass."""
    try:
        return function(file)
    except (sqlite3.Error, ArithmeticError, LookupError, TypeError, ValueError) as error:
        return error
