"""The inbox as one SQLite file beside the process.

One thread owns the file. What arrives while it writes waits in a queue and shares the next commit (group commit), so a
durable intake costs about what a bare handler costs. Two things shape the code:

- `sqlite3` gives up the interpreter lock around every step, and may wait milliseconds to get it back from a busy event
  loop. Hence one statement a commit, with all rows in it, in a transaction of its own: one step.
- Waking the event loop from a thread is dear; one wake-up carries the results of a whole commit.

Pending events are also kept in memory, within `backlog_limit` and `backlog_bytes`: the file is read only at start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import ValidationError

from bot.clock import Clock
from bot.errors import InboxUnavailable
from bot.events import EVENT, Event
from bot.inbox.file import EventFile, NewRow, Row
from bot.inbox.protocol import FailedEvent, Record
from bot.inbox.writer import Append, Call, Done, Settled, Writer
from bot.storage import Durability

T = TypeVar("T")
log = structlog.get_logger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class SqliteInbox:
    """A durable inbox in the file at `path`, which no second process can open meanwhile.

    `keep_keys` is how long a handled event is recognised when it comes again. With `durability="process"` a commit
    survives the end of the process but not a power cut: for rehearsals.
    """

    def __init__(
        self,
        path: Path | str,
        clock: Clock,
        *,
        durability: Durability = "full",
        keep_keys: timedelta = timedelta(days=7),
        backlog_limit: int = 100_000,
        backlog_bytes: int = 256 * 2**20,
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self._durability: Durability = durability
        self._keep_keys = keep_keys
        self._backlog_limit = backlog_limit
        self._backlog_bytes = backlog_bytes
        self._writer: Writer | None = None
        self._fresh: deque[Record] = deque()
        self._sizes: dict[int, int] = {}  # pending events: id and characters
        self._size = 0  # characters of pending events and of those being written
        self._writing = 0  # events being written
        self._arrival: Callable[[], None] = lambda: None
        self._prune_at = clock.now()

    async def open(self) -> None:
        writer = Writer(self._settle, asyncio.get_running_loop())
        await writer.open(lambda: EventFile(self.path, self._durability))
        self._writer = writer
        for row in await self._call(EventFile.pending):
            event = _read(row)
            if event is None:
                log.error("inbox_row_unreadable", id=row.id, adapter=row.adapter, key=row.key)
                await self.fail(row.id, "The row cannot be read as an event.", None)
            else:
                self._hand_in(Record(row.id, event, row.attempts, _moment(row.retry_at), redelivered=True), _size(row))
        if self._fresh:
            self._arrival()

    async def close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.close()

    def on_arrival(self, callback: Callable[[], None]) -> None:
        self._arrival = callback

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    @property
    def backlog(self) -> int:
        return len(self._sizes) + self._writing

    @property
    def commits(self) -> int:
        """How many commits the appends of this process took."""
        return 0 if self._writer is None else self._writer.commits

    async def append(self, events: Sequence[Event]) -> int:
        if self._writer is None:
            raise InboxUnavailable("The inbox is closed.")
        if not events:
            return 0
        now = self._clock.now()
        if now >= self._prune_at:
            self._prune(now)
        received_at = (now - _EPOCH) // _MICROSECOND
        rows = [NewRow(event.adapter, event.key, event.model_dump_json(), received_at) for event in events]
        size = sum(len(row.payload) for row in rows)
        if self.backlog + len(rows) > self._backlog_limit or self._size + size > self._backlog_bytes:
            raise InboxUnavailable(f"The inbox holds {self.backlog} unhandled events and takes no more for now.")
        self._writing += len(rows)
        self._size += size
        append = Append(events, rows, asyncio.get_running_loop().create_future())
        self._writer.put(append)
        ids: list[int | None] = await append.future
        return len(ids) - ids.count(None)

    async def take(self, limit: int) -> Sequence[Record]:
        return [self._fresh.popleft() for _ in range(min(limit, len(self._fresh)))]

    async def acknowledge(self, ids: Sequence[int]) -> None:
        for number in ids:
            self._size -= self._sizes.pop(number, 0)
        if self._writer is not None:
            self._writer.put(Done(ids))

    async def fail(self, id: int, error: str, retry_at: datetime | None) -> None:
        await self._call(lambda file: file.fail(id, error, _microseconds(retry_at)))
        if retry_at is None:
            self._size -= self._sizes.pop(id, 0)

    async def failed(self, limit: int = 100) -> Sequence[FailedEvent]:
        rows = await self._call(lambda file: file.failed(limit))
        return [
            FailedEvent(
                id=row.id,
                adapter=row.adapter,
                key=row.key,
                received_at=_EPOCH + row.received_at * _MICROSECOND,
                attempts=row.attempts,
                error=row.error or "",
                payload=_text(row),
            )
            for row in rows
        ]

    async def replay(self, id: int) -> bool:
        row = await self._call(lambda file: file.find_failed(id))
        event = None if row is None else _read(row)
        if row is None or event is None:
            return False
        await self._call(lambda file: file.revive(id))
        self._hand_in(Record(id, event, redelivered=True), _size(row))
        self._arrival()
        return True

    def _hand_in(self, record: Record, size: int) -> None:
        self._fresh.append(record)
        self._sizes[record.id] = size
        self._size += size

    def _settle(self, settled: Settled) -> None:
        """In the loop: take in what was committed, and let those who wait go on."""
        for item, result in settled:
            future = item.future
            if isinstance(item, Append):
                self._writing -= len(item.rows)
                self._size -= sum(len(row.payload) for row in item.rows)
                if isinstance(result, list):
                    for number, event, row in zip(result, item.events, item.rows, strict=True):
                        if number is not None:
                            self._hand_in(Record(number, event), len(row.payload))
            if future.done():  # the one who waited has gone; what was done stays done
                continue
            if isinstance(result, Exception):
                unavailable = InboxUnavailable(f"The inbox {self.path} could not be written: {result}.")
                unavailable.__cause__ = result
                future.set_exception(unavailable)
            else:
                future.set_result(result)
        if self._fresh:
            self._arrival()

    async def _call(self, function: Callable[[EventFile], T]) -> T:
        if self._writer is None:
            raise InboxUnavailable("The inbox is closed.")
        call = Call(function, asyncio.get_running_loop().create_future())
        self._writer.put(call)
        result: T = await call.future
        return result

    def _prune(self, now: datetime) -> None:
        self._prune_at = now + max(self._keep_keys / 100, timedelta(minutes=1))
        before = _microseconds(now - self._keep_keys)
        assert self._writer is not None
        assert before is not None
        forgotten = Call(lambda file: file.forget(before), asyncio.get_running_loop().create_future())
        forgotten.future.add_done_callback(_log_failure)
        self._writer.put(forgotten)


def _read(row: Row) -> Event | None:
    try:
        return EVENT.validate_json(row.payload or "")
    except ValidationError:
        return None


def _text(row: Row) -> str:
    return row.payload.decode("utf-8", "backslashreplace") if isinstance(row.payload, bytes) else row.payload or ""


def _size(row: Row) -> int:
    return len(row.payload or "")


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + microseconds * _MICROSECOND


def _log_failure(future: asyncio.Future[int]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.error("inbox_prune_failed", error=str(error))
