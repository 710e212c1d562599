"""From the log to the handlers: in order within a conversation, side by side between them.

Events come in four kinds. Those with a bulk handler are applied many at a time; those that nobody answers, `Unused`
ones among them, only have their key noted; what is unreadable and has no handler is kept as failed, with its payload;
each of the others runs its handler in a transaction of its own, behind the earlier ones of its conversation. An event
is acknowledged to the log after its effects are committed together with its key; a crash in between is a repetition
that the key stops.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import perf_counter

import structlog

from bot import handled
from bot.activity import Activity, Alarm
from bot.attempt import Attempts
from bot.clock import Clock
from bot.database_health import DatabaseHealth
from bot.errors import ConfigurationError
from bot.events import BaseEvent, Unknown
from bot.inbox import Inbox, Record
from bot.metrics import Metrics
from bot.outbox import Outbox
from bot.router import Router
from bot.settling import Settling
from bot.storage import BUSY_TIMEOUT, Database
from bot.texts import Texts

log = structlog.get_logger(__name__)

Conversation = tuple[str, str]
"""Adapter and conversation."""


@dataclass(frozen=True, slots=True)
class DispatchPolicy:
    """How events are handled."""

    concurrency: int = 16
    """Conversations handled at once."""
    batch: int = 1_000
    """Events in one bulk transaction at most."""
    time_limit: timedelta = timedelta(seconds=20)
    """For one handler; the machine's time, because it protects the database's write lock."""
    retry_after: Sequence[timedelta] = (timedelta(seconds=2), timedelta(seconds=20))
    """Waits between the attempts, by the clock; one attempt more than waits, then the event is kept as failed."""
    database_pause: timedelta = timedelta(seconds=5)
    """Wait while the database cannot be written; that counts as no attempt."""
    keep_keys: timedelta = timedelta(days=30)
    """How long handled keys are kept: longer than any inbox or platform repeats itself."""


class Dispatcher:
    """Takes events from the inbox until stopped. `texts` has the sentences for refusals."""

    def __init__(
        self,
        router: Router,
        *,
        inbox: Inbox,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        activity: Activity,
        texts: Texts,
        metrics: Metrics | None = None,
        policy: DispatchPolicy = DispatchPolicy(),
        health: DatabaseHealth | None = None,
        given_up: Callable[[Record], None] = lambda record: None,
    ) -> None:
        if policy.time_limit >= BUSY_TIMEOUT:
            raise ConfigurationError(
                f"A handler's time limit ({policy.time_limit}) must be below the database's busy timeout "
                f"({BUSY_TIMEOUT}), or one slow handler fails the others."
            )
        self._router = router
        self._inbox = inbox
        self._database = database
        self._clock = clock
        self._activity = activity
        self._metrics = metrics or Metrics()
        self._policy = policy
        self._attempts = Attempts(
            router, database=database, outbox=outbox, clock=clock, texts=texts, time_limit=policy.time_limit
        )
        self._health = health or DatabaseHealth(database, clock, policy.database_pause)
        self._settling = Settling(
            inbox,
            self._health,
            clock,
            self._metrics,
            retry_after=policy.retry_after,
            database_pause=policy.database_pause,
            given_up=given_up,
        )
        self._conversations: dict[Conversation, deque[Record]] = {}
        self._ready: asyncio.Queue[Conversation] = asyncio.Queue()
        self._bulk: deque[Record] = deque()
        self._unreadable: deque[tuple[Record, str]] = deque()
        self._alarms: list[Alarm] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_alive(self) -> bool:
        """Whether every loop runs."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def start(self) -> None:
        self._arrivals, self._bulk_work, self._unreadable_work, self._pruning = self._alarms = [
            Alarm(self._clock, self._activity) for _ in range(4)
        ]
        self._inbox.on_arrival(self._arrivals.ring)
        loops = [self._sort(), self._apply_bulk(), self._set_aside(), self._prune()]
        loops += [self._work() for _ in range(self._policy.concurrency)]
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        for task in self._tasks:
            task.add_done_callback(_report_end)

    async def stop(self) -> None:
        """Stop; what is under way is rolled back and stays in the inbox."""
        self._inbox.on_arrival(lambda: None)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._attempts.stop()
        self._tasks = []
        self._conversations.clear()
        self._bulk.clear()
        self._unreadable.clear()
        while not self._ready.empty():
            self._ready.get_nowait()
            self._activity.leave()
        for alarm in self._alarms:
            alarm.rest()

    # ------------------------------------------------------------ the loops

    async def _sort(self) -> None:
        """Put arriving events where they belong."""
        while True:
            await self._arrivals.wait()
            while records := await self._inbox.take(self._policy.batch):
                for record in records:
                    event = record.event
                    if self._router.bulk_handlers(type(event)):
                        self._add_to_bulk(record)
                    elif self._router.handles(event):
                        self._add_to_conversation(record)
                    elif isinstance(event, Unknown):
                        self._unreadable.append((record, event.reason))
                        self._unreadable_work.ring()
                    else:
                        self._add_to_bulk(record)

    def _add_to_bulk(self, record: Record) -> None:
        self._bulk.append(record)
        self._bulk_work.ring()

    def _add_to_conversation(self, record: Record) -> None:
        conversation = (record.event.adapter, record.event.conversation)
        waiting = self._conversations.get(conversation)
        if waiting is None:
            self._conversations[conversation] = deque([record])
            self._wake(conversation)
        else:
            waiting.append(record)

    def _wake(self, conversation: Conversation) -> None:
        if self._tasks:  # a retry may come due after stop
            self._activity.enter()
            self._ready.put_nowait(conversation)

    async def _work(self) -> None:
        """Handle the first event of a conversation, then let the other conversations have their turn."""
        while True:
            conversation = await self._ready.get()
            try:
                waiting = self._conversations[conversation]
                held = await self._handle(waiting[0])
                if held is not None:
                    waiting[0] = held
                    self._later(held, partial(self._wake, conversation))
                    continue
                waiting.popleft()
                if waiting:
                    self._wake(conversation)
                else:
                    del self._conversations[conversation]
            finally:
                self._activity.leave()

    async def _apply_bulk(self) -> None:
        while True:
            await self._bulk_work.wait()
            while self._bulk:
                await self._apply([self._bulk.popleft() for _ in range(min(len(self._bulk), self._policy.batch))])

    async def _set_aside(self) -> None:
        """Keep what nobody can read as failed: a commit each, for which no other event is kept waiting."""
        while True:
            await self._unreadable_work.wait()
            while self._unreadable:
                await self._settling.set_aside(*self._unreadable.popleft())

    async def _prune(self) -> None:
        """Forget old keys once a day."""
        while True:
            now = self._clock.now()
            await self._pruning.wait(now + timedelta(days=1))
            try:
                async with self._database.transaction() as db:
                    await handled.prune(db, self._clock.now() - self._policy.keep_keys)
            except Exception:
                log.exception("prune_failed")

    # ------------------------------------------------------- one at a time

    async def _handle(self, record: Record) -> Record | None:
        """Handle one event; the record to be tried again at its `retry_at`, or None if it is done with."""
        event = record.event
        if record.retry_at is not None and record.retry_at > self._clock.now():
            return record
        if self._health.reason is not None and (held := await self._settling.hold(record)) is not None:
            return held
        started = perf_counter()
        try:
            outcome = await self._attempts.run(record)
        except Exception as error:
            return await self._settling.failed(record, error)
        finally:
            self._metrics.handler_seconds.labels(event.type).observe(perf_counter() - started)
        self._settling.count(record, outcome)
        await self._settling.done([record])
        return None

    # ---------------------------------------------------------------- bulk

    async def _apply(self, records: list[Record]) -> None:
        """Apply many events in one transaction; one that spoils it is found and set aside."""
        if self._health.reason is not None and (wait := await self._health.waits()) is not None:
            self._add_later(records, wait)
            return
        started = perf_counter()
        try:
            async with asyncio.timeout(self._policy.time_limit.total_seconds()):
                await self._apply_together(records)
        except Exception as error:
            if await self._health.is_to_blame(error):
                self._add_later(records, self._policy.database_pause)
            elif len(records) > 1:
                for record in records:
                    await self._apply([record])
            elif (held := await self._settling.failed(records[0], error)) is not None:
                self._later(held, partial(self._add_to_bulk, held))
            return
        self._metrics.handler_seconds.labels("bulk").observe(perf_counter() - started)
        await self._settling.done(records)

    async def _apply_together(self, records: list[Record]) -> None:
        events = {(record.event.adapter, record.event.key): record.event for record in records}
        by_type: dict[type[BaseEvent], list[BaseEvent]] = defaultdict(list)
        async with self._database.transaction() as db:
            new = await handled.record(db, list(events.values()), self._clock.now())
            for key, event in events.items():
                if key in new:
                    by_type[type(event)].append(event)
            for event_type, of_type in by_type.items():
                for handler in self._router.bulk_handlers(event_type):
                    await handler(db, of_type)
        for record in records:
            is_new = (record.event.adapter, record.event.key) in new
            has_handler = self._router.bulk_handlers(type(record.event))
            self._settling.count(record, "duplicate" if not is_new else "handled" if has_handler else "ignored")

    def _add_later(self, records: Sequence[Record], wait: timedelta) -> None:
        """Put all back together once the database has been left alone for a while."""

        def add() -> None:
            self._bulk.extend(records)
            self._bulk_work.ring()

        self._clock.call_at(self._clock.now() + wait, add)

    def _later(self, record: Record, action: Callable[[], None]) -> None:
        assert record.retry_at is not None
        self._clock.call_at(record.retry_at, action)


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("dispatch_loop_ended", exc_info=error)  # /readyz says so too
