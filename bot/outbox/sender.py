"""One adapter's loop: claim a little, send it with several calls under way, write down what came of it, in bulk.

Each turn is one transaction that records what has finished and claims what comes next, so a delivery costs a small
share of a commit. What is claimed is at most what goes out in about a second, and is sent in the order of priority;
what is enqueued later and is more urgent is claimed at once and goes before it. So an emergency waits for the calls
under way and for the platform's rate, and for nothing else.

A crash between the call and the record leaves the row in `sending`; it is sent again with the same key, by which an
idempotent platform recognises it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import structlog

from bot.activity import Activity, Alarm
from bot.adapter import Adapter, Outcome, Retry, Sent
from bot.clock import Clock, JumpWatch
from bot.outbox.circuit import Circuit, CircuitHook
from bot.outbox.hooks import GivenUpHook, Listener, TroubleHook, run_hooks
from bot.outbox.judging import judge
from bot.outbox.pacing import pacer_for
from bot.outbox.ready import Ready
from bot.outbox.retry import RetryPolicy
from bot.outbox.store import ANY_PRIORITY, Claimed, Result, Store, put_right
from bot.rows import stored
from bot.storage import Database

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
"""How long a claim holds without being renewed."""
POLL = timedelta(seconds=1)
"""How often a database that other processes write to is looked at; SQLite is ours alone and rings by itself."""
AHEAD = 1_024
"""Deliveries claimed and not yet recorded, at most, beside those under way."""
GATHER = 256
"""Results that are worth a commit of their own while more are under way."""
LINGER = timedelta(milliseconds=50)
"""How long a result waits for others while more are under way."""
WHILE_DOWN = timedelta(minutes=1)
"""The longest wait between two tries of one delivery at a platform that is down: others are its probes meanwhile."""
LONGEST_PAUSE = timedelta(minutes=1)
"""The longest pause that is made of a wait that makes no sense."""
AFTER_TROUBLE = timedelta(seconds=1)
"""How long to wait before the database is tried again after an error."""


class Sender:
    """Sends what the outbox holds for one adapter."""

    def __init__(
        self,
        database: Database,
        adapter: Adapter,
        *,
        clock: Clock,
        activity: Activity,
        policy: RetryPolicy,
        random: Random,
        hooks: Sequence[Listener],
        circuit: Circuit,
        circuit_hooks: Sequence[CircuitHook] = (),
        given_up_hooks: Sequence[GivenUpHook] = (),
        trouble_hooks: Sequence[TroubleHook] = (),
        poll: timedelta = POLL,
    ) -> None:
        self._database = database
        self._adapter = adapter
        self._clock = clock
        self._activity = activity
        self._policy = policy
        self._random = random
        self._hooks = hooks
        self._circuit = circuit
        self._circuit_hooks = circuit_hooks
        self._told_down = False
        self._given_up_hooks = given_up_hooks
        self._trouble_hooks = trouble_hooks
        self._in_trouble = False
        self.called_at = clock.now()
        """When the last call ended; before the first, when this began."""
        self._gave_up = False  # among the results is something dead
        self._poll = poll
        capabilities = adapter.capabilities
        self._store = Store(adapter.name, is_sqlite=database.is_sqlite)
        self._pacer = pacer_for(database, adapter.name, capabilities, clock)
        self._concurrency = capabilities.concurrency
        self._batch_size = capabilities.batch_size
        self._ahead = AHEAD
        if capabilities.rate is not None:
            self._ahead = max(1, min(AHEAD, math.ceil(capabilities.rate * capabilities.batch_size)))
        self.alarm = Alarm(clock, activity)
        self._look = True  # there may be something to claim
        self._rung = False  # it may be more urgent than what is claimed
        self._look_at: datetime | None = None
        self._ready = Ready()
        self._results: list[Result] = []
        self._oldest: datetime | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._under_way: dict[int, Claimed] = {}
        self._renewed_at = clock.now()
        self._jumps = JumpWatch(clock)
        self._must_put_right = True  # also what an earlier process wrote whose clock was wrong
        self._pause = AFTER_TROUBLE
        self._vain: dict[int, int] = {}  # tries that did not count, by delivery, while the platform is down
        self._stopping = False

    def ring(self) -> None:
        """Something new was enqueued."""
        self._look = self._rung = True
        self.alarm.ring()

    async def run(self) -> None:
        """Send until `stop` has been called and everything under way has been recorded."""
        try:
            until: datetime | None = None
            while True:
                await self.alarm.wait(until)
                until = await self._step()
                if self._stopping and not self._calls and not self._results and not self._ready.all:
                    return
        finally:
            for call in self._calls:
                call.cancel()
            self.alarm.rest()

    def stop(self) -> None:
        """Start nothing more, finish what is under way, give the rest back."""
        self._stopping = True
        self.alarm.ring()

    async def _step(self) -> datetime | None:
        """Do what is to be done now; the moment at which to look again."""
        if (jump := self._jumps.look()) is not None:
            self._clock_was_set(jump)
        now = self._clock.now()
        if self._look_at is not None and self._look_at <= now:
            self._look, self._look_at = True, None
        try:
            if self._must_put_right:
                await self._put_right()
            if self._wants_turn(now):
                await self._turn()
            await self._keep_claims()
            await self._pacer.prepare(len(self._ready.all), urgent=self._ready.is_urgent)
        except Exception as error:
            self._note_trouble(error)
            if self._stopping:
                raise  # the rows stay claimed; the next process queues them again
            self._start_calls()
            return self._clock.now() + AFTER_TROUBLE
        self._in_trouble = False
        self._start_calls()
        return self._next_look()

    def _clock_was_set(self, by: timedelta) -> None:
        """Waits go on as long as they were meant to; what stands in rows is looked at again."""
        log.error("outbox.clock_was_set", adapter=self._adapter.name, seconds=by.total_seconds())
        self._pacer.shift(by)
        self._circuit.shift(by)
        self._renewed_at -= LEASE  # renewed at once: a claim must not be forfeit in the eyes of others
        self._look, self._look_at, self._must_put_right = True, None, True
        if self._oldest is not None:
            self._oldest += by

    async def _put_right(self) -> None:
        async with self._database.transaction() as db:
            if self._circuit.standing.since is None and (failed_at := await self._store.left_ill(db)) is not None:
                self._circuit.resume(failed_at)
            mended = await put_right(db, self._clock.now(), LEASE, self._policy.longest)
        self._must_put_right = False
        if mended:
            log.warning("outbox.moments_put_right", deliveries=mended)

    def _note_trouble(self, error: Exception) -> None:
        """One traceback for a disk that is full for an hour, not one a second."""
        name = self._adapter.name
        log.error("outbox.turn_failed", adapter=name, error=repr(error)[:300], exc_info=not self._in_trouble)
        self._in_trouble = True
        for hook in self._trouble_hooks:
            hook(error)

    # ------------------------------------------------------------- database

    def _wants_turn(self, now: datetime) -> bool:
        if self._results and (
            not self._calls
            or len(self._results) >= GATHER
            or (self._oldest is not None and self._oldest + LINGER <= now)
        ):
            return True
        if self._must_give_back():
            return bool(self._ready.all)
        if self._circuit.probes:
            return len(self._ready.all) > len(self._ready.next_call()) or (self._look and not self._ready.all)
        return self._look and (self._rung or len(self._ready.all) <= self._ahead // 2)

    def _must_give_back(self) -> bool:
        """Whether what is claimed had better wait in the database: we stop, or the platform is to be left alone."""
        rest = self._pacer.next_at
        return self._stopping or self._between_probes() or (rest is not None and rest > self._clock.now() + LEASE / 2)

    def _between_probes(self) -> bool:
        """Whether the platform is ill, and a call is under way that will tell more or it is too early for another."""
        return self._circuit.probes and (bool(self._calls) or self._circuit.next_at is not None)

    async def _turn(self) -> None:
        results, self._results, self._oldest = self._results, [], None
        gave_up, self._gave_up = self._gave_up, False
        giving_back, probing = self._must_give_back(), self._circuit.probes
        give_back: list[Claimed] = []
        if giving_back:
            give_back, self._ready.all = self._ready.all, []
        elif probing:
            give_back, self._ready.all = self._ready.parted()
        wanted, below = (1 if probing else self._ahead) - len(self._ready.all), ANY_PRIORITY
        if wanted <= 0 and not probing:  # enough is claimed, so take only what overtakes it
            wanted, below = max(self._concurrency, self._batch_size), self._ready.all[0].priority
        if wanted > self._batch_size:
            wanted -= wanted % self._batch_size  # full calls, as far as there is enough for them
        self._look = self._rung = False
        claimed: list[Claimed] = []
        next_due: datetime | None = None
        try:
            async with self._database.transaction() as db:
                if results:
                    await self._store.record(db, results)
                    await run_hooks(db, self._hooks, self._adapter.name, results)
                if give_back:
                    await self._store.release(db, give_back)
                if not giving_back and wanted > 0:
                    now = self._clock.now()
                    share = 1 if probing else self._batch_size
                    claimed = await self._store.claim(db, wanted, now, now + LEASE, below=below, share=share)
                    if len(claimed) < wanted:
                        next_due = await self._store.next_due(db, now)
        except BaseException:
            self._results = results + self._results
            self._gave_up = self._gave_up or gave_up
            self._ready.all = give_back + self._ready.all
            self._look = True
            raise
        if claimed:
            self._ready.add(self._still_wanted(claimed))
        if giving_back or below != ANY_PRIORITY or len(claimed) >= wanted:
            self._look = True  # there is more, or nobody has looked
        else:
            self._look_at = next_due
        if results or give_back:
            self._tell_standing()
        if gave_up:
            for hook in self._given_up_hooks:
                hook(self._adapter.name)

    def _still_wanted(self, claimed: list[Claimed]) -> list[Claimed]:
        """What has waited longer than it matters is given up, and never called for."""
        now = self._clock.now()
        bounds = {priority: stored(now - self._policy.term_of(priority)) for priority in {c.priority for c in claimed}}
        # What has not been tried counts from its moment: it may have been enqueued long before.
        late = [c for c in claimed if (c.created_at if c.attempts else c.due_at) < bounds[c.priority]]
        if not late:
            return claimed
        for each in late:
            term = self._policy.term_of(each.priority)
            reason = f"It was not sent within its term of {term}: the platform did not take it in time."
            self._results.append(Result(each, "dead", "expired", now, now, reason=reason))
        self._oldest, self._gave_up = self._oldest or now, True
        log.error("outbox.term_over", adapter=self._adapter.name, deliveries=len(late))
        gone = {each.delivery.id for each in late}
        return [each for each in claimed if each.delivery.id not in gone]

    def _tell_standing(self) -> None:
        """Tell those who asked, once it is in the database, what is left at a platform that is down, or is back."""
        standing = self._circuit.standing
        if not (standing.is_down or self._told_down):
            return
        if standing.is_down != self._told_down:
            log.warning(
                "outbox.platform_down" if standing.is_down else "outbox.platform_back", adapter=self._adapter.name
            )
        self._told_down = standing.is_down
        for hook in self._circuit_hooks:
            hook(self._adapter.name, standing)

    async def _keep_claims(self) -> None:
        """Renew what is claimed before its lease runs out, where another process could take it."""
        now = self._clock.now()
        if self._database.is_sqlite or now < self._renewed_at + LEASE / 3:
            return
        self._renewed_at = now
        held = [each.delivery.id for each in self._ready.all] + list(self._under_way)
        held += [result.claimed.delivery.id for result in self._results]
        if held:
            async with self._database.transaction() as db:
                await self._store.renew(db, held, now + LEASE)

    def _next_look(self) -> datetime | None:
        moments = [moment for moment in (self._look_at,) if moment is not None]
        if self._results and self._oldest is not None:
            moments.append(self._oldest + LINGER)
        if self._ready.all or self._look:
            moments += [each for each in (self._pacer.next_at, self._circuit.next_at) if each is not None]
        if not self._database.is_sqlite:
            self._look = True
            moments.append(self._clock.now() + self._poll)
        return min(moments, default=None)

    # ---------------------------------------------------------------- calls

    def _start_calls(self) -> None:
        while len(self._calls) < self._concurrency and (batch := self._take()):
            self._activity.enter()
            call = asyncio.create_task(self._call(batch))
            self._calls.add(call)
            call.add_done_callback(self._call_ended)

    def _call_ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self.alarm.ring()
        self._activity.leave()

    async def _call(self, batch: list[Claimed]) -> None:
        """Send one batch, then the next, as long as there is something to send and the pace allows."""
        while batch:
            started_at = self._clock.now()
            outcomes = await self._send(batch)
            self._collect(batch, outcomes, started_at)
            batch = self._take()
            if len(self._results) == GATHER or len(self._ready.all) == self._ahead // 2:
                self.alarm.ring()

    def _take(self) -> list[Claimed]:
        """What goes into the next call: one delivery, or on a platform with multicast those that say the same."""
        if (
            not self._ready.all
            or self._stopping
            or self._between_probes()
            or not self._pacer.take(urgent=self._ready.is_urgent)
        ):
            return []
        self._circuit.begin()
        batch = self._ready.take()
        for each in batch:
            self._under_way[each.delivery.id] = each
        return batch

    async def _send(self, batch: Sequence[Claimed]) -> Sequence[Outcome]:
        try:
            outcomes = await self._adapter.send([each.delivery for each in batch])
        except Exception as error:
            # An adapter promises not to raise. Whether the message went out is unknown, and the key answers for that.
            log.exception("outbox.adapter_raised", adapter=self._adapter.name)
            return [Retry(f"The adapter raised {type(error).__name__}.", uncertain=True)] * len(batch)
        if len(outcomes) != len(batch):
            log.error("outbox.outcomes_missing", adapter=self._adapter.name, asked=len(batch), got=len(outcomes))
            return [Retry("The adapter did not answer for every delivery.", uncertain=True)] * len(batch)
        return outcomes

    def _collect(self, batch: Sequence[Claimed], outcomes: Sequence[Outcome], started_at: datetime) -> None:
        now = self.called_at = self._clock.now()
        outcomes = [self._sensible(outcome) for outcome in outcomes]
        suspect = self._circuit.is_suspect
        self._circuit.note(outcomes, started_at)
        if self._oldest is None:
            self._oldest = now
        wait: timedelta | None = None  # one for the whole call, so that those who share it come due together
        if any(type(outcome) is Retry and outcome.after is None for outcome in outcomes):
            wait = self._policy.wait(batch[0].attempts + 1, self._random)
        # Known to be ill before this call: it says nothing about this message, and does not count.
        rested = all(type(outcome) is Retry and outcome.after is not None for outcome in outcomes)
        down = (suspect and self._circuit.is_suspect) or (self._circuit.state == "down" and rested)
        if down:
            wait = self._wait_while_down(batch)
        elif not self._circuit.is_suspect and self._vain:
            self._vain.clear()
        for claimed, outcome in zip(batch, outcomes, strict=True):
            del self._under_way[claimed.delivery.id]
            result = judge(claimed, outcome, started_at, now, wait, down=down)
            if result.state == "dead":
                self._gave_up = True
            elif result.outcome == "snooze" and not down and result.due_at is not None:
                self._pacer.pause(result.due_at)  # the platform is tired of us as a whole, so the others rest as well
            self._results.append(result)

    def _wait_while_down(self, batch: Sequence[Claimed]) -> timedelta:
        leader = batch[0].delivery.id
        tries = self._vain[leader] = self._vain.get(leader, 0) + 1
        wait = min(self._policy.first * float(2 ** min(tries, 16)), WHILE_DOWN)
        return wait * (1.0 - self._policy.jitter * self._random.random())

    def _sensible(self, outcome: Outcome) -> Outcome:
        """A wait of nothing, or a negative one, becomes a pause that grows until something is taken again."""
        if type(outcome) is Sent:
            self._pause = AFTER_TROUBLE
        elif type(outcome) is Retry and outcome.after is not None and outcome.after <= timedelta(0):
            pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
            return replace(outcome, after=pause)
        return outcome
