"""Messages stored before they are sent: enqueue in the transaction of the change, and one sender for each adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.activity import Activity, Alarm
from bot.adapter import Adapter
from bot.clock import Clock
from bot.errors import ConfigurationError
from bot.messages import Address, Message, Priority
from bot.outbox.circuit import Circuit, CircuitHook, CircuitPolicy, Standing
from bot.outbox.enqueueing import Outgoing, store_all, store_one
from bot.outbox.hooks import GivenUpHook, Listener, SentHook, TroubleHook
from bot.outbox.retry import RetryPolicy
from bot.outbox.sender import LEASE, POLL, Sender
from bot.outbox.store import rescue
from bot.storage import Database
from bot.tables import attempts, deliveries

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeadDelivery:
    """A delivery that was given up, with the reason of its last try."""

    id: int
    adapter: str
    address: Address
    topic: str | None
    attempts: int
    finished_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try; `outcome` is sent, retry, snooze, rejected, or gone: rejected because of the address."""

    started_at: datetime
    finished_at: datetime
    outcome: str
    reason: str


class Outbox:
    """Sends at least once, and exactly once where the platform honours an idempotency key.

    A database that other processes write to is looked at every `poll`; SQLite is ours alone.
    """

    def __init__(
        self,
        database: Database,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        activity: Activity,
        policy: RetryPolicy | None = None,
        *,
        circuit: CircuitPolicy | None = None,
        random: Random | None = None,
        poll: timedelta = POLL,
    ) -> None:
        self._database = database
        self._clock = clock
        self._activity = activity
        self._adapters = dict(adapters)
        self._policy = policy or RetryPolicy()
        self._random = random or Random()  # noqa: S311 - spreads retries, keeps no secret
        self._poll = poll
        self._hooks: list[Listener] = []
        circuit = circuit or CircuitPolicy()
        self._circuits = {name: Circuit(clock, circuit) for name in self._adapters}
        self._circuit_hooks: list[CircuitHook] = []
        self._given_up_hooks: list[GivenUpHook] = []
        self._trouble_hooks: list[TroubleHook] = []
        self._senders: dict[str, Sender] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # -------------------------------------------------------------- enqueue

    async def enqueue(
        self,
        db: AsyncConnection,
        address: Address,
        message: Message,
        *,
        key: str,
        priority: Priority = Priority.REPLY,
        topic: str | None = None,
        due_at: datetime | None = None,
        reply_token: str | None = None,
    ) -> int:
        """Store `message` for `address` in the caller's transaction; the delivery's id.

        It goes out after the commit, or once `due_at` has come. `key` is the idempotency key: a second delivery under
        the same key is an IntegrityError. ConfigurationError if there is no such adapter.
        """
        item = Outgoing(address, message, key, priority, topic, due_at, reply_token)
        self._check(item)
        number = await store_one(db, item, self._clock.now())
        self.ring_after_commit(db)
        return number

    async def enqueue_all(self, db: AsyncConnection, items: Sequence[Outgoing]) -> None:
        """As `enqueue` for each, in their order, at little more than the cost of one."""
        for item in items:
            self._check(item)
        await store_all(db, items, self._clock.now())
        self.ring_after_commit(db)

    def _check(self, item: Outgoing) -> None:
        adapter = item.address.adapter
        if adapter not in self._adapters:
            known = ", ".join(sorted(self._adapters)) or "none"
            raise ConfigurationError(f"No adapter named {adapter!r} is running; running are: {known}.")

    def ring_after_commit(self, db: AsyncConnection) -> None:
        """Wake the senders once the transaction of `db` is committed; for those who insert deliveries themselves."""
        self._database.after_commit(db, self.ring)

    def ring(self) -> None:
        """Wake the senders now."""
        for sender in self._senders.values():
            sender.ring()

    def on_sent(self, hook: SentHook, topics: tuple[str, ...] = ()) -> None:
        """Call `hook(db, sent)` in the transaction that records deliveries as sent.

        With `topics`, only for deliveries whose topic begins with one of them.
        A hook that raises is logged and leaves nothing behind; the deliveries are recorded all the same.
        """
        self._hooks.append((hook, topics))

    def on_given_up(self, hook: GivenUpHook) -> None:
        """Call `hook(adapter)` after deliveries have been recorded as dead."""
        self._given_up_hooks.append(hook)

    def on_trouble(self, hook: TroubleHook) -> None:
        """Call `hook(error)` when something could not be written down; it is tried again until it can."""
        self._trouble_hooks.append(hook)

    # ------------------------------------------------------------ platforms

    @property
    def standings(self) -> dict[str, Standing]:
        """Whether each platform works, as far as this process can tell."""
        return {name: circuit.standing for name, circuit in self._circuits.items()}

    @property
    def down(self) -> frozenset[str]:
        """The platforms that are down."""
        return frozenset(name for name, circuit in self._circuits.items() if circuit.state == "down")

    @property
    def is_alive(self) -> bool:
        """Whether every loop runs."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    def called_at(self, adapter: str) -> datetime | None:
        """When a platform was last sent something by this process; before its first call, when sending began."""
        return self._senders[adapter].called_at if adapter in self._senders else None

    def on_circuit(self, hook: CircuitHook) -> None:
        """Call `hook(adapter, standing)` when a platform goes down, after each failed probe, and when it is back."""
        self._circuit_hooks.append(hook)

    # ----------------------------------------------------------------- life

    async def start(self) -> None:
        """Queue again what an earlier process left in the middle, and begin to send."""
        if self._tasks:
            raise ConfigurationError("The outbox has already been started.")
        async with self._database.transaction() as db:
            # SQLite belongs to one process: whoever claimed is gone. Elsewhere only the lease can tell.
            freed = await rescue(db, None if self._database.is_sqlite else self._clock.now())
        if freed:
            log.info("outbox.rescued", deliveries=freed)
        for name, adapter in self._adapters.items():
            sender = self._senders[name] = Sender(
                self._database,
                adapter,
                clock=self._clock,
                activity=self._activity,
                policy=self._policy,
                random=self._random,
                hooks=self._hooks,
                circuit=self._circuits[name],
                circuit_hooks=self._circuit_hooks,
                given_up_hooks=self._given_up_hooks,
                trouble_hooks=self._trouble_hooks,
                poll=self._poll,
            )
            self._tasks.append(asyncio.create_task(sender.run(), name=f"outbox {name}"))
        if not self._database.is_sqlite:
            self._tasks.append(asyncio.create_task(self._rescue_forfeit(), name="outbox rescue"))

    async def stop(self) -> None:
        """Finish the calls under way, give back what was claimed, and end."""
        for sender in self._senders.values():
            sender.stop()
        for task in self._tasks:
            if task.get_name() == "outbox rescue":
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._senders.clear()

    async def _rescue_forfeit(self) -> None:
        """Free the claims of processes that died, on a timer of its own so that no slow sender stalls it."""
        alarm = Alarm(self._clock, self._activity)
        try:
            while True:
                await alarm.wait(self._clock.now() + max(LEASE / 2, self._poll))
                try:
                    async with self._database.transaction() as db:
                        freed = await rescue(db, self._clock.now())
                except Exception:
                    log.exception("outbox.rescue_failed")
                    continue
                if freed:
                    log.info("outbox.rescued", deliveries=freed)
                    self.ring()
        finally:
            alarm.rest()

    # ----------------------------------------------------------------- look

    async def dead(self, limit: int = 100) -> list[DeadDelivery]:
        """What was given up, the latest first."""
        last_reason = (
            select(attempts.c.reason)
            .where(attempts.c.delivery_id == deliveries.c.id)
            .order_by(attempts.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        async with self._database.snapshot() as db:
            rows = await db.execute(
                select(deliveries, last_reason.label("reason"))
                .where(deliveries.c.state == "dead")
                .order_by(deliveries.c.finished_at.desc(), deliveries.c.id.desc())
                .limit(limit)
            )
            return [
                DeadDelivery(
                    row.id,
                    row.adapter,
                    Address(adapter=row.adapter, kind=row.kind, id=row.address),
                    row.topic,
                    row.attempts,
                    row.finished_at,
                    row.reason or "",
                )
                for row in rows
            ]

    async def replay(self, ids: Collection[int]) -> int:
        """Send dead deliveries again, with all their attempts anew and the same key; how many were dead.

        Those who shared a call with one of them come along: the call's key stands for all of them.
        """
        calls = select(deliveries.c.shared_call).where(
            deliveries.c.id.in_(ids), deliveries.c.shared_call.is_not(None), deliveries.c.state == "dead"
        )
        async with self._database.transaction() as db:
            revived = await db.execute(
                update(deliveries)
                .where(or_(deliveries.c.id.in_(ids), deliveries.c.shared_call.in_(calls)), deliveries.c.state == "dead")
                .values(state="queued", attempts=0, due_at=self._clock.now(), finished_at=None)
            )
            self.ring_after_commit(db)
            return int(revived.rowcount)

    async def dead_ids(
        self,
        *,
        adapter: str | None = None,
        topic: str | None = None,
        since: datetime | None = None,
        reason: str | None = None,
    ) -> list[int]:
        """Everything that was given up: on a platform, of topics that begin so, since then, for a reason with these
        words in it; all of these where several are named."""
        last = select(attempts.c.reason).where(attempts.c.delivery_id == deliveries.c.id)
        query = select(deliveries.c.id).where(deliveries.c.state == "dead").order_by(deliveries.c.id)
        if adapter is not None:
            query = query.where(deliveries.c.adapter == adapter)
        if topic is not None:
            query = query.where(deliveries.c.topic.startswith(topic, autoescape=True))
        if since is not None:
            query = query.where(deliveries.c.finished_at >= since)
        if reason is not None:
            words = last.order_by(attempts.c.id.desc()).limit(1).scalar_subquery()
            query = query.where(words.icontains(reason, autoescape=True))
        async with self._database.snapshot() as db:
            return list(await db.scalars(query))

    async def attempts(self, delivery_id: int) -> list[Attempt]:
        """Every try of one delivery, in their order."""
        async with self._database.snapshot() as db:
            rows = await db.execute(
                select(attempts).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.id)
            )
            return [Attempt(row.started_at, row.finished_at, row.outcome, row.reason) for row in rows]
