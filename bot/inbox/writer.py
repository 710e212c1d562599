"""The thread that owns the inbox's file, and the queue in front of it; it knows nothing of what it is asked to do."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import structlog

from bot.errors import InboxUnavailable
from bot.inbox.file import EventFile

log = structlog.get_logger(__name__)

T = TypeVar("T")

_DONE_AT_ONCE = 500
_AFTER_TROUBLE = 5.0
"""Seconds until rows are noted again that could not be."""
_LINGER = 0.2
"""Seconds without other work after which rows are noted as handled. Lost in a crash, the note costs a repetition that
the event's key in the main database stops."""


@dataclass(slots=True, eq=False)
class Call:
    """Something to be done with the file, and who waits for it."""

    function: Callable[[EventFile], object]
    future: asyncio.Future[Any]

    def settle(self, result: object) -> None:
        """In the loop: hand over the result, or raise it if it is an exception."""
        if self.future.done():  # the one who waited has gone; what was done stays done
            return
        if isinstance(result, Exception):
            unavailable = InboxUnavailable(f"The inbox could not be written: {result}.")
            unavailable.__cause__ = result
            self.future.set_exception(unavailable)
        else:
            self.future.set_result(result)


@dataclass(slots=True, eq=False)
class Renew(Call):
    """The same, once all that is done with has been noted."""


@dataclass(slots=True, eq=False)
class Done:
    """Rows to be noted as handled, some time soon."""

    ids: Sequence[int]


class Writer:
    """Does what it is asked in the order of asking."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: queue.SimpleQueue[Call | Done | None] = queue.SimpleQueue()
        self._done: list[int] = []
        self._flush_at = 0.0
        self._thread: threading.Thread | None = None

    async def open(self, opener: Callable[[], EventFile]) -> None:
        """Start the thread; raises what `opener` raises there."""
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(opener, opened), name="inbox", daemon=True)
        self._thread.start()
        await opened

    def call(self, function: Callable[[EventFile], T]) -> asyncio.Future[T]:
        """The result of `function`, or InboxUnavailable if the file would not do it."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Call(function, future))
        return future

    def acknowledge(self, ids: Sequence[int]) -> None:
        """Note rows as handled some time soon."""
        self._queue.put(Done(ids))

    def renew(self) -> asyncio.Future[None]:
        """As `EventFile.renew`, for all that was acknowledged before."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(Renew(EventFile.renew, future))
        return future

    async def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self, opener: Callable[[], EventFile], opened: asyncio.Future[None]) -> None:
        try:
            file = opener()
        except Exception as error:
            self._loop.call_soon_threadsafe(opened.set_exception, error)
            return
        self._loop.call_soon_threadsafe(opened.set_result, None)
        try:
            while self._work(file):
                pass
        finally:
            file.close()

    def _work(self, file: EventFile) -> bool:
        """One request; False at the end."""
        try:
            item = self._queue.get(timeout=_LINGER if self._done else file.due_in())
        except queue.Empty:
            self._flush(file)
            self._tend(file)
            return True
        match item:
            case Done(ids):
                self._done += ids
                if len(self._done) >= _DONE_AT_ONCE:
                    self._flush(file)
                self._tend(file)
            case Renew(function, _):
                self._flush(file, at_last=True)
                self._loop.call_soon_threadsafe(item.settle, _attempt(function, file))
            case Call(function, _):
                self._loop.call_soon_threadsafe(item.settle, _attempt(function, file))
            case None:
                self._flush(file, at_last=True)
        return item is not None

    def _tend(self, file: EventFile) -> None:
        if isinstance(error := _attempt(EventFile.tend, file), Exception):
            log.error("inbox_tend_failed", error=str(error))

    def _flush(self, file: EventFile, *, at_last: bool = False) -> None:
        if self._done and (monotonic() >= self._flush_at or at_last):
            ids, self._done = self._done, []
            if isinstance(error := _attempt(lambda file: file.finish(ids), file), Exception):
                log.error("inbox_acknowledge_failed", error=str(error), events=len(ids))
                self._done = ids  # a full disk passes
                self._flush_at = monotonic() + _AFTER_TROUBLE


class LoopWriter:
    """The same on the event loop itself: for rehearsals, where nobody else waits and two threads would take turns."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._file: EventFile | None = None

    async def open(self, opener: Callable[[], EventFile]) -> None:
        self._file = opener()

    def call(self, function: Callable[[EventFile], T]) -> asyncio.Future[T]:
        assert self._file is not None
        future: asyncio.Future[T] = self._loop.create_future()
        Call(function, future).settle(_attempt(function, self._file))
        return future

    def acknowledge(self, ids: Sequence[int]) -> None:
        self.call(lambda file: file.finish(ids)).add_done_callback(_consume)
        self.call(EventFile.tend)

    def renew(self) -> asyncio.Future[None]:
        return self.call(EventFile.renew)

    async def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _consume(future: asyncio.Future[None]) -> None:
    if error := future.exception():
        log.error("inbox_acknowledge_failed", error=str(error))


def _attempt(function: Callable[[EventFile], object], file: EventFile) -> object:
    """The function's result or what it raised: the thread must outlive every request, so nothing may pass."""
    try:
        return function(file)
    except Exception as error:
        return error
