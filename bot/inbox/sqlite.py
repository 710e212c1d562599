"""The inbox as one SQLite file beside the process.

One thread owns the file. What arrives while it writes, and what the loop has still to read, shares the next commit
(group commit), so a durable intake costs about what a bare handler costs. Three things shape the code:

- A commit costs about 200 µs of processor time however small it is, a row in it 7 µs. So the loop first goes round
  until nothing more comes in, or `ROWS_AT_ONCE` have gathered: under load a few milliseconds, otherwise none.
- `sqlite3` gives up the interpreter lock around every step, and may wait milliseconds to get it back from a busy event
  loop. Hence one statement a commit, with all rows in it, in a transaction of its own: one step.
- Waking the event loop from a thread is dear; one wake-up carries the results of a whole commit.

Pending events are also kept in memory, within `backlog_limit` and `backlog_bytes`: the file is read only at start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import orjson
import structlog

from bot.clock import Clock
from bot.errors import ConfigurationError, InboxUnavailable
from bot.events import Event, has_possible_moment, storable
from bot.inbox import rows
from bot.inbox.file import EventFile, NewRow
from bot.inbox.protocol import FailedEvent, Record
from bot.inbox.writer import LoopWriter, Writer
from bot.storage import Durability

T = TypeVar("T")
log = structlog.get_logger(__name__)

_NUL = rb"\u0000"


ROWS_AT_ONCE = 128
"""Events that are committed without waiting for more."""


@dataclass(slots=True, eq=False)
class _Append:
    """Events of one request, and who waits for them."""

    events: Sequence[Event]
    payloads: Sequence[bytes]
    size: int
    future: asyncio.Future[int]


class SqliteInbox:
    """A durable inbox in the file at `path`, which no second process can open meanwhile.

    `keep_keys` is how long a handled event is recognised when it comes again. With `durability="process"` a commit
    survives the end of the process but not a power cut, and `on_loop` does without the thread: for rehearsals.
    """

    def __init__(
        self,
        path: Path | str,
        clock: Clock,
        *,
        durability: Durability = "full",
        on_loop: bool = False,
        keep_keys: timedelta = timedelta(days=7),
        backlog_limit: int = 100_000,
        backlog_bytes: int = 256 * 2**20,
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self._durability: Durability = durability
        self._on_loop = on_loop
        self._keep_keys = keep_keys
        self._backlog_limit = backlog_limit
        self._backlog_bytes = backlog_bytes
        self._writer: Writer | LoopWriter | None = None
        self._fresh: deque[Record] = deque()
        self._sizes: dict[int, int] = {}  # pending events: id and bytes
        self._size = 0  # bytes of pending events and of those being written
        self._writing = 0  # events on their way into the file
        self._waiting: list[_Append] = []  # of these, those for the next commit
        self._waiting_rows = 0
        self._written: asyncio.Future[list[int | None]] | None = None
        self.commits = 0
        """How many commits the appends took so far."""
        self._arrival: Callable[[], None] = lambda: None
        self._prune_at = clock.now()

    async def open(self) -> None:
        writer = (LoopWriter if self._on_loop else Writer)(asyncio.get_running_loop())
        await writer.open(lambda: EventFile(self.path, self._durability))
        self._writer = writer
        try:
            pending = await self._call(EventFile.pending)
        except InboxUnavailable as error:
            self._writer = None
            await writer.close()
            raise ConfigurationError(
                f"受信ログ {self.path} が壊れていて読めません。消さずに別の名前に変えてから起動してください。 "
                f"/ The inbox {self.path} is damaged: {error} Give it another name, without deleting it, and start."
            ) from error
        for row in pending:
            event = rows.event_in(row)
            if event is None:
                log.error("inbox_row_unreadable", id=row.id, adapter=row.adapter, key=row.key)
                await self.fail(row.id, "The row cannot be read as an event.", None)
            else:
                self._hand_in(
                    Record(row.id, event, row.attempts, rows.moment(row.retry_at), redelivered=True), rows.size(row)
                )
        if self._fresh:
            self._arrival()

    async def close(self) -> None:
        if self._writer is not None:
            if self._waiting and self._written is None:
                self._commit()
            writer, self._writer = self._writer, None
            await writer.close()
            if self._written is not None:  # let those who wait be told first
                await asyncio.wait([self._written])
            self._fresh.clear()
            self._sizes.clear()
            self._size = 0

    def on_arrival(self, callback: Callable[[], None]) -> None:
        self._arrival = callback

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    async def readiness(self) -> str | None:
        if self._writer is None:
            return "it is closed"
        if self.backlog >= self._backlog_limit or self._size >= self._backlog_bytes:
            return f"it holds {self.backlog} unhandled events and takes no more for now"
        try:
            await self._writer.call(EventFile.beat)
        except InboxUnavailable as error:
            return str(error)
        return None

    @property
    def backlog(self) -> int:
        return len(self._sizes) + self._writing

    async def append(self, events: Sequence[Event]) -> int:
        if self._writer is None:
            raise InboxUnavailable("The inbox is closed.")
        if not events:
            return 0
        written = [self._to_json(event) for event in events]
        events, payloads = [event for event, _ in written], [payload for _, payload in written]
        size = sum(map(len, payloads))
        count = len(payloads)
        if self.backlog + count > self._backlog_limit or self._size + size > self._backlog_bytes:
            raise InboxUnavailable(f"The inbox holds {self.backlog} unhandled events and takes no more for now.")
        self._size += size
        self._writing += count
        self._waiting_rows += count
        append = _Append(events, payloads, size, asyncio.get_running_loop().create_future())
        self._waiting.append(append)
        if len(self._waiting) == 1 and self._written is None:
            self._gather(0)
        return await append.future

    async def take(self, limit: int) -> Sequence[Record]:
        return [self._fresh.popleft() for _ in range(min(limit, len(self._fresh)))]

    async def acknowledge(self, ids: Sequence[int]) -> None:
        for number in ids:
            self._size -= self._sizes.pop(number, 0)
        if self._writer is not None:
            self._writer.acknowledge(ids)

    async def fail(self, id: int, error: str, retry_at: datetime | None) -> None:
        await self._call(lambda file: file.fail(id, error, rows.microseconds(retry_at)))
        if retry_at is None:
            self._size -= self._sizes.pop(id, 0)

    async def failed(self, limit: int = 100) -> Sequence[FailedEvent]:
        found = await self._call(lambda file: file.failed(limit))
        return [rows.as_failed(row) for row in found]

    async def count_failed(self) -> int:
        return await self._call(EventFile.count_failed)

    async def replay(self, id: int) -> bool:
        row = await self._call(lambda file: file.find_failed(id))
        event = None if row is None else rows.event_in(row)
        if row is None or event is None or not await self._call(lambda file: file.revive(id)):
            return False
        self._hand_in(Record(id, event, redelivered=True), rows.size(row))
        self._arrival()
        return True

    async def discard(self, id: int) -> bool:
        return await self._call(lambda file: file.discard(id))

    async def discard_all(self, chosen: Callable[[Event], bool]) -> int:
        def discard(file: EventFile) -> int:
            return sum(
                file.discard(number)
                for number in file.failed_ids()
                if (row := file.find_failed(number)) is not None
                and (event := rows.event_in(row)) is not None
                and chosen(event)
            )

        return await self._call(discard)

    async def renew_keys(self) -> None:
        if self._writer is not None:
            await self._writer.renew()

    def _to_json(self, event: Event) -> tuple[Event, bytes]:
        """The event, from here on `storable`, with its JSON.

        Same as `model_dump_json`, in a quarter of the time: an event's fields are JSON's own, moments, and models.
        """
        try:
            payload = orjson.dumps(event.__dict__, default=vars)
        except TypeError:  # a number beyond 64 bits, or half a letter
            payload = _NUL
        if _NUL not in payload and has_possible_moment(event):
            return event, payload
        event = storable(event, self._clock.now())
        return event, event.model_dump_json().encode()

    def _hand_in(self, record: Record, size: int) -> None:
        self._fresh.append(record)
        self._sizes[record.id] = size
        self._size += size

    # --------------------------------------------------------- group commit

    def _gather(self, seen: int, quiet: int = 0) -> None:
        """Let the loop go round until two rounds bring no more, then commit what is waiting.

        Two, because a request is read in one round and handled in the next.
        """
        if self._written is not None or not self._waiting:
            return
        count = len(self._waiting)
        quiet = quiet + 1 if count == seen else 0
        if quiet < 2 and self._waiting_rows < ROWS_AT_ONCE:
            asyncio.get_running_loop().call_soon(self._gather, count, quiet)
        else:
            self._commit()

    def _commit(self) -> None:
        """Hand everything that is waiting to the thread."""
        assert self._writer is not None
        now = self._clock.now()
        if now >= self._prune_at:
            self._prune(now)
        received_at = (now - rows.EPOCH) // rows.MICROSECOND
        batch, self._waiting, self._waiting_rows = self._waiting, [], 0
        new_rows = [
            NewRow(event.adapter, event.key, payload, received_at)
            for append in batch
            for event, payload in zip(append.events, append.payloads, strict=True)
        ]
        self.commits += 1
        self._written = self._writer.call(lambda file: file.append(new_rows))
        self._written.add_done_callback(partial(self._committed, batch))

    def _committed(self, batch: list[_Append], written: asyncio.Future[list[int | None]]) -> None:
        """Take in what was committed, and let those who wait go on."""
        self._written = None
        error = written.exception()
        ids = iter(() if error else written.result())
        for append in batch:
            self._writing -= len(append.payloads)
            self._size -= append.size
            new = 0
            if error is None:
                for event, payload in zip(append.events, append.payloads, strict=True):
                    if (number := next(ids)) is not None:
                        self._hand_in(Record(number, event), len(payload))
                        new += 1
            if append.future.done():  # the one who waited has gone; what was done stays done
                continue
            if error is None:
                append.future.set_result(new)
            else:
                append.future.set_exception(InboxUnavailable(str(error)))
        if self._fresh:
            self._arrival()
        if self._waiting:
            self._gather(0)

    async def _call(self, function: Callable[[EventFile], T]) -> T:
        if self._writer is None:
            raise InboxUnavailable("The inbox is closed.")
        return await self._writer.call(function)

    def _prune(self, now: datetime) -> None:
        self._prune_at = now + max(self._keep_keys / 100, timedelta(minutes=1))
        before = (now - self._keep_keys - rows.EPOCH) // rows.MICROSECOND
        assert self._writer is not None
        self._writer.call(lambda file: file.forget(before)).add_done_callback(_log_failure)


def _log_failure(future: asyncio.Future[int]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.error("inbox_prune_failed", error=str(error))
